// SPDX-License-Identifier: Apache-2.0
#include "gpu/upload.h"

#include <mutex>
#include <vector>

namespace pygbt::device {

namespace {

constexpr std::size_t kKept = 2;  // pinned buffers that wait for the next upload

// Pinned buffers that no upload uses. Never given back: at the end of the process the driver may be gone before it.
struct Pinned {
  struct Block {
    std::byte* memory;
    std::size_t bytes;
  };
  std::mutex mutex;
  std::vector<Block> spare;
};

Pinned& pinned() {
  static auto* const all = new Pinned;
  return *all;
}

std::byte* take_pinned(std::size_t bytes) {
  {
    const std::lock_guard lock(pinned().mutex);
    auto& spare = pinned().spare;
    for (std::size_t i = 0; i < spare.size(); ++i) {
      if (spare[i].bytes != bytes) continue;
      std::byte* const memory = spare[i].memory;
      spare.erase(spare.begin() + static_cast<std::ptrdiff_t>(i));
      return memory;
    }
  }
  void* memory = nullptr;
  check(cudaHostAlloc(&memory, bytes, cudaHostAllocPortable), "cudaHostAlloc");
  return static_cast<std::byte*>(memory);
}

void give_back_pinned(std::byte* memory, std::size_t bytes) noexcept {
  if (memory == nullptr) return;
  {
    const std::lock_guard lock(pinned().mutex);
    auto& spare = pinned().spare;
    try {
      spare.push_back({memory, bytes});
      if (spare.size() <= kKept) return;
      memory = spare.front().memory;  // of the size that has waited longest
      spare.erase(spare.begin());
    } catch (const std::bad_alloc&) {  // then it is freed
    }
  }
  cudaFreeHost(memory);
}

}  // namespace

Upload::Upload(Device& device, std::size_t chunk_bytes) : device_(device), chunk_bytes_(chunk_bytes) {
  const Current current(device.ordinal());
  try {
    check(cudaStreamCreateWithFlags(&copies_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    for (Slot& slot : slots_) {
      check(cudaEventCreateWithFlags(&slot.arrived, cudaEventDisableTiming), "cudaEventCreateWithFlags");
      check(cudaEventCreateWithFlags(&slot.read, cudaEventDisableTiming), "cudaEventCreateWithFlags");
      slot.pinned = take_pinned(chunk_bytes);
      slot.there = Buffer<std::byte>(device);
      slot.there.make(chunk_bytes);
      check(cudaEventRecord(slot.read, device.stream()), "cudaEventRecord");  // from here on the memory is there
    }
  } catch (...) {
    close();
    throw;
  }
}

Upload::~Upload() {
  int before = 0;
  cudaGetDevice(&before);
  cudaSetDevice(device_.ordinal());
  close();
  cudaSetDevice(before);
  cudaGetLastError();
}

void Upload::close() noexcept {
  if (copies_ != nullptr) {
    cudaStreamSynchronize(copies_);
    cudaStreamDestroy(copies_);
  }
  for (Slot& slot : slots_) {
    if (slot.arrived != nullptr) cudaEventDestroy(slot.arrived);
    if (slot.read != nullptr) cudaEventDestroy(slot.read);
    give_back_pinned(slot.pinned, chunk_bytes_);
  }
}

std::byte* Upload::next() {
  const Current current(device_.ordinal());
  if (sent_) check(cudaEventRecord(slots_[at_].read, device_.stream()), "cudaEventRecord");
  sent_ = false;
  at_ = 1 - at_;
  check(cudaEventSynchronize(slots_[at_].arrived), "cudaEventSynchronize");  // at once where nothing was sent
  return slots_[at_].pinned;
}

const std::byte* Upload::send(std::size_t n_bytes) {
  const Current current(device_.ordinal());
  Slot& slot = slots_[at_];
  check(cudaStreamWaitEvent(copies_, slot.read, 0), "cudaStreamWaitEvent");
  check(cudaMemcpyAsync(slot.there.data(), slot.pinned, n_bytes, cudaMemcpyHostToDevice, copies_), "cudaMemcpyAsync");
  check(cudaEventRecord(slot.arrived, copies_), "cudaEventRecord");
  check(cudaStreamWaitEvent(device_.stream(), slot.arrived, 0), "cudaStreamWaitEvent");
  sent_ = true;
  return slot.there.data();
}

}  // namespace pygbt::device
