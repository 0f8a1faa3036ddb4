// SPDX-License-Identifier: Apache-2.0
// How far a long piece of work is: told to whoever asked for it, who may stop it.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

namespace pygbt {

class Progress {
 public:
  // Called by the thread that made this, now and then; what it throws stops the work.
  using Tell = std::function<void(std::int64_t done)>;
  explicit Progress(Tell tell) : tell_(std::move(tell)) {}

  // So much more is done. Called by any thread, at least every few milliseconds; throws where the work is to stop.
  void advance(std::int64_t n = 0) {
    if (n > 0) done_.fetch_add(n, std::memory_order_relaxed);
    if (stopped_.load(std::memory_order_relaxed)) throw Stopped();
    if (std::this_thread::get_id() == asker_) tell_if_due();
  }

  // Does the work; if it is stopped, throws what `tell` threw, whichever thread came to its end first.
  template <class Work>
  auto watch(const Work& work) {
    try {
      return work();
    } catch (...) {
      if (reason_ != nullptr) std::rethrow_exception(reason_);
      throw;
    }
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr auto kEvery = std::chrono::milliseconds(100);
  struct Stopped {};

  void tell_if_due() {
    const auto now = Clock::now();
    if (now - last_ < kEvery) return;
    last_ = now;
    try {
      tell_(done_.load(std::memory_order_relaxed));
    } catch (...) {
      reason_ = std::current_exception();
      stopped_.store(true, std::memory_order_relaxed);
      throw;
    }
  }

  Tell tell_;
  const std::thread::id asker_ = std::this_thread::get_id();
  Clock::time_point last_ = Clock::now();
  std::atomic<std::int64_t> done_{0};
  std::atomic<bool> stopped_{false};
  std::exception_ptr reason_;
};

}  // namespace pygbt
