// SPDX-License-Identifier: Apache-2.0
#include "emulated/checks/shadow.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace pygbt::device::checks {

Pages::Pages(std::size_t bytes) : bytes_(bytes + 1) {
  at_ = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at_ == MAP_FAILED) throw std::bad_alloc();
}
Pages::~Pages() { munmap(at_, bytes_); }

std::size_t Region::gap_in(std::uintptr_t at, std::size_t size) const {
  constexpr std::size_t kWord = 8;
  const char* const bytes = known_of(at);
  const auto first_gap = [&](std::size_t from) {
    const void* const gap = std::memchr(bytes + from, 0, size - from);
    return gap == nullptr ? size : static_cast<std::size_t>(static_cast<const char*>(gap) - bytes);
  };
  std::size_t gap = first_gap(0);
  while (size > kWord && gap < size) {
    const std::size_t word = gap - std::min(gap, (at + gap) % kWord), end = std::min(word + kWord, size);
    if (std::memchr(bytes + word, 1, end - word) == nullptr) break;
    gap = first_gap(end);
  }
  return gap;
}

void DeviceShadow::add(Bytes memory) {
  auto region = std::make_shared<Region>(memory);
  const std::lock_guard lock(mutex_);
  regions_[region->begin] = std::move(region);
}

void DeviceShadow::remove(const void* memory) {
  const std::lock_guard lock(mutex_);
  regions_.erase(reinterpret_cast<std::uintptr_t>(memory));
  ++n_removed_;
}

std::shared_ptr<Region> DeviceShadow::find(std::uintptr_t at) const {
  const std::lock_guard lock(mutex_);
  auto after = regions_.upper_bound(at);
  if (after == regions_.begin()) return nullptr;
  const auto& region = std::prev(after)->second;
  return region->holds(at) ? region : nullptr;
}

std::uint64_t DeviceShadow::n_removed() const { return n_removed_.load(std::memory_order_acquire); }

}  // namespace pygbt::device::checks
