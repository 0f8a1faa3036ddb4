// SPDX-License-Identifier: Apache-2.0
// Sorting on the device, borrowed: here from the standard library, on a GPU from CUB (gpu/sort_keys.h).
#pragma once

#include <cstddef>
#include <cstdint>

#include "buffer.h"
#include "key_segments.h"

namespace pygbt::device {

// Ascending copies of n keys, in the order of the device's queue; `scratch` is made as large as it must be.
void sort(Device& device, const std::uint32_t* keys, std::uint32_t* out, std::int64_t n, Buffer<std::byte>& scratch);
void sort(Device& device, const std::uint64_t* keys, std::uint64_t* out, std::int64_t n, Buffer<std::byte>& scratch);

// The same with a value beside each key; equal keys keep their order.
void sort(Device& device, const std::uint32_t* keys, std::uint32_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>& scratch);
void sort(Device& device, const std::uint64_t* keys, std::uint64_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>& scratch);

// Segments in place; returns whether what is sorted is in the spare arrays. Equal keys keep their order.
bool sort_segments(Device& device, const KeySegments<std::uint32_t>& segments, Buffer<std::byte>& scratch);
bool sort_segments(Device& device, const KeySegments<std::uint64_t>& segments, Buffer<std::byte>& scratch);

// The scratch that a sort of so many keys of 4 or 8 bytes takes, with values or without.
std::size_t sort_bytes(Device& device, std::size_t key_bytes, bool values, std::int64_t n);

}  // namespace pygbt::device
