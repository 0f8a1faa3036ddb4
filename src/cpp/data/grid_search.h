// SPDX-License-Identifier: Apache-2.0
// The search for one column's edges on a KeyGrid, fed with counts of cells and with the keys of some of them. Holds no
// rows; made by grid_edges.cc, which owns the passes over the column.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/key_grid.h"
#include "data/quantiles.h"

namespace pygbt {

template <ValueKey Key>
class GridSearch {
 public:
  enum class State { counting, keeping, done, given_up };

  // `sample`: ascending keys of some rows, none missing.
  GridSearch(std::span<const Key> sample, std::int32_t bins)
      : bins_(bins), sample_(sample.begin(), sample.end()), grid_(sample) {}

  State state() const { return state_; }
  const KeyGrid<Key>& grid() const { return grid_; }
  bool empty() const { return total_ == 0; }  // no value at all (when done)
  const std::vector<std::uint64_t>& edges() const { return edges_; }  // keys (when done)

  // Takes the number of keys in each cell, the bits in use, and whether some keys lie outside the grid; `fill` is a key
  // that many rows hold, or missing.
  void take_counts(std::vector<std::uint32_t> counts, Key used, bool outside, Key fill);

  // Copies the keys that must be kept in the present pass, returns how many; `out` has room for n.
  std::size_t keep(const Key* keys, std::size_t n, Key* out) const;

  // Takes the kept keys, ascending.
  void take_keys(std::span<const Key> keys);

 private:
  static constexpr std::uint32_t kMostKept = 6;  // give up rather than keep more than one key in so many
  static constexpr int kMostPasses = 3;

  void mark(std::uint32_t cell);
  void mark_all_ranks();
  void start_pass();
  void finish(std::vector<std::uint64_t> edges);

  std::int32_t bins_;
  State state_ = State::counting;
  std::vector<Key> sample_;
  KeyGrid<Key> grid_;
  std::int64_t total_ = 0;
  Key fill_ = kMissingKey;
  std::vector<Mass> cells_;  // occupied cells by number, ascending
  bool all_ = false;  // every occupied cell is of interest
  int passes_ = 0;
  std::vector<std::uint32_t> counts_;  // [cell]
  std::vector<std::uint8_t> known_;  // [cell] its values stand in values_, or will after this pass
  std::vector<std::uint32_t> marked_;  // cells of this pass
  std::vector<std::uint16_t> slots_;  // [cell] 1 + place in marked_, 0 = of no interest; and one of slack
  std::vector<Key> pivots_;  // [slot] a key that need not be kept: what the others leave of the cell is its
  std::vector<Mass> values_;  // of the known cells, ascending
  std::vector<std::uint64_t> edges_;
};

extern template class GridSearch<std::uint32_t>;
extern template class GridSearch<std::uint64_t>;

}  // namespace pygbt
