// SPDX-License-Identifier: Apache-2.0
// Losses of pairs of a query: sum over pairs of w_ij CE(P_ij, sigmoid(z_i - z_j)), P_ij the probability that row i belongs
// above row j. What a loss is follows from its pairs: a functor (place i, place j > i, z_i - z_j) -> (P, w) over places
// of a list. Called by rank_loss.h.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/host_device.h"
#include "math/losses.h"
#include "math/rank_order.h"
#include "math/rank_spec.h"

namespace pygbt {

// Gradient and curvature of w CE(target, sigmoid(z)); no cancellation in g where the sigmoid is near a target 0 or 1.
PYGBT_HD GradHess logistic_cell(float z, float target, float w) {
  const Logistic s = logistic_f32(z);
  return {w * ((1.0f - target) * s.p - target * s.q), w * (s.p * s.q)};
}

struct PairTerm {
  float target;
  float weight;
};

// The target of a pair by two labels; equal labels are no pair.
PYGBT_HD PairTerm label_pair(float yi, float yj, float weight) {
  return {yi > yj ? 1.0f : 0.0f, yi == yj ? 0.0f : weight};
}

// RankNet: labels alone.
struct LabelPairs {
  const float* y;  // [place]
  PYGBT_HD PairTerm operator()(std::int32_t i, std::int32_t j, float) const { return label_pair(y[i], y[j], 1.0f); }
};

// LambdaRank: what a swap of the two rows changes in the metric, over 0.01 + |z_i - z_j| if near_first.
struct NdcgPairs {
  const float* y;  // [place]
  const float* gain;  // [place]
  const float* discount;  // [place]
  float inverse_ideal;
  bool near_first;
  PYGBT_HD PairTerm operator()(std::int32_t i, std::int32_t j, float distance) const {
    float weight = std::fabs(gain[i] - gain[j]) * std::fabs(discount[i] - discount[j]) * inverse_ideal;
    if (near_first) weight = weight / (0.01f + std::fabs(distance));
    return label_pair(y[i], y[j], weight);
  }
};

// The average precision of rows with y > 0. reached: relevant rows down to a place; summed: sum of 1 / (place + 1) over
// relevant places down to it; inverse: 1 / (place + 1).
struct MapPairs {
  const float* y;
  const double* reached;
  const float* summed;
  const float* inverse;
  float inverse_relevant;
  bool near_first;
  PYGBT_HD PairTerm operator()(std::int32_t i, std::int32_t j, float distance) const {
    const bool up = y[i] > 0.0f, down = y[j] > 0.0f;
    const float between = summed[j] - (down ? inverse[j] : 0.0f) - summed[i];
    const float at_i = (static_cast<float>(reached[i]) + (up ? 0.0f : 1.0f)) * inverse[i];
    const float at_j = static_cast<float>(reached[j]) * inverse[j];
    float weight = std::fabs(at_i - at_j + between) * inverse_relevant;
    if (near_first) weight = weight / (0.01f + std::fabs(distance));
    return {up ? 1.0f : 0.0f, up == down ? 0.0f : weight};
  }
};

// A teacher's probabilities; t over temperature. gain and discount by its places, where a swap weighs.
struct TeacherPairs {
  const float* t;  // [place]
  const float* gain;
  const float* discount;
  float inverse_ideal;
  bool weighted;
  PYGBT_HD PairTerm operator()(std::int32_t i, std::int32_t j, float) const {
    const float weight =
        weighted ? std::fabs(gain[i] - gain[j]) * std::fabs(discount[i] - discount[j]) * inverse_ideal : 1.0f;
    return {sigmoid_f32(t[i] - t[j]), weight};
  }
};

// s.g and s.h [m] += those of the pairs (i, j) of places i < first, j > i. Returns the sum of |g| over pairs.
template <class Pairs>
PYGBT_HD double add_pairs(const Pairs& pairs, const RankScratch& s, std::int32_t first, std::int32_t m) {
  double total = 0.0;
  for (std::int32_t i = 0; i < first; ++i) {
    for (std::int32_t j = i + 1; j < m; ++j) {
      const float distance = s.z[i] - s.z[j];
      const PairTerm term = pairs(i, j, distance);
      const GradHess cell = logistic_cell(distance, term.target, term.weight);
      s.pair_g[j] = cell.g;
      s.pair_h[j] = cell.h;
    }
    float g = s.g[i], h = s.h[i];
    for (std::int32_t j = i + 1; j < m; ++j) {
      g += s.pair_g[j];
      h += s.pair_h[j];
      s.g[j] -= s.pair_g[j];
      s.h[j] += s.pair_h[j];
      total += static_cast<double>(std::fabs(s.pair_g[j]));
    }
    s.g[i] = g;
    s.h[i] = h;
  }
  return total;
}

}  // namespace pygbt
