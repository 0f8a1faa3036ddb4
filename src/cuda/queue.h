// SPDX-License-Identifier: Apache-2.0
// Queues of a device that calls take for as long as they last, each with memory of the host to send from and receive in.
// They are never destroyed: models on the device may outlive whatever the end of the process destroys.
#pragma once

#include <bit>
#include <cstddef>

#include "runtime.h"

namespace pygbt::device {

class Queue {
 public:
  explicit Queue(int ordinal) : device(ordinal) {}

  Device device;

  // At least so many bytes, kept for the next call.
  std::byte* to_send(std::size_t bytes) { return grow(send_, bytes); }
  std::byte* to_receive(std::size_t bytes) { return grow(receive_, bytes); }

 private:
  static constexpr std::size_t kLeast = 64 << 10;

  struct Memory {
    std::byte* data = nullptr;
    std::size_t bytes = 0;
  };
  std::byte* grow(Memory& memory, std::size_t bytes) {
    if (bytes > memory.bytes) {
      if (memory.data != nullptr) device.release_host(memory.data);
      memory = {};
      bytes = std::bit_ceil(bytes < kLeast ? kLeast : bytes);
      memory.data = static_cast<std::byte*>(device.allocate_host(bytes));
      memory.bytes = bytes;
    }
    return memory.data;
  }

  Memory send_, receive_;
};

// A queue for this call alone: one that waits, or a new one.
class QueueLease {
 public:
  explicit QueueLease(int ordinal);
  ~QueueLease();
  QueueLease(const QueueLease&) = delete;
  QueueLease& operator=(const QueueLease&) = delete;

  Queue& operator*() const { return *queue_; }
  Queue* operator->() const { return queue_; }

 private:
  int ordinal_;
  bool small_;
  Queue* queue_;
};

}  // namespace pygbt::device
