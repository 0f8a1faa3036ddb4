// SPDX-License-Identifier: Apache-2.0
// Sample weights as integers times a power of two, so that sums of weights are exact in any order. Integer weights (and
// all others of few bits) stay exact. Called by make_dataset.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pygbt {

struct FixedWeights {
  std::vector<std::uint32_t> values;  // [row] < 2^24; 0 only for weight 0
  double unit = 1.0;  // power of two: weight = value * unit
  std::uint64_t total = 0;  // < 2^46
};

// Throws InvalidArgument for negative, NaN, infinite and all-zero weights.
FixedWeights fix_weights(std::span<const double> weights, int n_threads);

}  // namespace pygbt
