// SPDX-License-Identifier: Apache-2.0
// Leaf weight and loss reduction from integer sums: float64, fixed operation order, the one place they are written.
// Second-order boosting with L2 (lambda), L1 (alpha) and a bounded step (Chen & Guestrin 2016, eq. 5 to 7).
#pragma once

#include "base/host_device.h"

namespace pygbt {

struct LeafRule {
  double lambda = 1.0;
  double alpha = 0.0;
  double max_step = 0.0;  // 0 = unlimited
};

// G shrunk towards 0 by alpha. Real here and below: double, or a vector of them.
template <class Real>
PYGBT_HD Real soft_threshold(Real g, double alpha) {
  return g > alpha ? g - alpha : (g < -alpha ? g + alpha : 0.0);
}

// Value that minimises G w + (H + lambda) w^2 / 2 + alpha |w| within the step bound.
PYGBT_HD double leaf_weight(double g, double h, const LeafRule& rule) {
  const double denominator = h + rule.lambda;
  if (!(denominator > 0.0)) return 0.0;
  double w = -soft_threshold(g, rule.alpha) / denominator;
  if (rule.max_step > 0.0) {
    if (w > rule.max_step) w = rule.max_step;
    if (w < -rule.max_step) w = -rule.max_step;
  }
  return w;
}

PYGBT_HD double clamp(double w, double lower, double upper) { return w < lower ? lower : (w > upper ? upper : w); }

// Twice the loss removed by giving a node the value w.
PYGBT_HD double gain_at(double g, double h, double w, const LeafRule& rule) {
  const double magnitude = w < 0.0 ? -w : w;
  return -(2.0 * g * w + (h + rule.lambda) * w * w) - 2.0 * rule.alpha * magnitude;
}

// Twice the loss removed by the best unbounded value: T(G)^2 / (H + lambda).
template <class Real>
PYGBT_HD Real gain_free(Real g, Real h, const LeafRule& rule) {
  const Real denominator = h + rule.lambda;
  const Real t = soft_threshold(g, rule.alpha);
  return denominator > 0.0 ? t * t / denominator : 0.0;
}

// A cut must beat rounding: sums of float64 gains agree to about 1e-15, and a node whose rows are all alike gains 0.
inline constexpr double kRelativeGainFloor = 1e-12;

}  // namespace pygbt
