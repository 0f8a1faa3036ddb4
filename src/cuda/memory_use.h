// SPDX-License-Identifier: Apache-2.0
// Bytes of device memory that buffers hold, as asked for: of the process, with their peak, and of one queue, with a
// limit.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "out_of_memory.h"

namespace pygbt::device {

inline std::atomic<std::int64_t> bytes_in_use{0};  // of all buffers
inline std::atomic<std::int64_t> peak_bytes{0};    // the most that was in use since it was last set

class MemoryUse {
 public:
  static constexpr std::size_t kNoLimit = std::numeric_limits<std::size_t>::max();

  void limit(std::size_t most) { most_ = most; }

  // Throws OverBudget where so many more are more than the limit.
  void admit(std::size_t bytes) const {
    const std::size_t held = held_;
    if (held > most_ || bytes > most_ - held) throw OverBudget(most_, held + bytes);
  }
  void add(std::size_t bytes) noexcept {
    held_ += bytes;
    const std::int64_t now = bytes_in_use += static_cast<std::int64_t>(bytes);
    std::int64_t peak = peak_bytes;
    while (now > peak && !peak_bytes.compare_exchange_weak(peak, now)) {
    }
  }
  void subtract(std::size_t bytes) noexcept {
    held_ -= bytes;
    bytes_in_use -= static_cast<std::int64_t>(bytes);
  }

 private:
  std::atomic<std::size_t> held_{0};
  std::size_t most_ = kNoLimit;
};

}  // namespace pygbt::device
