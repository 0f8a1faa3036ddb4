// SPDX-License-Identifier: Apache-2.0
#include "gpu/sort_keys.h"

#include <cub/device/device_radix_sort.cuh>

namespace pygbt::device {

namespace {

// CUB says how much scratch it wants, then takes it.
template <class Sort>
void run(Device& device, Buffer<std::byte>& scratch, const Sort& sort) {
  const Current current(device.ordinal());
  std::size_t bytes = 0;
  check(sort(nullptr, bytes), "cub::DeviceRadixSort");
  check(sort(scratch.make(bytes), bytes), "cub::DeviceRadixSort");
}

template <class Key>
void sort_keys(Device& device, const Key* keys, Key* out, std::int64_t n, Buffer<std::byte>& scratch) {
  run(device, scratch, [&](void* memory, std::size_t& bytes) {
    return cub::DeviceRadixSort::SortKeys(memory, bytes, keys, out, n, 0, static_cast<int>(sizeof(Key)) * 8,
                                          device.stream());
  });
}

template <class Key>
void sort_pairs(Device& device, const Key* keys, Key* out, const std::uint32_t* values, std::uint32_t* out_values,
                std::int64_t n, Buffer<std::byte>& scratch) {
  run(device, scratch, [&](void* memory, std::size_t& bytes) {
    return cub::DeviceRadixSort::SortPairs(memory, bytes, keys, out, values, out_values, n, 0,
                                           static_cast<int>(sizeof(Key)) * 8, device.stream());
  });
}

}  // namespace

void sort(Device& device, const std::uint32_t* keys, std::uint32_t* out, std::int64_t n, Buffer<std::byte>& scratch) {
  sort_keys(device, keys, out, n, scratch);
}

void sort(Device& device, const std::uint64_t* keys, std::uint64_t* out, std::int64_t n, Buffer<std::byte>& scratch) {
  sort_keys(device, keys, out, n, scratch);
}

void sort(Device& device, const std::uint32_t* keys, std::uint32_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>& scratch) {
  sort_pairs(device, keys, out, values, out_values, n, scratch);
}

void sort(Device& device, const std::uint64_t* keys, std::uint64_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>& scratch) {
  sort_pairs(device, keys, out, values, out_values, n, scratch);
}

}  // namespace pygbt::device
