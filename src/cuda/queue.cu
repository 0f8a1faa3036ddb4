// SPDX-License-Identifier: Apache-2.0
#include "queue.h"

#include <cstdlib>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

namespace pygbt::device {

namespace {

struct Queues {
  std::mutex mutex;
  std::map<std::pair<int, bool>, std::vector<Queue*>> waiting;  // by ordinal, and whether tests want small blocks
};

Queues& queues() {
  static auto* const all = new Queues;
  return *all;
}

}  // namespace

QueueLease::QueueLease(int ordinal)
    : ordinal_(ordinal), small_(std::getenv("PYGBT_CUDA_SMALL") != nullptr), queue_(nullptr) {
  {
    const std::lock_guard lock(queues().mutex);
    auto& waiting = queues().waiting[{ordinal, small_}];
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
  queues().waiting[{ordinal_, small_}].push_back(queue_);
}

}  // namespace pygbt::device
