// SPDX-License-Identifier: Apache-2.0
// The codes of a table row by row, for searches that ask a node for a few drawn columns: the codes of a row lie in one
// or two lines of the cache, whichever columns are wanted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "decision/coded_table.h"

namespace pygbt {

struct RowCodes {
  static constexpr std::size_t kPadding = 3;  // bytes after the last row that may be read

  std::size_t stride = 0;             // bytes a row
  std::vector<std::uint32_t> offset;  // [feature] bytes from the start of a row; multiples of the code's width
  std::vector<std::uint8_t> codes;    // [row][stride], padding

  bool empty() const { return codes.empty(); }
  const std::uint8_t* row(std::uint32_t row) const { return &codes[static_cast<std::size_t>(row) * stride]; }
};

// Copies the rows of cases out of `from`, one after the other, and numbers them so. to: room for them.
template <class Case>
void gather_rows(std::span<Case> cases, const std::uint8_t* from, std::size_t stride, std::uint8_t* to,
                 std::size_t to_stride) {
  const auto copy = [&]<std::size_t kChunk>(std::integral_constant<std::size_t, kChunk>) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
      const std::uint8_t* row = from + cases[i].row * stride;
      for (std::size_t byte = 0; byte < stride; byte += kChunk) std::memcpy(to + byte, row + byte, kChunk);
      to += to_stride;
      cases[i].row = static_cast<std::uint32_t>(i);
    }
  };
  if (stride % 16 == 0)
    copy(std::integral_constant<std::size_t, 16>());
  else if (stride % 4 == 0)
    copy(std::integral_constant<std::size_t, 4>());
  else
    copy(std::integral_constant<std::size_t, 1>());
}

// Calls use(begin, end) for blocks of the cases whose rows stay in L1. far: codes of row 0, or nullptr where the rows are in
// the cache; those of the next block are fetched ahead.
template <class Case, class Use>
void each_block(std::span<const Case> cases, const std::uint8_t* far, std::size_t stride, const Use& use) {
  constexpr std::size_t kBlock = 64;
  if (far == nullptr) return use(std::size_t{0}, cases.size());
  for (std::size_t begin = 0; begin < cases.size(); begin += kBlock) {
    const std::size_t end = std::min(cases.size(), begin + kBlock);
    for (std::size_t place = end; place < std::min(cases.size(), end + kBlock); ++place)
      for (std::size_t byte = 0; byte < stride; byte += 64) __builtin_prefetch(far + cases[place].row * stride + byte);
    use(begin, end);
  }
}

RowCodes make_row_codes(const CodedTable& table, int n_threads);

}  // namespace pygbt
