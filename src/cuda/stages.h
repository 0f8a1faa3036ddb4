// SPDX-License-Identifier: Apache-2.0
// How long the stages of making bins take, for benchmarks (benchmarks/gpu_bins.py). While they are timed each waits for
// its end; otherwise nothing waits.
#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <string>

#include "runtime.h"

namespace pygbt::device {

inline std::atomic<bool> stages_timed{false};
inline std::mutex stages_mutex;
inline std::map<std::string, double> stage_seconds;  // since they were asked for

class Stage {
 public:
  Stage(Device& device, const char* name) : device_(device), name_(name), timed_(stages_timed) {
    if (timed_) begin_ = std::chrono::steady_clock::now();
  }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  // At the end of a stage that went well.
  void end() {
    if (!timed_) return;
    device_.finish();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin_;
    const std::lock_guard lock(stages_mutex);
    stage_seconds[name_] += seconds.count();
  }

 private:
  Device& device_;
  const char* name_;
  bool timed_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace pygbt::device
