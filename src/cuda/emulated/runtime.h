// SPDX-License-Identifier: Apache-2.0
// A device that is the host: its memory is ordinary memory, filled with garbage, and its queue is the caller.
// gpu/runtime.h is the same for a GPU.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>

#include "emulated/emulator.h"
#include "emulated/recording.h"
#include "memory_use.h"
#include "policy.h"

namespace pygbt::device {

// Numbers that the device tells while it goes on.
struct Reports {
  std::int32_t last = 1;
};

class Device {
 public:
  explicit Device(int ordinal);
  ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Policy& policy() const { return policy_; }
  MemoryUse& memory() { return memory_; }

  // Throw std::bad_alloc with the sizes.
  void* allocate(std::size_t bytes);
  void release(void* memory) noexcept;

  // In the order of the calls. What `from` of to_device holds may go when the call returns; what to_host copies is there.
  void to_device(void* to, const void* from, std::size_t bytes);
  void to_host(void* to, const void* from, std::size_t bytes);
  void copy(void* to, const void* from, std::size_t bytes);  // both on the device
  void fill(void* to, int byte, std::size_t bytes);

  template <class Launches>
  void replay(Recording& recording, Launches&& launches) {
    recording.begin();
    recording_ = &recording;
    try {
      launches();
    } catch (...) {
      recording_ = nullptr;
      throw;
    }
    recording_ = nullptr;
    recording.end();
  }

  std::int32_t report(Reports& reports, const std::int32_t* from) {
    const std::int32_t before = reports.last;
    reports.last = *from;
    return before;
  }
  void forget(Reports& reports) { reports.last = 1; }

  // Memory of the host that copies go from and to while the caller goes on: it must stay as it is until `finish`.
  void* allocate_host(std::size_t bytes);
  void release_host(void* memory) noexcept;
  void send(void* to, const void* from, std::size_t bytes);
  void receive(void* to, const void* from, std::size_t bytes);

  // Ascending by key. The spare arrays hold the result where it returns true, the first ones where not.
  bool sort_pairs(std::uint32_t* keys, std::uint32_t* spare_keys, std::uint64_t* values, std::uint64_t* spare_values,
                  std::int64_t n);

  void finish() {}      // returns when the queue is empty
  void finish_all() {}  // ... and those of everybody else on this device

  std::size_t free_bytes() const;
  [[noreturn]] void refuse(std::size_t bytes) const;  // throws OutOfMemory: there are not so many

  template <class Kernel>
  void launch(std::int64_t n_blocks, int n_threads, const Kernel& kernel, std::size_t shared_bytes = 0) {
    if (n_blocks == 0) return;
    if (n_threads > most_threads<Kernel>()) throw std::logic_error("the kernel is not built for so many threads");
    if (recording_ != nullptr) recording_->add(n_blocks, n_threads, shared_bytes, kernel);
    emulator::run_grid(n_blocks, n_threads, shared_bytes, emulator::kernel_object(kernel));
  }

 private:
  struct Fill {
    void* to;
    std::size_t bytes;
    std::int64_t byte;
  };
  void unrecorded() const {
    if (recording_ != nullptr && recording_->repeats()) throw std::logic_error("only launches and fills are recorded");
  }

  Recording* recording_ = nullptr;  // the launches under way are of it
  Policy policy_;
  MemoryUse memory_;
};

int n_devices();
// The device whose memory this is; throws InvalidArgument where it is none's.
int ordinal_of(const void* memory);
// Return when a stream (its handle; 1 and 2 are the default ones), or all of a device, has done its work.
void wait_for_stream(int ordinal, std::uintptr_t stream);
void wait_for_all(int ordinal);
std::string device_name(int ordinal);

}  // namespace pygbt::device
