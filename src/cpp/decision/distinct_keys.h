// SPDX-License-Identifier: Apache-2.0
// The distinct keys of a column, and then the code of each: a hash table with open addressing, which takes little memory
// where a column has few values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/pages.h"
#include "data/key_sort.h"
#include "data/keys.h"

namespace pygbt {

template <ValueKey Key>
class DistinctKeys {
 public:
  static constexpr std::size_t kMost = (std::size_t{1} << 16) - 1;  // their codes have two bytes, 0 left out

  DistinctKeys() : slots_(kFirstSlots, kMissingKey) {}

  // A key that is not missing. False: there are more than kMost.
  bool add(Key key) {
    const std::size_t slot = find(key);
    if (slots_[slot] == key) return true;
    if (n_ == kMost) return false;
    slots_[slot] = key;
    if (2 * ++n_ > slots_.size()) grow();
    return true;
  }
  std::size_t size() const { return n_; }

  // Numbers them from 1 on, ascending; returns them in that order.
  std::vector<Key> number() {
    std::vector<Key> keys, spare(n_);
    keys.reserve(n_);
    for (const Key key : slots_)
      if (key != kMissingKey) keys.push_back(key);
    if (sort_keys(keys.data(), spare.data(), n_) == spare.data()) keys = std::move(spare);
    codes_.assign(slots_.size(), 0);
    for (std::size_t i = 0; i < n_; ++i) codes_[find(keys[i])] = static_cast<std::uint16_t>(i + 1);
    return keys;
  }
  // Of a key that was added, or of kMissingKey, 0.
  std::uint16_t code(Key key) const { return codes_[find(key)]; }

 private:
  static constexpr std::size_t kFirstSlots = 256;  // a power of two

  // Where the key is or may be put; of kMissingKey an empty slot.
  std::size_t find(Key key) const {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = static_cast<std::size_t>((std::uint64_t{key} * 0x9E3779B97F4A7C15ull) >> 40) & mask;
    while (slots_[slot] != key && slots_[slot] != kMissingKey) slot = (slot + 1) & mask;
    return slot;
  }
  void grow() {
    PageVector<Key> old(2 * slots_.size(), kMissingKey);
    old.swap(slots_);
    for (const Key key : old)
      if (key != kMissingKey) slots_[find(key)] = key;
  }

  PageVector<Key> slots_;  // kMissingKey: empty
  std::size_t n_ = 0;
  PageVector<std::uint16_t> codes_;  // [slot]
};

}  // namespace pygbt
