// SPDX-License-Identifier: Apache-2.0
// Columns are drawn in units (a feature, or features that go together), without replacement and in proportion to weights:
// every unit has an exponential clock, and the first ones are drawn (Efraimidis and Spirakis 2006, exponential jumps'
// plain form). A pure function of its counters, so that the host and a device draw alike.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "base/rng.h"
#include "math/explog.h"

namespace pygbt {

inline constexpr double kLastClock = 1e300;  // of units of weight 0

// Not negative; of equal ones the lower unit comes first. weights [unit], nullptr = all alike: then any increasing function
// of the random bits will do.
PYGBT_HD double column_clock(std::uint64_t seed, Draw purpose, std::uint32_t tree, std::int32_t unit, std::uint32_t sub,
                             const double* weights) {
  const std::uint32_t bits = random_bits(seed, purpose, tree, static_cast<std::uint64_t>(unit), sub);
  if (weights == nullptr) return static_cast<double>(bits);
  const double weight = weights[unit];
  return weight > 0.0 ? (0.0 - log_f64((static_cast<double>(bits) + 1.0) * 0x1p-32)) / weight : kLastClock;
}

}  // namespace pygbt
