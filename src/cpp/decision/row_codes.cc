// SPDX-License-Identifier: Apache-2.0
#include "decision/row_codes.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/pool.h"

namespace pygbt {
namespace {

bool two_values(const CodedColumn& column) {
  return !column.nominal && !column.has_missing && column.n_codes == 3 && column.width == 1;
}

}  // namespace

RowCodes make_row_codes(const CodedTable& table, int n_threads) {
  constexpr std::size_t kLine = 64;
  RowCodes rows;
  rows.offset.resize(table.columns.size());
  rows.bit.assign(table.columns.size(), -1);
  std::int32_t n_bits = 0;
  for (std::size_t f = 0; f < table.columns.size(); ++f)
    if (two_values(table.columns[f])) rows.bit[f] = n_bits++;
  rows.n_words = static_cast<std::size_t>(n_bits + 63) / 64;
  for (const std::size_t width : {4u, 2u, 1u}) {  // the widest first: all stay aligned
    for (std::size_t f = 0; f < table.columns.size(); ++f) {
      if (table.columns[f].width != width || rows.bit[f] >= 0) continue;
      rows.offset[f] = static_cast<std::uint32_t>(rows.stride);
      rows.stride += width;
    }
  }
  // Short rows do not straddle lines.
  if (rows.stride > 0) rows.stride = rows.stride <= kLine ? std::bit_ceil(rows.stride) : (rows.stride + 3) / 4 * 4;
  const auto n_rows = static_cast<std::size_t>(table.n_rows);
  rows.codes.resize(n_rows * rows.stride + RowCodes::kPadding);
  rows.bits.resize(n_rows * rows.n_words);
  constexpr std::int64_t kGrain = 1024;
  parallel_ranges(resolve_threads(n_threads), table.n_rows, kGrain, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t first = begin; first < end; first += kGrain) {
      const auto last = static_cast<std::size_t>(std::min(end, first + kGrain));
      for (std::size_t f = 0; f < table.columns.size(); ++f) {
        visit_codes(table.columns[f], [&]<class T>(const T* codes) {
          if (rows.bit[f] >= 0) {
            const auto place = static_cast<std::size_t>(rows.bit[f]);
            for (auto row = static_cast<std::size_t>(first); row < last; ++row)
              rows.bits[row * rows.n_words + place / 64] |= std::uint64_t{codes[row] > 1} << (place % 64);
            return;
          }
          for (auto row = static_cast<std::size_t>(first); row < last; ++row)
            std::memcpy(&rows.codes[row * rows.stride + rows.offset[f]], codes + row, sizeof(T));
        });
      }
    }
  });
  return rows;
}

}  // namespace pygbt
