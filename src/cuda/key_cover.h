// SPDX-License-Identifier: Apache-2.0
// The search for values at ranks of a column that is read again and again, but never held: spans of keys that cover its
// values, split pass by pass where that matters, until they are single keys. Of each cell a pass tells the weight and
// the smallest and largest key, so that a span shrinks to what occurs in it. Host code; streamed_columns.cu makes the
// passes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "data/device_bins.h"

namespace pygbt::device {

// What a pass finds between two upper ends. One that is not asked for starts with limits that no key moves.
struct KeyCell {
  std::int64_t weight = 0;
  std::uint64_t least = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t most = 0;
};

class KeyCover {
 public:
  static constexpr std::size_t kLeastCells = 4;

  // largest: no key is larger. The fill: `fill_weight` rows more of the key `fill`.
  KeyCover(std::uint64_t largest, std::uint64_t fill, std::int64_t fill_weight)
      : fill_(fill), fill_weight_(fill_weight), spans_{{1, largest, 0, 0}} {}

  // Prepares a pass of at most `most` cells that splits spans of several keys: all, or those that hold one of the
  // ascending ranks. False: there are none.
  bool split(std::size_t most);
  bool split(std::size_t most, std::span<const std::int64_t> ranks);

  // Of the pass: cell i counts keys in (uppers[i - 1], uppers[i]]; one cell more counts those above. They start as:
  const std::vector<std::uint64_t>& uppers() const { return uppers_; }
  const std::vector<KeyCell>& cells() const { return cells_; }
  // Its result: [uppers + 1].
  void take(std::span<const KeyCell> found);

  std::int64_t weight() const { return spans_.empty() ? 0 : spans_.back().before + spans_.back().weight; }
  // Values if every span is a single key, else at least so many.
  std::int64_t n_spans() const { return static_cast<std::int64_t>(spans_.size()); }
  std::vector<std::uint64_t> keys() const;
  // The span of a rank, which is a single key.
  Mass at(std::int64_t rank) const;

 private:
  struct Span {
    std::uint64_t least = 0;
    std::uint64_t most = 0;
    std::int64_t before = 0;  // weight of the spans before it
    std::int64_t weight = 0;
    bool single() const { return least == most; }
  };

  bool divide(std::vector<std::size_t> chosen, std::size_t most);

  std::uint64_t fill_;
  std::int64_t fill_weight_;
  std::vector<Span> spans_;  // ascending
  std::vector<std::uint64_t> uppers_;
  std::vector<KeyCell> cells_;
  std::vector<std::size_t> chosen_;  // spans that the pass splits, ascending
  std::vector<std::size_t> first_;  // [chosen + 1] their first cells; each is followed by a cell that is not asked for
};

}  // namespace pygbt::device
