// SPDX-License-Identifier: Apache-2.0
// The leaf of every row, as a mark in the order of the rows: leaf sums and scores are passes over the rows as they lie.
// Who goes by leaf instead reads and writes a sector of the table of gradients or scores for every 4 bytes; the marks that
// are written so are a byte each where leaves are few, and stay in L2 meanwhile.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "device.h"

namespace pygbt::device {

struct LeafMarks {
  static constexpr std::int32_t kLogMost = 2;
  static constexpr std::int64_t kMostInWord = 1 << kLogMost;
  static constexpr int kNone = 0xff;  // every byte of a row in no leaf

  std::uint32_t* words = nullptr;  // of 4, 2 or 1 rows: whole words are read, so that no load depends on their number
  std::int32_t log_rows = kLogMost;  // of a word

  // For so many leaves, and one mark more if some rows are in none.
  static std::int32_t log_rows_for(std::int64_t n_leaves, bool some_in_none) {
    const std::int64_t n = n_leaves + (some_in_none ? 1 : 0);
    return n <= std::int64_t{1} << 8 ? 2 : n <= std::int64_t{1} << 16 ? 1 : 0;
  }
  std::int64_t n_words(std::int64_t n_rows) const { return (n_rows >> log_rows) + 1; }

  // Those of rows `row`, row + 1, ..: row is a multiple of kMostInWord.
  PYGBT_KERNEL LeafMarks from(std::int64_t row) const { return {words + (row >> log_rows), log_rows}; }
  // Of a row in no leaf: not below the number of leaves.
  PYGBT_KERNEL std::uint32_t operator[](std::uint32_t row) const {
    const std::int32_t bits = 32 >> log_rows;
    const std::uint32_t at = row & ((std::uint32_t{1} << log_rows) - 1);
    return words[row >> log_rows] >> (at * static_cast<std::uint32_t>(bits)) & (~std::uint32_t{0} >> (32 - bits));
  }
  PYGBT_KERNEL void put(RowId row, std::int32_t leaf) const {
    if (log_rows == 2)
      reinterpret_cast<std::uint8_t*>(words)[row] = static_cast<std::uint8_t>(leaf);
    else if (log_rows == 1)
      reinterpret_cast<std::uint16_t*>(words)[row] = static_cast<std::uint16_t>(leaf);
    else
      words[row] = static_cast<std::uint32_t>(leaf);
  }
};

// Leaves of the rows of a run by the side of a cut that they go to; one where nothing cuts the run.
struct LeafPair {
  std::int32_t left = 0, right = 0;
};

}  // namespace pygbt::device
