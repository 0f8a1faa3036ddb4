// SPDX-License-Identifier: Apache-2.0
// The codes of a table row by row, for searches that ask a node for a few drawn columns: the codes of a row lie in one
// or two lines of the cache, whichever columns are wanted.
#pragma once

#include <cstddef>
#include <cstdint>
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

RowCodes make_row_codes(const CodedTable& table, int n_threads);

}  // namespace pygbt
