// SPDX-License-Identifier: Apache-2.0
// A monotone map from keys to a few thousand cells of about equal numbers of keys, made from a sample: the leading bits
// name a prefix, and each prefix has as many cells as the sample gives it. Which sample it is changes speed only.
// Made and used by grid_edges.cc.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/key_kernels.h"
#include "data/keys.h"
#include "data/radix_search.h"

namespace pygbt {

template <ValueKey Key>
class KeyGrid {
 public:
  static constexpr std::size_t kCells = 8192;  // aimed at; at most twice as many and one a prefix
  static constexpr int kPrefixBits = 10;

  KeyGrid() = default;

  // Ascending keys, none missing.
  explicit KeyGrid(std::span<const Key> sample) {
    if (sample.empty()) return;
    n_cells_ = 1;
    prefixes_.clear();
    low_ = sample.front();
    high_ = sample.back();
    Key used = 0;
    for (const Key key : sample) used |= RadixSearch<Key>::used_bits(key);
    prefix_shift_ = std::max(0, static_cast<int>(std::bit_width(static_cast<Key>(high_ - low_))) - kPrefixBits);
    first_prefix_ = low_ >> prefix_shift_;
    const auto n_prefixes = static_cast<std::size_t>((high_ >> prefix_shift_) - first_prefix_) + 1;
    // Cells finer than the values of the sample are of no use; if there is room, each of these has its own cell.
    const int finest = std::min(prefix_shift_, static_cast<int>(std::countr_zero(used)));
    const bool room = prefix_shift_ - finest <= kPrefixBits && n_prefixes << (prefix_shift_ - finest) <= 2 * kCells;
    std::vector<std::size_t> n_keys(n_prefixes, 0);
    for (const Key key : sample) ++n_keys[static_cast<std::size_t>((key >> prefix_shift_) - first_prefix_)];
    for (const std::size_t n : n_keys) {
      const int bits = room ? prefix_shift_ - finest : static_cast<int>(std::bit_width(n * kCells / sample.size()));
      const int shift = std::max(finest, prefix_shift_ - bits);
      coarsest_ = std::max(coarsest_, shift);
      prefixes_.push_back(static_cast<std::uint32_t>(n_cells_ << kShiftBits) | static_cast<std::uint32_t>(shift));
      n_cells_ += std::size_t{1} << (prefix_shift_ - shift);
    }
  }

  std::size_t n_cells() const { return n_cells_; }

  // 0 if missing; keys outside the sample's range fall into its first or last cell.
  std::uint32_t cell_of(Key key) const {
    const Key inside = std::clamp(key, low_, high_);
    const std::uint32_t prefix = prefixes_[static_cast<std::size_t>((inside >> prefix_shift_) - first_prefix_)];
    const Key below = inside & ((Key{1} << prefix_shift_) - 1);
    const auto cell = (prefix >> kShiftBits) + static_cast<std::uint32_t>(below >> (prefix & ((1u << kShiftBits) - 1)));
    return key == kMissingKey ? 0 : cell;
  }

  GridTable table() const
    requires(sizeof(Key) == 4)
  {
    return {prefixes_.data(), low_, high_, static_cast<std::uint32_t>(prefix_shift_), first_prefix_};
  }

  bool inside(Key key) const { return static_cast<Key>(key - low_) <= static_cast<Key>(high_ - low_); }

  // True if no cell holds two values, given the key bits in use by keys that are all inside.
  bool resolves(Key used) const { return coarsest_ <= static_cast<int>(std::countr_zero(used)); }

  // The one key of each cell, given the bits in use, if the grid resolves them.
  std::vector<Key> keys_of_cells(Key used) const {
    const int unused = static_cast<int>(std::countr_zero(used));
    const Key negative = unused == kKeyBits<Key> ? ~Key{0} : static_cast<Key>((Key{1} << unused) - 1);
    std::vector<Key> keys(1, kMissingKey);
    for (std::size_t p = 0; p < prefixes_.size(); ++p) {
      const int shift = static_cast<int>(prefixes_[p] & ((1u << kShiftBits) - 1));
      const auto top = static_cast<Key>((first_prefix_ + static_cast<Key>(p)) << prefix_shift_);
      for (Key j = 0; j < Key{1} << (prefix_shift_ - shift); ++j) {
        const auto key = static_cast<Key>(top | j << shift);
        keys.push_back(key >> (kKeyBits<Key> - 1) == 0 ? key | negative : key);
      }
    }
    return keys;
  }

 private:
  static constexpr std::uint32_t kShiftBits = kGridShiftBits;

  Key low_ = 0;
  Key high_ = 0;
  int prefix_shift_ = 0;  // bits below a prefix
  Key first_prefix_ = 0;
  int coarsest_ = 0;  // key bits that the coarsest cell does not tell apart
  std::size_t n_cells_ = 2;  // cell 0 = missing
  std::vector<std::uint32_t> prefixes_{1u << kShiftBits};  // [prefix] first cell << kShiftBits | key bits below a cell
};

}  // namespace pygbt
