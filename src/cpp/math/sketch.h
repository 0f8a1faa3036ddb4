// SPDX-License-Identifier: Apache-2.0
// A few gradients in place of many while cuts are searched (SketchBoost: Iosipoi and Vakhrushev, NeurIPS 2022): sketch j of
// a row is sum_k factors[j][k] g_k, its curvature the mean of the row's. Float32, targets in order, one addition each.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "base/host_device.h"
#include "base/rng.h"

namespace pygbt {

enum class SketchKind : std::uint8_t { kRandomProjection, kTopOutputs };

PYGBT_HD float sketch_step(float sum, float factor, float g) { return sum + factor * g; }
PYGBT_HD float sketch_curvature(float sum_h, std::int32_t n_targets) { return sum_h / static_cast<float>(n_targets); }

// [sketch][target]
using SketchFactors = std::vector<float>;

// Random signs over the square root of n_sketch, by seed, iteration and place.
inline SketchFactors random_projection(std::uint64_t seed, std::uint32_t iteration, std::int32_t n_sketch,
                                       std::int32_t n_targets) {
  const float scale = 1.0f / std::sqrt(static_cast<float>(n_sketch));
  SketchFactors factors;
  for (std::int32_t at = 0; at < n_sketch * n_targets; ++at) {
    const bool negative = random_bits(seed, Draw::kSketch, iteration, static_cast<std::uint64_t>(at)) >> 31 != 0;
    factors.push_back(negative ? -scale : scale);
  }
  return factors;
}

}  // namespace pygbt
