// SPDX-License-Identifier: Apache-2.0
// Thresholds for float32 values.
#pragma once

#include <bit>
#include <cstdint>

namespace pygbt {

// Largest float32 that is no larger: for every float32 x, x > threshold <=> x > round_down(threshold).
inline float round_down(double threshold) {
  const auto rounded = static_cast<float>(threshold);
  if (!(static_cast<double>(rounded) > threshold)) return rounded;
  // The next one below. Rounding up gives no negative zero's neighbour but zero's, and infinity is above the largest.
  const auto bits = std::bit_cast<std::uint32_t>(rounded);
  constexpr std::uint32_t kSign = 0x80000000u;
  const std::uint32_t below = (bits & ~kSign) == 0 ? kSign | 1u : (bits & kSign) != 0 ? bits + 1 : bits - 1;
  return std::bit_cast<float>(below);
}

}  // namespace pygbt
