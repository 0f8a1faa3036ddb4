// SPDX-License-Identifier: Apache-2.0
// Cells of a histogram in the shared memory of a block that adds up a piece of a node's rows: where they lie, and how
// many bits their sums have. Included by histogram.cu.
//
//   words of a cell                    of what rows                       bounds
//   64 bits g, 64 bits h               any                                |sum| < 2^62 over all rows (math/quantise.h)
//   32 bits g, 32 bits h               16-bit g and h, no weights         2^16 rows of a piece: |sum g| <= 2^15 * 2^16,
//                                                                         sum h < 2^16 * 2^16
//   32 bits: 24 of g, 8 of the rows    the same, all hessians equal       255 rows of a cell: |sum g| <= 255 * (2^15 - 1)
//                                                                         < 2^23
//
// One word is one addition an update instead of two. A piece of at most 255 rows cannot break its bound. A longer one is
// tried, and counted afterwards: each row is in one cell of each slot, so the rows of all cells are as many as there
// should be only where none of the lower fields has run over, however many cells do; then no g has, either. A piece that
// has is added up again in two words: never is a wrong sum handed over.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backend/kernels.h"
#include "block.h"
#include "device.h"
#include "groups.h"

namespace pygbt::device {

inline constexpr int kRowBits = 8;  // of the one word
inline constexpr std::int64_t kWordRows = (1 << kRowBits) - 1;  // of a cell of one word, at most
static_assert(kWordRows * INT16_MAX < std::int64_t{1} << (31 - kRowBits));
static_assert(kPackedRows * -std::int64_t{INT16_MIN} <= std::int64_t{1} << 31 &&
              kPackedRows * UINT16_MAX < std::int64_t{1} << 32);

// What came of one word a cell in the pieces of a group that were not sure to fit. Read by a tree's histograms, judged
// between trees.
struct WordTrials {
  std::int64_t most_rows = kWordRows;  // of a piece that is tried
  std::int64_t rows = 0, again = 0;  // of those that were, and of those that did not fit

  // What fits saves one of two additions, what does not costs one more.
  PYGBT_KERNEL void judge() {
    if (2 * again > rows) most_rows = most_rows / 4 > kWordRows ? most_rows / 4 : kWordRows;
    rows = again = 0;
  }
};

// Two words a cell, of tables that count rows one more a bin and, at the end of what there is, scratch of sums over the
// block. A code of a slot lies at GroupSlot::place + code.
struct SharedLayout {
  static constexpr std::size_t kScratch = 32 * sizeof(Cell);  // [warps of the block]

  std::size_t word_bytes = 4;
  std::size_t shared_bytes = 0;  // there are at most
  bool counted = false;

  PYGBT_HD std::size_t bytes(std::int64_t n_places, std::int32_t n_targets) const {
    return kScratch + sizeof(Cell) +
           static_cast<std::size_t>(n_places) *
               (2 * word_bytes * static_cast<std::size_t>(n_targets) + (counted ? sizeof(std::uint32_t) : 0));
  }
  // Targets of `width` that a block adds up together; 0 where there is no room for one.
  PYGBT_HD std::int32_t together(std::int64_t n_places, std::int32_t width) const {
    std::int32_t n = width;
    while (n > 0 && bytes(n_places, n) > shared_bytes) --n;
    return n;
  }
};

// g and h apart, so that neighbours lie in different banks. Of one word a cell it is g's, and there are no counts.
template <class Word>
struct SharedCells {
  Word* g;
  Word* h;
  std::uint32_t* counts;  // [place]
  std::int32_t n_cells;

  PYGBT_KERNEL explicit SharedCells(std::int32_t n)
      : g(shared<Word>()), h(g + n), counts(reinterpret_cast<std::uint32_t*>(h + n)), n_cells(n) {}

  template <bool kOneWord>
  PYGBT_KERNEL void add_to(std::int32_t cell, std::int64_t gradient, std::int64_t hessian) const {
    if constexpr (kOneWord) {
      add(g + cell, (static_cast<Word>(gradient) << kRowBits) + Word{1});
    } else {
      add(g + cell, static_cast<Word>(gradient));
      add(h + cell, static_cast<Word>(hessian));
    }
  }
  // Of one word a cell.
  PYGBT_KERNEL std::int64_t rows(std::int32_t cell) const { return static_cast<std::int64_t>(g[cell] & kWordRows); }
  // of_row: the hessian of every row, of one word a cell.
  template <bool kOneWord>
  PYGBT_KERNEL Cell sum(std::int32_t cell, std::int64_t of_row) const {
    if constexpr (kOneWord)
      return {static_cast<std::int32_t>(g[cell]) >> kRowBits, rows(cell) * of_row};
    else if constexpr (sizeof(Word) == 4)
      return {static_cast<std::int32_t>(g[cell]), static_cast<std::int64_t>(h[cell])};
    else
      return {static_cast<std::int64_t>(g[cell]), static_cast<std::int64_t>(h[cell])};
  }
  // Whether all cells of one word have had room for their rows, which must be `n` altogether with the `mine` that the
  // threads have left out. By the whole block. scratch: shared [warps of the block].
  PYGBT_KERNEL bool fit(std::int64_t n, std::int64_t mine, std::int64_t* scratch) const {
    for (std::int32_t i = thread(); i < n_cells; i += n_threads()) mine += rows(i);
    return block_sum(mine, scratch) == n;
  }
};

// What the rows of some codes have of a target; n is known of tables that count rows.
struct CodeSums {
  Cell cell;
  std::int64_t n = 0;

  PYGBT_HD CodeSums& operator+=(const CodeSums& other) {
    cell += other.cell;
    n += other.n;
    return *this;
  }
  PYGBT_HD CodeSums operator-(const CodeSums& other) const {
    return {{cell.g - other.cell.g, cell.h - other.cell.h}, n - other.n};
  }
};

// Words of a group that a block adds up together: all of them, or fewer where the rows or the shared memory are few.
struct Part {
  const std::uint32_t* words = nullptr;  // [row][stride], of a row the part's first
  std::int32_t stride = 0;
  std::int32_t n_words = 0;
  std::int32_t first = 0;  // slot
  std::int32_t n = 0;  // slots, 0 = none
  std::int64_t first_bin = 0;  // of the first slot in a histogram, if it is one feature
  std::int64_t first_place = 0, n_places = 0;
  std::int32_t first_marginal = 0, n_marginals = 0;

  PYGBT_KERNEL static Part of(const Group& group, const GroupSlot* slots, std::int32_t number, std::int32_t n_parts) {
    const std::int32_t n_words = group.n_words / n_parts > 0 ? group.n_words / n_parts : 1;
    const std::int32_t skipped = number * n_words * group.in_word(), left = group.n - skipped;
    if (left <= 0) return {};
    Part part{group.words + number * n_words, group.n_words, n_words, group.first + skipped};
    part.n = left < n_words * group.in_word() ? left : n_words * group.in_word();
    const GroupSlot &first = slots[part.first], &last = slots[part.first + part.n - 1];
    part.first_bin = first.first_bin;
    part.first_place = first.place;
    part.n_places = last.place + last.n_places() - first.place;
    part.first_marginal = first.first_marginal;
    part.n_marginals = last.first_marginal + last.n_marginals - first.first_marginal;
    return part;
  }
};

}  // namespace pygbt::device
