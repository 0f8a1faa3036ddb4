// SPDX-License-Identifier: Apache-2.0
#include "comm/thread_comm.h"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "base/error.h"

namespace pygbt {

ThreadGroup::ThreadGroup(int size, std::chrono::milliseconds limit) : size_(size), limit_(limit) {
  require(size >= 1, "size of a ThreadGroup must be at least 1");
  slots_.resize(static_cast<std::size_t>(size));
}

void ThreadGroup::wait() {
  std::unique_lock lock(mutex_);
  const std::uint64_t round = round_;
  if (++waiting_ == size_ && !broken_) {
    waiting_ = 0;
    ++round_;
    all_came_.notify_all();
    return;
  }
  const bool came = all_came_.wait_for(lock, limit_, [&] { return round_ != round || broken_; });
  if (round_ != round) return;
  if (!came) {
    broken_ = true;
    all_came_.notify_all();
  }
  throw std::runtime_error("a worker did not reach the collective operation the others wait in");
}

// Each rank reads the slots of all; the second barrier keeps a slot's memory unchanged until all have read it.
template <class T, class Combine>
void ThreadComm::allreduce(std::span<T> values, Combine combine) {
  group_->slots_[static_cast<std::size_t>(rank_)] = {values.data(), values.size_bytes(), nullptr};
  group_->wait();
  std::vector<T> total(values.begin(), values.end());
  bool same_size = true;
  for (int other = 0; other < size(); ++other) {
    const auto& slot = group_->slots_[static_cast<std::size_t>(other)];
    if (slot.bytes != values.size_bytes()) same_size = false;
    if (other == rank_ || !same_size) continue;
    const T* theirs = static_cast<const T*>(slot.data);
    for (std::size_t i = 0; i < total.size(); ++i) total[i] = combine(total[i], theirs[i]);
  }
  group_->wait();
  if (!same_size) throw std::runtime_error("workers call an allreduce with different lengths");
  std::copy(total.begin(), total.end(), values.begin());
}

void ThreadComm::allreduce_sum(std::span<std::int64_t> values) {
  allreduce(values, [](std::int64_t a, std::int64_t b) { return a + b; });
}

void ThreadComm::allreduce_max(std::span<double> values) {
  allreduce(values, [](double a, double b) { return std::max(a, b); });
}

void ThreadComm::broadcast(std::span<std::byte> bytes, int root) {
  group_->slots_[static_cast<std::size_t>(rank_)] = {bytes.data(), bytes.size(), nullptr};
  group_->wait();
  const ThreadGroup::Slot source = group_->slots_[static_cast<std::size_t>(root)];
  const bool same_size = source.bytes == bytes.size();
  if (same_size && rank_ != root && !bytes.empty()) std::memcpy(bytes.data(), source.data, bytes.size());
  group_->wait();
  if (!same_size) throw std::runtime_error("workers call a broadcast with different lengths");
}

void ThreadComm::agree(const std::string& error) {
  group_->slots_[static_cast<std::size_t>(rank_)].error = &error;
  group_->wait();
  std::string first;  // of the lowest rank, so that all ranks raise the same
  for (int other = 0; other < size() && first.empty(); ++other) {
    const std::string& theirs = *group_->slots_[static_cast<std::size_t>(other)].error;
    if (!theirs.empty()) first = "worker " + std::to_string(other) + ": " + theirs;
  }
  group_->wait();
  if (!first.empty()) throw std::runtime_error(first);
}

}  // namespace pygbt
