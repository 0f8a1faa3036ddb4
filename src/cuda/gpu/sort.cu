// SPDX-License-Identifier: Apache-2.0
#include <cub/device/device_radix_sort.cuh>

#include "gpu/runtime.h"

namespace pygbt::device {

bool Device::sort_pairs(std::uint32_t* keys, std::uint32_t* spare_keys, std::uint64_t* values,
                        std::uint64_t* spare_values, std::int64_t n) {
  const Current current(ordinal_);
  cub::DoubleBuffer<std::uint32_t> key_buffers(keys, spare_keys);
  cub::DoubleBuffer<std::uint64_t> value_buffers(values, spare_values);
  std::size_t bytes = 0;
  constexpr int kBits = 32;
  check(cub::DeviceRadixSort::SortPairs(nullptr, bytes, key_buffers, value_buffers, n, 0, kBits, stream_),
        "cub::DeviceRadixSort");
  void* const scratch = allocate(bytes);
  const cudaError_t status =
      cub::DeviceRadixSort::SortPairs(scratch, bytes, key_buffers, value_buffers, n, 0, kBits, stream_);
  release(scratch);
  check(status, "cub::DeviceRadixSort");
  return key_buffers.Current() != keys;
}

}  // namespace pygbt::device
