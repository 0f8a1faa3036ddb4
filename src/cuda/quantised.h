// SPDX-License-Identifier: Apache-2.0
// Float gradients of a target as the integers that are summed. Their scales follow from the largest magnitudes, which the
// device knows first: they stay there. Included by kernels.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "block.h"
#include "device.h"
#include "math/quantise.h"
#include "tree_work.h"

namespace pygbt::device {

// Scales of a target's integers.
struct Quantiser {
  double g_scale = 1.0;
  double h_scale = 1.0;
  std::int64_t g_limit = 0;
  std::int64_t h_limit = 0;
};

PYGBT_HD Quantiser quantiser_of(double max_g, double max_h, Precision precision, std::uint64_t total_weight) {
  const int g_bits = quantiser_bits(precision, false, total_weight);
  const int h_bits = quantiser_bits(precision, true, total_weight);
  return {quantiser_scale(max_g, g_bits), quantiser_scale(max_h, h_bits), (std::int64_t{1} << g_bits) - 1,
          (std::int64_t{1} << h_bits) - 1};
}

inline constexpr int kPrecisions = 3;  // quantisers of a target, in the order of Precision

// What a kernel sees of a target's rows, once it has read the scales.
struct QuantisedRows {
  const float* g = nullptr;  // [row]
  const float* h = nullptr;
  const std::uint32_t* weights = nullptr;  // [row]; nullptr = all 1
  Quantiser scales;

  PYGBT_HD std::int64_t weight(std::int64_t row) const { return weights == nullptr ? 1 : weights[row]; }
  PYGBT_HD Cell plain(std::int64_t row) const { return plain(g[row], h[row]); }
  PYGBT_HD Cell plain(float of_g, float of_h) const {
    return {quantise_gradient(of_g, scales.g_scale, scales.g_limit),
            quantise_hessian(of_h, scales.h_scale, scales.h_limit)};
  }
  // (0, 0) for a row without weight, whatever its gradients.
  PYGBT_HD Cell weighted(std::int64_t row) const {
    const std::int64_t w = weight(row);
    if (w == 0) return {0, 0};
    const Cell cell = plain(row);
    return {w * cell.g, w * cell.h};
  }
};

// Gradients of all targets and their scales, on the device.
struct QuantisedTargets {
  const float* g = nullptr;  // [target][row]
  const float* h = nullptr;
  const std::uint32_t* weights = nullptr;
  const Quantiser* scales = nullptr;  // [target][kPrecisions]
  std::int64_t n_rows = 0;

  PYGBT_KERNEL QuantisedRows rows(std::int32_t target, Precision precision) const {
    return {g + target * n_rows, h + target * n_rows, weights,
            scales[target * kPrecisions + static_cast<int>(precision)]};
  }
};

// Means over all rows of sums of a target's narrow integers.
struct NarrowMeans {
  const Quantiser* scales;  // [target][kPrecisions]
  double weight_unit;
  double weight;  // of all rows

  PYGBT_KERNEL double g(std::int32_t target, std::int64_t sum) const {
    return static_cast<double>(sum) * (weight_unit / narrow(target).g_scale) / weight;
  }
  PYGBT_KERNEL double h(std::int32_t target, std::int64_t sum) const {
    return static_cast<double>(sum) * (weight_unit / narrow(target).h_scale) / weight;
  }
  PYGBT_KERNEL const Quantiser& narrow(std::int32_t target) const {
    return scales[target * kPrecisions + static_cast<int>(Precision::kNarrow)];
  }
};

// Adds what the threads of a block have summed up. scratch: shared [warps of the block].
PYGBT_KERNEL void add_up(const DrawnSums& mine, std::int64_t* scratch, DrawnSums* to) {
  const DrawnSums sum{block_sum(mine.g, scratch), block_sum(mine.magnitude, scratch), block_sum(mine.h, scratch),
                      block_sum(mine.weight, scratch)};
  if (thread() != 0) return;
  add(&to->g, sum.g);
  add(&to->magnitude, sum.magnitude);
  add(&to->h, sum.h);
  add(&to->weight, sum.weight);
}

}  // namespace pygbt::device
