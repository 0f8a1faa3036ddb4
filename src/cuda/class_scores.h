// SPDX-License-Identifier: Apache-2.0
// What the estimators make of float32 scores on a device, [row][output]. Called by bind_predict.cc; each returns when it is
// done.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pygbt::device {

// float64 copies of n scores.
void widen_scores(int ordinal, const float* scores, std::int64_t n, double* out);

// Shares of the classes, out [row][classes]: of one output p as 1 - p and p, else each over their sum in the order of the
// classes, or equal ones where that is 0.
void class_shares(int ordinal, const float* values, std::int64_t n_rows, std::int32_t n_outputs, double* out);

// The most probable class of each row by its margins: of one output the second where it is positive. classes: on the
// host, item_bytes each; out [row] on the device.
void top_classes(int ordinal, const float* margins, std::int64_t n_rows, std::int32_t n_outputs,
                 const std::byte* classes, std::size_t n_classes, std::size_t item_bytes, std::byte* out);

}  // namespace pygbt::device
