// SPDX-License-Identifier: Apache-2.0
// Categories in the order of a key: counted into cells of equal width, which puts keys that are spread out nearly where
// they belong; an insertion sort does the rest. Where keys crowd, a sort by comparisons.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace pygbt {

struct CategoryKey {
  double key = 0.0;
  std::uint16_t bin = 0;
  friend bool operator<(const CategoryKey& a, const CategoryKey& b) {
    return a.key < b.key || (a.key == b.key && a.bin < b.bin);
  }
};

struct CategorySorter {
  std::vector<CategoryKey> keys;

  // The keys, the `reach` least and the `reach` greatest of them in order, the others between them.
  std::span<const CategoryKey> sort_ends(std::int32_t reach) {
    if (keys.size() > kFewKeys && spread()) {
      const auto n = keys.size(), at_end = static_cast<std::size_t>(reach);
      if (2 * at_end >= n) {
        sort_near(0, n);
      } else {
        sort_near(0, ends_[cell_of(spread_[at_end - 1])]);
        const std::uint32_t cell = cell_of(spread_[n - at_end]);
        sort_near(cell == 0 ? 0 : ends_[cell - 1], n);
      }
      return spread_;
    }
    if (static_cast<std::ptrdiff_t>(keys.size()) <= 4 * std::ptrdiff_t{reach}) {
      std::sort(keys.begin(), keys.end());
    } else {
      const auto low = keys.begin() + reach, high = keys.end() - reach;
      std::nth_element(keys.begin(), low, keys.end());
      std::sort(keys.begin(), low);
      std::nth_element(low, high, keys.end());
      std::sort(high, keys.end());
    }
    return keys;
  }

 private:
  static constexpr std::size_t kFewKeys = 24;
  static constexpr std::size_t kCellsPerKey = 2;
  static constexpr std::uint32_t kCrowd = 16;  // keys of a cell at most: an insertion moves no key further

  std::uint32_t cell_of(const CategoryKey& key) const {
    return static_cast<std::uint32_t>((key.key - least_) * scale_);
  }

  // Writes the keys cell by cell to spread_; false where they crowd.
  bool spread() {
    least_ = keys[0].key;
    double greatest = least_;
    for (const CategoryKey& key : keys) {
      least_ = key.key < least_ ? key.key : least_;
      greatest = key.key > greatest ? key.key : greatest;
    }
    const std::size_t n_cells = kCellsPerKey * keys.size();
    scale_ = static_cast<double>(n_cells - 1) / (greatest - least_);
    if (!(scale_ > 0.0 && scale_ < std::numeric_limits<double>::infinity())) return false;
    ends_.assign(n_cells, 0);
    for (const CategoryKey& key : keys) ++ends_[cell_of(key)];
    std::uint32_t before = 0, most = 0;
    for (std::uint32_t& cell : ends_) {
      most = std::max(most, cell);
      before += std::exchange(cell, before);
    }
    if (most > kCrowd) return false;
    spread_.resize(keys.size());
    for (const CategoryKey& key : keys) spread_[ends_[cell_of(key)]++] = key;
    return true;
  }

  // Sorts whole cells.
  void sort_near(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin + 1; i < end; ++i) {
      const CategoryKey key = spread_[i];
      std::size_t at = i;
      for (; at > begin && key < spread_[at - 1]; --at) spread_[at] = spread_[at - 1];
      spread_[at] = key;
    }
  }

  double least_ = 0.0, scale_ = 0.0;
  std::vector<CategoryKey> spread_;  // keys, cell by cell
  std::vector<std::uint32_t> ends_;  // [cell] end of its keys
};

}  // namespace pygbt
