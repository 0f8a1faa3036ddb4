// SPDX-License-Identifier: Apache-2.0
#include "emulated/runtime.h"

#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"
#include "out_of_memory.h"

namespace pygbt::device {

namespace {

constexpr std::size_t kMemory = std::size_t{4} << 30;
constexpr int kGarbage = 0xA5;

}  // namespace

Device::Device(int ordinal) {
  require(ordinal == 0, "device=\"cuda:" + std::to_string(ordinal) + "\": there is one emulated device, \"cuda:0\"");
  // Small numbers: a table of a few hundred rows has several blocks, tiles, chunks and groups.
  policy_.n_threads = 64;
  policy_.n_blocks = 3;
  policy_.tile_rows = 96;
  policy_.chunk_rows = 160;
  policy_.group_bytes = 2 << 10;
  policy_.shared_bytes = 6 << 10;
  policy_.scratch_bytes = 1 << 18;
}

void* Device::allocate(std::size_t bytes) {
  void* const memory = bytes <= kMemory ? std::malloc(bytes) : nullptr;
  if (memory == nullptr) throw OutOfMemory(bytes, kMemory, kMemory);
  std::memset(memory, kGarbage, bytes);
  return memory;
}

void Device::release(void* memory) noexcept { std::free(memory); }
void Device::to_device(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
void Device::to_host(void* to, const void* from, std::size_t bytes) { std::memcpy(to, from, bytes); }
void Device::fill(void* to, int byte, std::size_t bytes) { std::memset(to, byte, bytes); }

int n_devices() { return 1; }
std::string device_name(int) { return "emulated"; }

}  // namespace pygbt::device
