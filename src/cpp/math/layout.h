// SPDX-License-Identifier: Apache-2.0
// Every flattened index, in 64 bits.
#pragma once

#include <cstdint>

#include "base/host_device.h"

namespace pygbt {

// Cell of (feature, bin, target) in a node's histogram [feature][bin][width]; feature_offset counts bins.
PYGBT_HD std::int64_t cell_index(std::int64_t feature_offset, std::int64_t bin, std::int32_t width,
                                 std::int32_t target) {
  return (feature_offset + bin) * width + target;
}

// (row, column) of a row-major matrix.
PYGBT_HD std::int64_t row_major(std::int64_t row, std::int32_t column, std::int32_t n_columns) {
  return row * n_columns + column;
}

// (target, row) of the gradient arrays [target][row].
PYGBT_HD std::int64_t target_major(std::int32_t target, std::int64_t row, std::int64_t n_rows) {
  return target * n_rows + row;
}

}  // namespace pygbt
