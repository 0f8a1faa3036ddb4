// SPDX-License-Identifier: Apache-2.0
// emulated/sort_keys.h says what these are. A file of its own: CUB takes long to compile.
#pragma once

#include <cstddef>
#include <cstdint>

#include "buffer.h"
#include "key_segments.h"

namespace pygbt::device {

void sort(Device& device, const std::uint32_t* keys, std::uint32_t* out, std::int64_t n, Buffer<std::byte>& scratch);
void sort(Device& device, const std::uint64_t* keys, std::uint64_t* out, std::int64_t n, Buffer<std::byte>& scratch);
void sort(Device& device, const std::uint32_t* keys, std::uint32_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>& scratch);
void sort(Device& device, const std::uint64_t* keys, std::uint64_t* out, const std::uint32_t* values,
          std::uint32_t* out_values, std::int64_t n, Buffer<std::byte>& scratch);

bool sort_segments(Device& device, const KeySegments<std::uint32_t>& segments, Buffer<std::byte>& scratch);
bool sort_segments(Device& device, const KeySegments<std::uint64_t>& segments, Buffer<std::byte>& scratch);

std::size_t sort_bytes(Device& device, std::size_t key_bytes, bool values, std::int64_t n);

}  // namespace pygbt::device
