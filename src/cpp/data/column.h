// SPDX-License-Identifier: Apache-2.0
// A raw column as its owner holds it: any dtype, any stride, dense or sparse, never copied whole.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.h"

namespace pygbt {

enum class ColumnType : std::uint8_t { f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, boolean };

struct ColumnView {
  ColumnType type = ColumnType::f32;
  bool categorical = false;            // values are category codes (i32), negative = missing
  bool on_device = false;              // `data` is an address on the device that bins it; dense, aligned to its type
  const char* data = nullptr;          // dense: first element; sparse: first stored value (contiguous)
  std::int64_t stride = 0;             // dense: bytes from row to row (may be negative or 0)
  // Sparse columns: ascending row indices of the stored values; every other row holds `fill` (0 or NaN).
  const std::int64_t* sparse_rows = nullptr;  // [n_stored], nullptr = dense
  std::int64_t n_stored = 0;
  double fill = 0.0;
};

// True where float32 cannot hold every value of the type exactly: the feature is `wide`.
bool needs_float64(ColumnType type);

// Rows [begin, end) as float64: NaN = missing, -0.0 becomes +0.0, codes as they are (negative = NaN).
// `wide` false rounds to float32 first, as the training column was. Integers beyond 2^53 round to nearest.
void read_column(const ColumnView& column, std::int64_t begin, std::int64_t end, bool wide, double* out,
                 std::int64_t out_stride = 1);

}  // namespace pygbt
