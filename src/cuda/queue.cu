// SPDX-License-Identifier: Apache-2.0
#include "queue.h"

#include <map>
#include <mutex>
#include <vector>

namespace pygbt::device {

namespace {

struct Queues {
  std::mutex mutex;
  std::map<int, std::vector<Queue*>> waiting;  // by ordinal
};

Queues& queues() {
  static auto* const all = new Queues;
  return *all;
}

}  // namespace

QueueLease::QueueLease(int ordinal) : ordinal_(ordinal), queue_(nullptr) {
  {
    const std::lock_guard lock(queues().mutex);
    auto& waiting = queues().waiting[ordinal];
    if (!waiting.empty()) {
      queue_ = waiting.back();
      waiting.pop_back();
      return;
    }
    waiting.reserve(waiting.size() + waiting.capacity() + 1);  // giving back must not throw
  }
  queue_ = new Queue(ordinal);
}

QueueLease::~QueueLease() {
  try {
    queue_->device.finish();  // whatever an error left under way
  } catch (...) {  // told where it happened
  }
  const std::lock_guard lock(queues().mutex);
  queues().waiting[ordinal_].push_back(queue_);
}

}  // namespace pygbt::device
