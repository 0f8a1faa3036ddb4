// SPDX-License-Identifier: Apache-2.0
// The search for one column's edges: a radix refinement that is fed with counts. Pass 0 counts the top 16 bits of the
// keys; every further pass counts the next 8 bits below the prefixes that still matter: all of them while they are few
// (columns of few values keep their exact values), else those that hold a rank of the QuantilePlan. Holds no rows; made
// by edges.cc, which owns the passes over the column.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "data/keys.h"
#include "data/quantiles.h"

namespace pygbt {

// Keys of the edges of a column given as its distinct values in ascending order.
std::vector<std::uint64_t> edges_of_values(std::span<const Mass> values, std::int32_t bins);

template <ValueKey Key>
class RadixSearch {
 public:
  static constexpr int kTopBits = 16;
  static constexpr std::size_t kTopCells = std::size_t{1} << kTopBits;
  static constexpr std::size_t kDigits = 256;
  static constexpr std::size_t kKeepAll = 512;  // prefixes that are all kept, or the number of bins if that is more

  explicit RadixSearch(std::int32_t bins) : bins_(bins) {}

  bool done() const { return done_; }
  bool empty() const { return total_ == 0; }  // no value at all (when done)
  const std::vector<std::uint64_t>& edges() const { return edges_; }  // keys (when done)

  // Cells of the present pass. Pass 0: counts by the top bits, then one cell a key bit, > 0 where the bit is used.
  // Later passes: [prefix + 1][digit], row 0 takes the items of no interest.
  std::size_t n_cells() const { return depth_ == 0 ? kTopCells + kKeyBits<Key> : (nodes_.size() + 1) * kDigits; }

  // True if few rows still matter and more passes follow, so that it pays to keep their keys (see `count`).
  bool narrow() const { return depth_ >= 2 && depth_ < n_depths_ && !all_; }
  bool at_top() const { return depth_ == 0; }
  // True in the first pass of a round: every row of the column counts again.
  bool from_start() const { return depth_ <= 1; }

  // Adds n items to the cells of pass 0; `used` collects the key bits that are not the same in all values.
  template <class Cell>
  static void count_top(const Key* keys, const std::uint32_t* weights, std::size_t n, Cell* cells, Key& used);
  // Adds n items to the cells of a later pass; calls keep(i) for each item that still matters.
  template <class Cell, class Keep>
  void count(const Key* keys, const std::uint32_t* weights, std::size_t n, Cell* cells, Keep&& keep) const;

  // One item of any weight, such as all the rows a sparse column does not store.
  void count_one(Key key, std::int64_t weight, std::span<std::int64_t> cells) const;

  // Key bits as pass 0 records them: 0 where all values of a sign agree with the default.
  static Key used_bits(Key key) {
    constexpr int kSignBit = kKeyBits<Key> - 1;
    return key == 0 ? Key{0} : key ^ (static_cast<Key>(key >> kSignBit) - Key{1});
  }

  static void record_used(Key used, std::span<std::int64_t> cells) {
    for (int b = 0; b < kKeyBits<Key>; ++b) cells[kTopCells + static_cast<std::size_t>(b)] += (used >> b) & 1u;
  }

  // Takes the cells of the pass, summed over all items, threads and workers; afterwards done() or the next pass is set.
  void advance(std::span<const std::int64_t> cells);

 private:
  struct Node {
    Mass mass;  // key = the bits of the prefix
    std::uint32_t cell = 0;  // where the pass above counted it
  };

  std::size_t limit() const {
    return bins_ > static_cast<std::int32_t>(kKeepAll) ? static_cast<std::size_t>(bins_) : kKeepAll;
  }
  std::size_t slot_of(Key key, int depth) const;
  void start_round();
  void descend(std::span<const std::int64_t> cells);
  void end_round();
  void build_map(std::size_t cells_above);
  void finish(std::vector<std::uint64_t> edges);

  std::int32_t bins_;
  int depth_ = 0;  // 8-bit digits below the top bits, the present pass included
  int n_depths_ = 0;  // digits that differ at all
  bool all_ = false;  // nodes_ are all prefixes there are
  bool done_ = false;
  std::int64_t total_ = 0;
  std::optional<QuantilePlan> plan_;
  std::vector<Node> top_;  // all occupied prefixes of pass 0
  std::vector<Node> nodes_;  // prefixes of interest, ascending
  std::vector<std::vector<std::uint16_t>> maps_;  // [depth][cell of the pass above] -> slot, 0 = of no interest
  std::vector<std::uint64_t> edges_;
};

// The loops over items: shared by every thread, so they are const or static.

template <ValueKey Key>
template <class Cell>
void RadixSearch<Key>::count_top(const Key* keys, const std::uint32_t* weights, std::size_t n, Cell* cells, Key& used) {
  constexpr int kShift = kKeyBits<Key> - kTopBits;
  Key bits = 0;
  for (std::size_t i = 0; i < n; ++i) bits |= used_bits(keys[i]);
  used |= bits;
  if (weights == nullptr) {
    for (std::size_t i = 0; i < n; ++i) ++cells[keys[i] >> kShift];
  } else {
    for (std::size_t i = 0; i < n; ++i) cells[keys[i] >> kShift] += weights[i];
  }
}

template <ValueKey Key>
template <class Cell, class Keep>
void RadixSearch<Key>::count(const Key* keys, const std::uint32_t* weights, std::size_t n, Cell* cells,
                             Keep&& keep) const {
  constexpr int kShift = kKeyBits<Key> - kTopBits;
  const std::uint16_t* const top = maps_[0].data();
  const int shift = kShift - 8 * depth_;
  const auto add = [&](std::size_t i, std::size_t slot) {
    cells[slot * kDigits + ((keys[i] >> shift) & 255u)] += weights == nullptr ? 1u : weights[i];
    if (slot != 0) keep(i);
  };
  if (depth_ == 1) {
    for (std::size_t i = 0; i < n; ++i) add(i, top[keys[i] >> kShift]);
  } else if (depth_ == 2) {
    const std::uint16_t* const second = maps_[1].data();
    for (std::size_t i = 0; i < n; ++i) {
      add(i, second[top[keys[i] >> kShift] * kDigits + ((keys[i] >> (kShift - 8)) & 255u)]);
    }
  } else {
    for (std::size_t i = 0; i < n; ++i) add(i, slot_of(keys[i], depth_));
  }
}

template <ValueKey Key>
std::size_t RadixSearch<Key>::slot_of(Key key, int depth) const {
  int shift = kKeyBits<Key> - kTopBits;
  std::size_t slot = maps_[0][static_cast<std::size_t>(key >> shift)];
  for (int d = 1; d < depth; ++d) {
    shift -= 8;
    slot = maps_[static_cast<std::size_t>(d)][slot * kDigits + ((key >> shift) & 255u)];
  }
  return slot;
}

extern template class RadixSearch<std::uint32_t>;
extern template class RadixSearch<std::uint64_t>;

}  // namespace pygbt
