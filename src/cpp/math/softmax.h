// SPDX-License-Identifier: Apache-2.0
// Softmax cross entropy of one row: K coupled margins, class id or probabilities as the label, and the choice of
// curvature. Float32, sums in class order, called by backends; explog.h arithmetic, so the same bits everywhere.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/host_device.h"
#include "math/explog.h"
#include "math/losses.h"

namespace pygbt {

// What softmax_hessian="auto" means, the only place that decides it: K/(K-1) p(1-p), chosen by held-out loss
// (docs/decisions/0006-softmax-curvature.md). It does not vanish with the gradient, so soft labels do not stall.
inline constexpr SoftmaxHessian kDefaultSoftmaxHessian = SoftmaxHessian::kKFactor;

PYGBT_HD SoftmaxHessian resolve_hessian(SoftmaxHessian hessian) {
  return hessian == SoftmaxHessian::kAuto ? kDefaultSoftmaxHessian : hessian;
}

// Curvature of one class from p, its complement c = 1 - p and the target q. `k_factor` is K / (K - 1).
PYGBT_HD float softmax_curvature(float p, float c, float q, SoftmaxHessian hessian, float k_factor) {
  float h = p * c;
  if (hessian == SoftmaxHessian::kGershgorin) h = 2.0f * h;
  if (hessian == SoftmaxHessian::kKFactor) h = k_factor * h;
  if (hessian == SoftmaxHessian::kSoft) h = (1.0f - q) * p + q * c;
  return h < kMinHessian ? kMinHessian : h;
}

// Gradient and curvature of one class from p, its complement c and the target q: g = (1 - q) p - q c, so |g| <= h under
// the rule `soft`, bit for bit.
PYGBT_HD GradHess softmax_cell(float p, float c, float q, SoftmaxHessian hessian, float k_factor) {
  return {(1.0f - q) * p - q * c, softmax_curvature(p, c, q, hessian, k_factor)};
}

PYGBT_HD float softmax_k_factor(std::int32_t k_classes) {
  return static_cast<float>(k_classes) / static_cast<float>(k_classes - 1);
}

// Target of class k: labels [K] probabilities (soft) or [1] class id.
PYGBT_HD float softmax_target(const float* labels, bool soft, std::int32_t k) {
  return soft ? labels[k] : (labels[0] == static_cast<float>(k) ? 1.0f : 0.0f);
}

// Probabilities of a row, those of scores * factor: a softmax at temperature 1 / factor. p[k * stride]. Returns the index
// of the first largest score and, in `rest`, the probability of all other classes, which 1 - p would lose to rounding.
// `p` may be `scores` when stride is 1.
PYGBT_HD std::int32_t tempered_softmax_row(const float* scores, std::int32_t k_classes, float factor, float* p,
                                           std::ptrdiff_t stride, float* rest) {
  std::int32_t top = 0;
  for (std::int32_t k = 1; k < k_classes; ++k) top = scores[k] > scores[top] ? k : top;
  const float shift = scores[top];
  float others = 0.0f;
  for (std::int32_t k = 0; k < k_classes; ++k) {
    const float e = exp_f32((scores[k] - shift) * factor);
    p[k * stride] = e;
    others += k == top ? 0.0f : e;
  }
  const float scale = 1.0f / (1.0f + others);
  for (std::int32_t k = 0; k < k_classes; ++k) p[k * stride] *= scale;
  *rest = others * scale;
  return top;
}

PYGBT_HD std::int32_t softmax_row(const float* scores, std::int32_t k_classes, float* p, std::ptrdiff_t stride,
                                  float* rest) {
  return tempered_softmax_row(scores, k_classes, 1.0f, p, stride, rest);
}

// g and h of one row, unweighted, at g[k * stride] and h[k * stride]. `hessian` is resolved (not kAuto).
PYGBT_HD void softmax_gradient(const float* scores, const float* labels, bool soft, std::int32_t k_classes,
                               SoftmaxHessian hessian, float* g, float* h, std::ptrdiff_t stride) {
  float rest = 0.0f;
  const std::int32_t top = softmax_row(scores, k_classes, g, stride, &rest);
  const float k_factor = softmax_k_factor(k_classes);
  for (std::int32_t k = 0; k < k_classes; ++k) {
    const float p = g[k * stride];
    const float c = k == top ? rest : 1.0f - p;
    const GradHess cell = softmax_cell(p, c, softmax_target(labels, soft, k), hessian, k_factor);
    g[k * stride] = cell.g;
    h[k * stride] = cell.h;
  }
}

// Cross entropy -sum q log p of one row in float64, for tests and the metric mlogloss.
template <class Score>
PYGBT_HD double softmax_loss(const Score* scores, const float* labels, bool soft, std::int32_t k_classes) {
  std::int32_t top = 0;
  for (std::int32_t k = 1; k < k_classes; ++k) top = scores[k] > scores[top] ? k : top;
  const double shift = static_cast<double>(scores[top]);
  double others = 0.0;
  for (std::int32_t k = 0; k < k_classes; ++k) {
    if (k != top) others += exp_f64(static_cast<double>(scores[k]) - shift);
  }
  const double log_sum = log_f64(1.0 + others);
  double loss = 0.0;
  for (std::int32_t k = 0; k < k_classes; ++k) {
    const float q = softmax_target(labels, soft, k);
    if (q > 0.0f) loss += static_cast<double>(q) * (log_sum - (static_cast<double>(scores[k]) - shift));
  }
  return loss;
}

}  // namespace pygbt
