// SPDX-License-Identifier: Apache-2.0
// Factors by which tasks count alike in the search for cuts: every task is divided by the mean magnitude of its gradients
// and by its mean hessian over the rows that have one, so that neither the unit of a label nor the size of a loss decides
// which task a cut serves. Weights count as before.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/host_device.h"

namespace pygbt {

// Targets [first, first + n) that share a factor.
struct BalancedTargets {
  std::int32_t first = 0;
  std::int32_t n = 0;
  float weight = 1.0f;  // of their task
  double live = 0.0;  // shares of the weight of all rows that have a gradient, summed over the targets
  bool operator==(const BalancedTargets&) const = default;
};

struct BalanceFactor {
  double g = 1.0;
  double h = 1.0;
};

// magnitude, hessian: means of |g| and h over all rows, summed over the targets in order.
PYGBT_HD BalanceFactor balance_factor(const BalancedTargets& of, double magnitude, double hessian) {
  if (!(magnitude > 0.0) || !(hessian > 0.0) || !(of.live > 0.0)) return {};
  return {std::sqrt(static_cast<double>(of.weight)) * of.live / magnitude, of.live / hessian};
}

}  // namespace pygbt
