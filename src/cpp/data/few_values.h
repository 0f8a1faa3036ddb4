// SPDX-License-Identifier: Apache-2.0
// Weights of the distinct values of a column that has few: one pass over its items, whatever their order. Called by
// edges.cc for sparse columns, whose stored values are mostly counts or flags.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "data/keys.h"

namespace pygbt {

template <ValueKey Key>
class FewValues {
 public:
  // False if the value is one too many: the column is not of this kind.
  bool add(Key key, std::int64_t weight) {
    if (key == kMissingKey || weight == 0) return true;
    std::size_t at = static_cast<std::size_t>((key * kMultiplier) >> (kKeyBits<Key> - kSlotBits));
    while (keys_[at] != key) {
      if (keys_[at] == kMissingKey) {
        if (++n_values_ > kMostValues) return false;
        keys_[at] = key;
        break;
      }
      at = (at + 1) % kSlots;
    }
    weights_[at] += weight;
    return true;
  }

  // (key, weight), in no order.
  std::vector<std::pair<Key, std::int64_t>> items() const {
    std::vector<std::pair<Key, std::int64_t>> out;
    for (std::size_t at = 0; at < kSlots; ++at)
      if (keys_[at] != kMissingKey) out.emplace_back(keys_[at], weights_[at]);
    return out;
  }

 private:
  static constexpr int kSlotBits = 10;
  static constexpr std::size_t kSlots = std::size_t{1} << kSlotBits;
  static constexpr std::size_t kMostValues = kSlots / 2;
  static constexpr Key kMultiplier = static_cast<Key>(0x9e3779b97f4a7c15u);  // odd, its high bits well mixed

  std::array<Key, kSlots> keys_{};  // kMissingKey = free
  std::array<std::int64_t, kSlots> weights_{};
  std::size_t n_values_ = 0;
};

}  // namespace pygbt
