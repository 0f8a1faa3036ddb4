// SPDX-License-Identifier: Apache-2.0
#include "emulated/sort_keys.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace pygbt::device {

namespace {

template <class Key>
void sort_pairs(const Key* keys, Key* out, const std::uint32_t* values, std::uint32_t* out_values, std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return keys[a] < keys[b]; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    out[i] = keys[order[i]];
    out_values[i] = values[order[i]];
  }
}

}  // namespace

void sort(Device&, const std::uint32_t* keys, std::uint32_t* out, std::int64_t n, Buffer<std::byte>&) {
  std::copy(keys, keys + n, out);
  std::sort(out, out + n);
}

void sort(Device&, const std::uint64_t* keys, std::uint64_t* out, std::int64_t n, Buffer<std::byte>&) {
  std::copy(keys, keys + n, out);
  std::sort(out, out + n);
}

void sort(Device&, const std::uint32_t* keys, std::uint32_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>&) {
  sort_pairs(keys, out, values, out_values, n);
}

void sort(Device&, const std::uint64_t* keys, std::uint64_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>&) {
  sort_pairs(keys, out, values, out_values, n);
}

}  // namespace pygbt::device
