// SPDX-License-Identifier: Apache-2.0
#include "data/column.h"

#include <algorithm>
#include <limits>

#include "data/keys.h"
#include "math/as_trained.h"

namespace pygbt {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

}  // namespace

bool needs_float64(ColumnType type) {
  switch (type) {
    case ColumnType::f64:
    case ColumnType::i32:
    case ColumnType::u32:
    case ColumnType::i64:
    case ColumnType::u64:
      return true;
    default:
      return false;
  }
}

void read_column(const ColumnView& column, std::int64_t begin, std::int64_t end, bool wide, double* out,
                 std::int64_t out_stride) {
  const std::int64_t n = end - begin;
  if (column.sparse_rows != nullptr) {
    const double fill = as_trained(column.fill, wide);
    for (std::int64_t i = 0; i < n; ++i) out[i * out_stride] = fill;
    const std::int64_t* const rows_end = column.sparse_rows + column.n_stored;
    const std::int64_t* const from = std::lower_bound(column.sparse_rows, rows_end, begin);
    visit_type(column.type, [&]<class T>(T) {
      const char* value = column.data + (from - column.sparse_rows) * static_cast<std::int64_t>(sizeof(T));
      for (const std::int64_t* row = from; row != rows_end && *row < end; ++row, value += sizeof(T)) {
        out[(*row - begin) * out_stride] = as_trained(static_cast<double>(detail::load<T>(value)), wide);
      }
    });
    return;
  }
  const char* const first = column.data + begin * column.stride;
  if (column.categorical) {
    for (std::int64_t i = 0; i < n; ++i) {
      const auto code = detail::load<std::int32_t>(first + i * column.stride);
      out[i * out_stride] = code < 0 ? kMissing : static_cast<double>(code);
    }
    return;
  }
  visit_type(column.type, [&]<class T>(T) {
    for (std::int64_t i = 0; i < n; ++i) {
      out[i * out_stride] = as_trained(static_cast<double>(detail::load<T>(first + i * column.stride)), wide);
    }
  });
}

}  // namespace pygbt
