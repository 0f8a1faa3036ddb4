// SPDX-License-Identifier: Apache-2.0
// Losses of a whole query: cross entropy of its softmax (ListNet, XE-NDCG), likelihood of an order (ListMLE), and rows one
// by one (the teacher's first ones as positives). Each sets s.g and s.h of a list of m rows with scores s.z. Called by
// rank_loss.h.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "base/rng.h"
#include "math/explog.h"
#include "math/rank_order.h"
#include "math/rank_pairs.h"
#include "math/rank_spec.h"
#include "math/softmax.h"

namespace pygbt {

// -sum q log softmax(z): q [m] in s.value. g = p - q, h = p + q - 2 p q.
PYGBT_HD void softmax_list(const RankScratch& s, std::int32_t m) {
  float rest = 0.0f;
  const std::int32_t top = softmax_row(s.z, m, s.g, 1, &rest);
  for (std::int32_t i = 0; i < m; ++i) {
    const float p = s.g[i];
    const float c = i == top ? rest : 1.0f - p;
    const GradHess cell = softmax_cell(p, c, s.value[i], SoftmaxHessian::kSoft, 1.0f);
    s.g[i] = cell.g;
    s.h[i] = cell.h;
  }
}

// q of XE-NDCG (Bruch 2021): 2^y - u over its sum, u uniform in [0, 1) and drawn anew for each row and iteration; here
// gain(y) + 1 - u. From labels in s.value, in their place.
PYGBT_HD void draw_relevance(const RankSpec& spec, const QueryRows& query, const RankScratch& s, std::int32_t m) {
  float sum = 0.0f;
  for (std::int32_t i = 0; i < m; ++i) {
    const std::uint32_t bits = random_bits(spec.seed, Draw::kRelevance, spec.iteration,
                                           query.first_row + static_cast<std::uint64_t>(s.row(i)));
    const double u = static_cast<double>(bits) * 0x1p-32;
    s.value[i] = static_cast<float>(relevance_gain(static_cast<double>(s.value[i]), spec.gain) + (1.0 - u));
    sum += s.value[i];
  }
  for (std::int32_t i = 0; i < m; ++i) s.value[i] /= sum;
}

// Weight of the place `at` = 0, 1, .. of a teacher's order, before a common factor.
PYGBT_HD float place_weight(const RankSpec& spec, std::int32_t at) {
  const float place = static_cast<float>(at + 1);
  if (spec.place_weight == RankTeacherWeight::kInverse) return 1.0f + spec.decay / place;
  if (spec.place_weight == RankTeacherWeight::kExponential) return exp_f32(-place / spec.decay);
  return 1.0f;
}

// The weights of the first `top` places into s.gain; exponential ones sum to 1.
PYGBT_HD void place_weights(const RankSpec& spec, const RankScratch& s, std::int32_t top) {
  float sum = 0.0f;
  for (std::int32_t r = 0; r < top; ++r) {
    s.gain[r] = place_weight(spec, r);
    sum += s.gain[r];
  }
  if (spec.place_weight != RankTeacherWeight::kExponential) return;
  for (std::int32_t r = 0; r < top; ++r) s.gain[r] = sum > 0.0f ? s.gain[r] / sum : 0.0f;
}

// -sum over the first `top` places r of w_r log(e^z_r / S_r), S_r = sum over places i >= r of e^z_i; w in s.gain.
// g = e^z A - w, h = e^z A - e^2z B with A, B = sums of w_i / S_i and w_i / S_i^2 over i <= r: float64 throughout.
PYGBT_HD void listmle(const RankScratch& s, std::int32_t top, std::int32_t m) {
  constexpr double kLeast = static_cast<double>(kMinHessian);
  float most = s.z[0];
  for (std::int32_t r = 1; r < m; ++r) most = s.z[r] > most ? s.z[r] : most;
  double sum = 0.0;
  for (std::int32_t r = m - 1; r >= 0; --r) {
    sum += exp_f64(static_cast<double>(s.z[r]) - static_cast<double>(most));
    s.sums[r] = sum;
  }
  double a = 0.0, b = 0.0;
  for (std::int32_t r = 0; r < m; ++r) {
    const double e = exp_f64(static_cast<double>(s.z[r]) - static_cast<double>(most));
    const double w = r < top ? static_cast<double>(s.gain[r]) : 0.0;
    a += w / s.sums[r];
    b += w / s.sums[r] / s.sums[r];
    const double h = e * a - e * e * b;
    s.g[r] = static_cast<float>(e * a - w);
    s.h[r] = static_cast<float>(h < kLeast ? kLeast : h);
  }
}

// The first `top` places are positives of weight s.gain, a drawn share of the others negatives.
PYGBT_HD void pointwise_list(const RankSpec& spec, const QueryRows& query, const RankScratch& s, std::int32_t top,
                             std::int32_t m) {
  const auto threshold = static_cast<std::uint64_t>(static_cast<double>(spec.negatives) * 0x1p32);
  for (std::int32_t r = 0; r < m; ++r) {
    float weight = r < top ? s.gain[r] : 1.0f;
    if (r >= top && random_bits(spec.seed, Draw::kNegative, spec.iteration,
                                query.first_row + static_cast<std::uint64_t>(s.row(r))) >= threshold)
      weight = 0.0f;
    const GradHess cell = logistic_cell(s.z[r], r < top ? 1.0f : 0.0f, weight);
    s.g[r] = cell.g;
    s.h[r] = cell.h;
  }
}

}  // namespace pygbt
