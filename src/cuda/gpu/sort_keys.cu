// SPDX-License-Identifier: Apache-2.0
#include "gpu/sort_keys.h"

#include <algorithm>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_segmented_radix_sort.cuh>

namespace pygbt::device {

namespace {

// CUB says how much scratch it wants where it is given none, and takes it where it is.
template <class Key>
cudaError_t sort_keys(Device& device, void* memory, std::size_t& bytes, const Key* keys, Key* out, std::int64_t n) {
  return cub::DeviceRadixSort::SortKeys(memory, bytes, keys, out, n, 0, static_cast<int>(sizeof(Key)) * 8,
                                        device.stream());
}

template <class Key>
cudaError_t sort_keys(Device& device, void* memory, std::size_t& bytes, const Key* keys, Key* out, std::int64_t n,
                      const std::uint32_t* values, std::uint32_t* out_values) {
  return cub::DeviceRadixSort::SortPairs(memory, bytes, keys, out, values, out_values, n, 0,
                                         static_cast<int>(sizeof(Key)) * 8, device.stream());
}

template <class Key, class... Values>
void run(Device& device, Buffer<std::byte>& scratch, const Key* keys, Key* out, std::int64_t n, Values... values) {
  const Current current(device.ordinal());
  std::size_t bytes = 0;
  check(sort_keys(device, nullptr, bytes, keys, out, n, values...), "cub::DeviceRadixSort");
  check(sort_keys(device, scratch.make(bytes), bytes, keys, out, n, values...), "cub::DeviceRadixSort");
}

template <class Key>
std::size_t bytes_of(Device& device, bool values, std::int64_t n) {
  const Current current(device.ordinal());
  const Key* const keys = nullptr;
  Key* const out = nullptr;
  const std::uint32_t* const given = nullptr;
  std::uint32_t* const taken = nullptr;
  std::size_t bytes = 0;
  check(values ? sort_keys(device, nullptr, bytes, keys, out, n, given, taken)
               : sort_keys(device, nullptr, bytes, keys, out, n),
        "cub::DeviceRadixSort");
  return bytes;
}

// Of two arrays each, CUB says which it has ended with; its scratch is next to nothing.
template <class Key>
bool run_segments(Device& device, Buffer<std::byte>& scratch, const KeySegments<Key>& of) {
  const Current current(device.ordinal());
  cub::DoubleBuffer<Key> keys(of.keys, of.spare);
  cub::DoubleBuffer<std::uint32_t> values(of.values, of.spare_values);
  const auto sorted = [&](void* memory, std::size_t& bytes) {
    constexpr int kBits = static_cast<int>(sizeof(Key)) * 8;
    using Sort = cub::DeviceSegmentedRadixSort;
    return of.values == nullptr
               ? Sort::SortKeys(memory, bytes, keys, of.n, of.n_segments, of.begin, of.end, 0, kBits, device.stream())
               : Sort::SortPairs(memory, bytes, keys, values, of.n, of.n_segments, of.begin, of.end, 0, kBits,
                                 device.stream());
  };
  std::size_t bytes = 0;
  check(sorted(nullptr, bytes), "cub::DeviceSegmentedRadixSort");
  bytes = std::max(bytes, std::size_t{1});  // without memory it would only say how much it wants
  check(sorted(scratch.make(bytes), bytes), "cub::DeviceSegmentedRadixSort");
  return keys.selector == 1;
}

}  // namespace

void sort(Device& device, const std::uint32_t* keys, std::uint32_t* out, std::int64_t n, Buffer<std::byte>& scratch) {
  run(device, scratch, keys, out, n);
}

void sort(Device& device, const std::uint64_t* keys, std::uint64_t* out, std::int64_t n, Buffer<std::byte>& scratch) {
  run(device, scratch, keys, out, n);
}

void sort(Device& device, const std::uint32_t* keys, std::uint32_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>& scratch) {
  run(device, scratch, keys, out, n, values, out_values);
}

void sort(Device& device, const std::uint64_t* keys, std::uint64_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>& scratch) {
  run(device, scratch, keys, out, n, values, out_values);
}

bool sort_segments(Device& device, const KeySegments<std::uint32_t>& segments, Buffer<std::byte>& scratch) {
  return run_segments(device, scratch, segments);
}

bool sort_segments(Device& device, const KeySegments<std::uint64_t>& segments, Buffer<std::byte>& scratch) {
  return run_segments(device, scratch, segments);
}

std::size_t sort_bytes(Device& device, std::size_t key_bytes, bool values, std::int64_t n) {
  return key_bytes == 8 ? bytes_of<std::uint64_t>(device, values, n) : bytes_of<std::uint32_t>(device, values, n);
}

}  // namespace pygbt::device
