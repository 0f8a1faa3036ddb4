// SPDX-License-Identifier: Apache-2.0
#include "emulated/runtime.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "base/error.h"
#include "out_of_memory.h"

namespace pygbt::device {

namespace {

constexpr int kGarbage = 0xA5;

// Memory of the device: PYGBT_EMULATED_MIB, for tests of what happens when it runs out.
std::size_t memory_bytes() {
  const char* const mib = std::getenv("PYGBT_EMULATED_MIB");
  return (mib == nullptr ? std::size_t{1} << 14 : static_cast<std::size_t>(std::strtoull(mib, nullptr, 10))) << 20;
}

std::atomic<std::size_t> in_use{0};

// The size of each block lies in front of it.
constexpr std::size_t kHeader = 64;

}  // namespace

Device::Device(int ordinal) {
  require(ordinal == 0, "device=\"cuda:" + std::to_string(ordinal) + "\": there is one emulated device, \"cuda:0\"");
  make_small(policy_);
}

void* Device::allocate(std::size_t bytes) {
  unrecorded();
  auto* const block = bytes <= free_bytes() ? static_cast<char*>(std::malloc(bytes + kHeader)) : nullptr;
  if (block == nullptr) refuse(bytes);
  in_use += bytes;
  std::memcpy(block, &bytes, sizeof bytes);
  std::memset(block + kHeader, kGarbage, bytes);
  checks::allocated({block + kHeader, bytes});
  return block + kHeader;
}

void Device::release(void* memory) noexcept {
  checks::released(memory);
  char* const block = static_cast<char*>(memory) - kHeader;
  std::size_t bytes = 0;
  std::memcpy(&bytes, block, sizeof bytes);
  in_use -= bytes;
  std::free(block);
}
void Device::to_device(void* to, const void* from, std::size_t bytes) {
  unrecorded();
  std::memcpy(to, from, bytes);
  checks::written({to, bytes});
}
void Device::to_host(void* to, const void* from, std::size_t bytes) {
  unrecorded();
  checks::fetched({from, bytes});
  std::memcpy(to, from, bytes);
}
std::size_t Device::free_bytes() const { return memory_bytes() - std::min(memory_bytes(), in_use.load()); }
void Device::refuse(std::size_t bytes) const { throw OutOfMemory(bytes, free_bytes(), memory_bytes()); }
void Device::copy(void* to, const void* from, std::size_t bytes) {
  unrecorded();
  std::memcpy(to, from, bytes);
  checks::copied(to, {from, bytes});
}
void* Device::allocate_host(std::size_t bytes) {
  void* const memory = std::malloc(bytes + 1);
  if (memory == nullptr) throw std::bad_alloc();
  return std::memset(memory, kGarbage, bytes);
}
void Device::release_host(void* memory) noexcept { std::free(memory); }
void Device::send(void* to, const void* from, std::size_t bytes) { to_device(to, from, bytes); }
void Device::receive(void* to, const void* from, std::size_t bytes) { to_host(to, from, bytes); }
void Device::fill(void* to, int byte, std::size_t bytes) {
  if (recording_ != nullptr) recording_->add(0, 0, 0, Fill{to, bytes, byte});
  std::memset(to, byte, bytes);
  checks::written({to, bytes});
}

bool Device::sort_pairs(std::uint32_t* keys, std::uint32_t* spare_keys, std::uint64_t* values,
                        std::uint64_t* spare_values, std::int64_t n) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [=](std::int64_t a, std::int64_t b) { return keys[a] < keys[b]; });
  for (std::int64_t i = 0; i < n; ++i) {
    spare_keys[i] = keys[order[static_cast<std::size_t>(i)]];
    spare_values[i] = values[order[static_cast<std::size_t>(i)]];
  }
  checks::written({spare_keys, static_cast<std::size_t>(n) * sizeof *spare_keys});
  checks::written({spare_values, static_cast<std::size_t>(n) * sizeof *spare_values});
  return true;
}

int n_devices() { return 1; }
int ordinal_of(const void*) { return 0; }
void wait_for_stream(int, std::uintptr_t) {}
void wait_for_all(int) {}
#ifdef PYGBT_CHECK_KERNELS
std::string device_name(int) { return "emulated and checked"; }
#else
std::string device_name(int) { return "emulated"; }
#endif

}  // namespace pygbt::device
