// SPDX-License-Identifier: Apache-2.0
// The weighted quantile by integer counting: the smallest value whose cumulative weight reaches alpha of the whole
// (numpy's "inverted_cdf"). Order-free. Called by base scores and by the leaves of absolute_error and quantile.
#pragma once

#include <cstdint>

#include "base/host_device.h"

namespace pygbt {

// alpha in (0, 1) in units of 2^-32, rounded down: alpha = 0.1 of 10 rows is reached by the first row.
PYGBT_HD std::uint64_t quantile_level(double alpha) { return static_cast<std::uint64_t>(alpha * 4294967296.0); }

// Least cumulative weight that is a share `level` of `total`: ceil(level * total / 2^32), at least 1. total < 2^62.
PYGBT_HD std::uint64_t quantile_rank(std::uint64_t level, std::uint64_t total) {
  const std::uint64_t high = (total >> 32) * level;  // total = hi 2^32 + lo
  const std::uint64_t low = (total & 0xffffffffu) * level;
  const std::uint64_t rank = high + (low >> 32) + ((low & 0xffffffffu) != 0 ? 1u : 0u);
  return rank == 0 ? 1 : rank;
}

}  // namespace pygbt
