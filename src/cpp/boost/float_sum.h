// SPDX-License-Identifier: Apache-2.0
// Exact sums of float32 values of weight 1: one integer an exponent, so that a value costs one addition.
#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "boost/exact_sum.h"

namespace pygbt {

class FloatSum {
 public:
  void add(float value) {
    const auto bits = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t exponent = (bits >> 23) & 0xff;
    const auto mantissa = static_cast<std::int64_t>((bits & 0x7fffffu) | (exponent == 0 ? 0u : 0x800000u));
    sums_[exponent] += (bits >> 31) != 0 ? -mantissa : mantissa;  // fewer than 2^39 of them
    not_finite_ += exponent == 0xff;
  }

  void add_to(ExactSum& sum) const {
    if (not_finite_ > 0) sum.add(std::numeric_limits<double>::quiet_NaN(), 1);
    for (int exponent = 0; exponent < 0xff; ++exponent) {
      const std::int64_t of_exponent = sums_[static_cast<std::size_t>(exponent)];
      if (of_exponent == 0) continue;
      const int unit = exponent == 0 ? -149 : exponent - 150;
      sum.add(std::ldexp(static_cast<double>(of_exponent >> 24), unit + 24), 1);
      sum.add(std::ldexp(static_cast<double>(of_exponent & 0xffffff), unit), 1);
    }
  }

 private:
  std::array<std::int64_t, 256> sums_{};  // of mantissas
  std::int64_t not_finite_ = 0;
};

}  // namespace pygbt
