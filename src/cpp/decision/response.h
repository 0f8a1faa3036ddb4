// SPDX-License-Identifier: Apache-2.0
// What the classical trees fit, in integers, so that sums are exact in any order: classes by number, targets in fixed
// point, weights in fixed point (data/weights.h: integer weights are exact, so weight 2 is the row twice).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pygbt {

struct Response {
  std::int64_t n_rows = 0;
  std::int32_t n_classes = 0;           // 0: a regression
  std::vector<std::int32_t> label;      // [row] class
  std::int32_t n_targets = 0;           // 0: a classification
  std::vector<std::int64_t> target;     // [row][n_targets] in units of target_unit
  std::vector<double> target_unit;      // [n_targets] powers of two: sums of weight x target stay below 2^62
  std::vector<std::uint32_t> weight;    // [row] in units of weight_unit, or empty: 1 each; 0: the row does not count
  double weight_unit = 1.0;
  std::uint64_t total_weight = 0;       // < 2^46
};

// Throws InvalidArgument for labels outside 0 .. n_classes - 1 (negative: the row does not count), bad weights.
Response classes_response(std::span<const std::int32_t> labels, std::int32_t n_classes, std::span<const double> weights,
                          int n_threads);

// Throws InvalidArgument for targets that are infinite (NaN: the row does not count), bad weights.
Response targets_response(std::span<const double> targets, std::int32_t n_targets, std::span<const double> weights,
                          int n_threads);

}  // namespace pygbt
