// SPDX-License-Identifier: Apache-2.0
// Click and conversion learned on all impressions (ESMM: Ma et al., SIGIR 2018): a = sigmoid(z1) of a click,
// b = sigmoid(z2) of a conversion given a click, r = a b of both; L = CE(click, a) + CE(click and conversion, r).
// A conversion label of a row without click is never read. The curvature is Fisher's: positive.
#pragma once

#include <cstddef>

#include "base/host_device.h"
#include "math/explog.h"
#include "math/losses.h"

namespace pygbt {

inline constexpr float kLeastNoConversion = 1e-6f;  // 1 - r stays above

// scores [2], labels [2]: click, conversion. A row without click label has no gradient; with a click and no conversion
// label it has that of the click alone.
PYGBT_HD void entire_space_gradient(const float* scores, const float* labels, float* g, float* h,
                                    std::ptrdiff_t stride) {
  const float y = labels[0];
  g[0] = g[stride] = h[0] = h[stride] = 0.0f;
  if (y != y) return;
  const Logistic a = logistic_f32(scores[0]);
  const Logistic b = logistic_f32(scores[1]);
  g[0] = (1.0f - y) * a.p - y * a.q;
  h[0] = a.p * a.q < kMinHessian ? kMinHessian : a.p * a.q;
  const float both = y == 0.0f ? 0.0f : y * labels[1];
  if (both != both) return;
  const float r = a.p * b.p;
  const float no = a.q + a.p * b.q;  // 1 - r without cancellation
  const float none = no < kLeastNoConversion ? kLeastNoConversion : no;
  const float pull = (r - both) / none;
  const float odds = r / none;
  g[0] += pull * a.q;
  g[stride] = pull * b.q;
  h[0] += odds * (a.q * a.q);
  const float own = odds * (b.q * b.q);
  h[stride] = own < kMinHessian ? kMinHessian : own;
}

// The loss in float64, for tests.
PYGBT_HD double entire_space_loss(const double* scores, const double* labels) {
  const double y = labels[0], both = y == 0.0 ? 0.0 : y * labels[1];
  const double a = 1.0 / (1.0 + exp_f64(-scores[0])), b = 1.0 / (1.0 + exp_f64(-scores[1]));
  const double r = a * b, none = (1.0 - a) + a * (1.0 - b);
  return y * softplus_f64(-scores[0]) + (1.0 - y) * softplus_f64(scores[0]) - both * log_f64(r) -
         (1.0 - both) * log_f64(none);
}

}  // namespace pygbt
