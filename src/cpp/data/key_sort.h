// SPDX-License-Identifier: Apache-2.0
// Sorts keys, alone or with their weights, by counting digits from the lowest to the highest. At most 33 leading bits
// of those that differ are counted; what they leave equal is sorted by comparison. Used by the searches for edges.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "data/keys.h"

namespace pygbt {

template <ValueKey Key>
struct WeightedKey {
  Key key;
  std::uint32_t weight;
};

inline std::uint32_t key_in(std::uint32_t item) { return item; }
inline std::uint64_t key_in(std::uint64_t item) { return item; }
template <ValueKey Key>
Key key_in(const WeightedKey<Key>& item) {
  return item.key;
}

namespace detail {

inline constexpr int kMostDigits = 4;
inline constexpr int kMostDigitBits = 11;

template <class Item>
void sort_by_comparison(Item* first, Item* last) {
  std::sort(first, last, [](const Item& a, const Item& b) { return key_in(a) < key_in(b); });
}

}  // namespace detail

// Ascending by key; items of equal keys stand in any order. Returns `items` or `spare`, whichever holds the result.
template <class Item>
Item* sort_keys(Item* items, Item* spare, std::size_t n) {
  using Key = decltype(key_in(*items));
  constexpr std::size_t kFew = 128;
  if (n < kFew) {
    detail::sort_by_comparison(items, items + n);
    return items;
  }
  Key differing = 0;
  for (std::size_t i = 1; i < n; ++i) differing |= key_in(items[i]) ^ key_in(items[0]);
  if (differing == 0) return items;
  const int digit_bits = n < 3000 ? 8 : detail::kMostDigitBits;
  const int top = static_cast<int>(std::bit_width(differing));
  const int n_digits = (std::min(top - std::countr_zero(differing), 32) + digit_bits - 1) / digit_bits;
  const int lowest = std::max(0, top - n_digits * digit_bits);
  const std::size_t mask = (std::size_t{1} << digit_bits) - 1;

  std::array<std::array<std::uint32_t, std::size_t{1} << detail::kMostDigitBits>, detail::kMostDigits> counts;
  for (int d = 0; d < n_digits; ++d) std::fill_n(counts[static_cast<std::size_t>(d)].begin(), mask + 1, 0u);
  for (std::size_t i = 0; i < n; ++i) {
    const Key key = key_in(items[i]) >> lowest;
    for (int d = 0; d < n_digits; ++d) ++counts[static_cast<std::size_t>(d)][(key >> (d * digit_bits)) & mask];
  }
  for (int d = 0; d < n_digits; ++d) {
    auto& place = counts[static_cast<std::size_t>(d)];
    const int shift = lowest + d * digit_bits;
    if (place[(key_in(items[0]) >> shift) & mask] == n) continue;  // a digit that all keys share
    std::uint32_t before = 0;
    for (std::size_t c = 0; c <= mask; ++c) before += std::exchange(place[c], before);
    for (std::size_t i = 0; i < n; ++i) spare[place[(key_in(items[i]) >> shift) & mask]++] = items[i];
    std::swap(items, spare);
  }
  if (lowest <= std::countr_zero(differing)) return items;
  for (std::size_t begin = 0; begin < n;) {  // the runs that the digits left equal
    std::size_t end = begin + 1;
    bool ordered = true;
    for (; end < n && (key_in(items[end]) ^ key_in(items[begin])) >> lowest == 0; ++end) {
      ordered = ordered && key_in(items[end - 1]) <= key_in(items[end]);
    }
    if (!ordered) detail::sort_by_comparison(items + begin, items + end);
    begin = end;
  }
  return items;
}

}  // namespace pygbt
