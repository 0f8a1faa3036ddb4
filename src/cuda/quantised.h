// SPDX-License-Identifier: Apache-2.0
// Float gradients of a target as the integers that are summed. Included by kernels.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "math/quantise.h"

namespace pygbt::device {

// Scales of a target's integers.
struct Quantiser {
  double g_scale = 1.0;
  double h_scale = 1.0;
  std::int64_t g_limit = 0;
  std::int64_t h_limit = 0;
};

struct QuantisedRows {
  const float* g = nullptr;  // [row]
  const float* h = nullptr;
  const std::uint32_t* weights = nullptr;  // [row]; nullptr = all 1
  Quantiser scales;

  PYGBT_HD std::int64_t weight(std::int64_t row) const { return weights == nullptr ? 1 : weights[row]; }
  PYGBT_HD Cell plain(std::int64_t row) const {
    return {quantise_gradient(g[row], scales.g_scale, scales.g_limit),
            quantise_hessian(h[row], scales.h_scale, scales.h_limit)};
  }
  // (0, 0) for a row without weight, whatever its gradients.
  PYGBT_HD Cell weighted(std::int64_t row) const {
    const std::int64_t w = weight(row);
    if (w == 0) return {0, 0};
    const Cell cell = plain(row);
    return {w * cell.g, w * cell.h};
  }
};

}  // namespace pygbt::device
