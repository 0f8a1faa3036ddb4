// SPDX-License-Identifier: Apache-2.0
// Logarithms of the criteria that decide splits and prunings: the engine's own (math/explog.h), so the same bits on every
// machine.
#pragma once

#include <bit>
#include <cstdint>

#include "base/host_device.h"
#include "math/explog.h"

namespace pygbt {

// Within 1 ulp for positive normal x.
PYGBT_HD double log_natural(double x) { return log_f64(x); }

// Base 2, within 2 ulp for positive normal x; exact for powers of two. x = 2^k m with m in [sqrt(1/2), sqrt 2): the two
// terms never cancel.
PYGBT_HD double log2_of(double x) {
  constexpr std::uint64_t kOne = 0x3ff0000000000000u;
  constexpr std::uint64_t kRootHalf = 0x3fe6a09e667f3bcdu;
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(x);
  const std::uint64_t biased = (bits + (kOne - kRootHalf)) >> 52;  // k + 1023
  const double m = std::bit_cast<double>(bits - (biased << 52) + kOne);
  const double k = std::bit_cast<double>(biased | 0x4330000000000000u) - (4503599627370496.0 + 1023.0);
  return k + log_f64(m) * 0x1.71547652b82fep+0;
}

}  // namespace pygbt
