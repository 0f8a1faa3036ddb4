// SPDX-License-Identifier: Apache-2.0
// Entropy of counts, in bits, written once: information gain, split information and gain ratio are differences of it.
// Counts are cases in real units (weights), converted once from exact integer sums.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/host_device.h"
#include "math/log.h"

namespace pygbt {

// n log2 n; 0 for no cases.
PYGBT_HD double n_log2_n(double n) { return n > 0.0 ? n * log2_of(n) : 0.0; }

// N H of the counts (in units of `unit`), bits times cases: N log N - sum n log n, in the order of the counts.
inline double information(const std::int64_t* counts, std::size_t n_counts, double unit) {
  double terms = 0.0;
  std::int64_t total = 0;
  for (std::size_t k = 0; k < n_counts; ++k) {
    terms += n_log2_n(static_cast<double>(counts[k]) * unit);
    total += counts[k];
  }
  return n_log2_n(static_cast<double>(total) * unit) - terms;
}

// Sums of float64 logarithms agree to about 1e-15 times the cases: criteria that differ by less are equal.
inline constexpr double kEqualCriteria = 1e-12;

}  // namespace pygbt
