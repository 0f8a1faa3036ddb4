// SPDX-License-Identifier: Apache-2.0
// Workers as threads of one process: the everyday test double of a distributed run. Every rank calls the same
// operations in the same order; a rank that does not come makes the others throw after a time limit, never hang.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "comm/communicator.h"

namespace pygbt {

// What the ranks share: one slot each, and a barrier.
class ThreadGroup {
 public:
  explicit ThreadGroup(int size, std::chrono::milliseconds limit = std::chrono::seconds(60));
  int size() const { return size_; }

 private:
  friend class ThreadComm;

  struct Slot {
    void* data = nullptr;
    std::size_t bytes = 0;
    const std::string* error = nullptr;
  };

  void wait();  // all ranks come, or std::runtime_error

  const int size_;
  const std::chrono::milliseconds limit_;
  std::vector<Slot> slots_;  // [rank], written before a barrier by its rank and read after it by all
  std::mutex mutex_;
  std::condition_variable all_came_;
  int waiting_ = 0;
  std::uint64_t round_ = 0;
  bool broken_ = false;
};

class ThreadComm final : public Communicator {
 public:
  ThreadComm(std::shared_ptr<ThreadGroup> group, int rank) : group_(std::move(group)), rank_(rank) {}
  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }
  void allreduce_sum(std::span<std::int64_t> values) override;
  void allreduce_max(std::span<double> values) override;
  void broadcast(std::span<std::byte> bytes, int root) override;
  void agree(const std::string& error) override;

 private:
  template <class T, class Combine>
  void allreduce(std::span<T> values, Combine combine);

  std::shared_ptr<ThreadGroup> group_;
  int rank_;
};

}  // namespace pygbt
