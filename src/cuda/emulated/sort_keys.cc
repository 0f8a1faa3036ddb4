// SPDX-License-Identifier: Apache-2.0
#include "emulated/sort_keys.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace pygbt::device {

namespace {

// What CUB takes is about a second copy; it is held here, too, so that budgets are tested.
constexpr std::size_t kCounts = 1024;

template <class Key>
void sort_pairs(const Key* keys, Key* out, const std::uint32_t* values, std::uint32_t* out_values, std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return keys[a] < keys[b]; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    out[i] = keys[order[i]];
    out_values[i] = values[order[i]];
  }
  checks::written({out, order.size() * sizeof *out});
  checks::written({out_values, order.size() * sizeof *out_values});
}

// Ends in the spare arrays with keys of 4 bytes, where it began with those of 8: callers must ask.
template <class Key>
bool sort_each(const KeySegments<Key>& of) {
  for (std::int32_t s = 0; s < of.n_segments; ++s) {
    const std::int32_t begin = of.begin[s], n = of.end[s] - begin;
    Key* const spare = of.spare + begin;
    if (of.values == nullptr) {
      std::copy_n(of.keys + begin, n, spare);
      std::sort(spare, spare + n);
      checks::written({spare, static_cast<std::size_t>(n) * sizeof *spare});
    } else {
      sort_pairs(of.keys + begin, spare, of.values + begin, of.spare_values + begin, n);
    }
    if (sizeof(Key) == 4) continue;
    std::copy_n(spare, n, of.keys + begin);
    if (of.values != nullptr) std::copy_n(of.spare_values + begin, n, of.values + begin);
  }
  return sizeof(Key) == 4;
}

}  // namespace

void sort(Device& device, const std::uint32_t* keys, std::uint32_t* out, std::int64_t n, Buffer<std::byte>& scratch) {
  scratch.make(sort_bytes(device, sizeof *keys, false, n));
  std::copy(keys, keys + n, out);
  std::sort(out, out + n);
  checks::written({out, static_cast<std::size_t>(n) * sizeof *out});
}

void sort(Device& device, const std::uint64_t* keys, std::uint64_t* out, std::int64_t n, Buffer<std::byte>& scratch) {
  scratch.make(sort_bytes(device, sizeof *keys, false, n));
  std::copy(keys, keys + n, out);
  std::sort(out, out + n);
  checks::written({out, static_cast<std::size_t>(n) * sizeof *out});
}

void sort(Device& device, const std::uint32_t* keys, std::uint32_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>& scratch) {
  scratch.make(sort_bytes(device, sizeof *keys, true, n));
  sort_pairs(keys, out, values, out_values, n);
}

void sort(Device& device, const std::uint64_t* keys, std::uint64_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>& scratch) {
  scratch.make(sort_bytes(device, sizeof *keys, true, n));
  sort_pairs(keys, out, values, out_values, n);
}

bool sort_segments(Device&, const KeySegments<std::uint32_t>& segments, Buffer<std::byte>& scratch) {
  scratch.make(kCounts);
  return sort_each(segments);
}

bool sort_segments(Device&, const KeySegments<std::uint64_t>& segments, Buffer<std::byte>& scratch) {
  scratch.make(kCounts);
  return sort_each(segments);
}

std::size_t sort_bytes(Device&, std::size_t key_bytes, bool values, std::int64_t n) {
  return static_cast<std::size_t>(n) * (key_bytes + (values ? sizeof(std::uint32_t) : 0)) + kCounts;
}

}  // namespace pygbt::device
