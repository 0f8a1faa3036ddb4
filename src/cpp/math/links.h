// SPDX-License-Identifier: Apache-2.0
// Margin to value and back. The link follows from the objective alone; predict, base scores and metrics share it.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "math/explog.h"
#include "math/losses.h"
#include "math/softmax.h"

namespace pygbt {

enum class Link { kIdentity, kSigmoid, kExp, kSoftmax };

constexpr Link link_of(Objective objective) {
  switch (objective) {
    case Objective::kPoisson:
    case Objective::kGamma:
    case Objective::kTweedie:
      return Link::kExp;
    case Objective::kLogistic:
    case Objective::kOneVsRest:
    case Objective::kEntireSpace:
      return Link::kSigmoid;
    case Objective::kSoftmax:
      return Link::kSoftmax;
    default:
      return Link::kIdentity;
  }
}

// Margins of one row to values, in place; the K targets of a row are coupled only by softmax.
PYGBT_HD void apply_link(Link link, float* row, std::int32_t n_targets) {
  float rest = 0.0f;
  switch (link) {
    case Link::kIdentity:
      break;
    case Link::kSigmoid:
      for (std::int32_t k = 0; k < n_targets; ++k) row[k] = sigmoid_f32(row[k]);
      break;
    case Link::kExp:
      for (std::int32_t k = 0; k < n_targets; ++k) row[k] = exp_f32(row[k]);
      break;
    case Link::kSoftmax:
      softmax_row(row, n_targets, row, 1, &rest);
      break;
  }
}

// One margin to its value in float64; softmax has no value of a single margin and passes it through.
PYGBT_HD double link_value(Link link, double margin) {
  if (link == Link::kExp) return exp_f64(margin);
  if (link != Link::kSigmoid) return margin;
  const double e = exp_f64(margin < 0.0 ? margin : -margin);
  return (margin < 0.0 ? e : 1.0) / (1.0 + e);
}

// Value to margin. sigmoid: 0 < value < 1; exp: value > 0; softmax: log of a class share > 0.
PYGBT_HD double inverse_link(Link link, double value) {
  if (link == Link::kIdentity) return value;
  const double log_value = log_f64(value);
  return link == Link::kSigmoid ? log_value - log_f64(1.0 - value) : log_value;
}

}  // namespace pygbt
