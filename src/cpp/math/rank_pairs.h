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

// What the arrays of RankScratch hold of a place.
struct Place {
  float value;  // label, or score of the teacher
  float gain;
  float discount;
  float share;
};

struct PairTerm {
  float target;
  float weight;
};

// The target of a pair by two labels; equal labels are no pair. Factors in place of branches, here and below: vectors.
PYGBT_HD PairTerm label_pair(const Place& i, const Place& j, float weight) {
  const float differ = i.value == j.value ? 0.0f : 1.0f;
  return {i.value > j.value ? 1.0f : 0.0f, differ * weight};
}

// What swapping two rows changes in the ndcg.
PYGBT_HD float ndcg_change(const Place& i, const Place& j, float inverse_ideal) {
  return std::fabs(i.gain - j.gain) * std::fabs(i.discount - j.discount) * inverse_ideal;
}

// constant + slope x: a choice between 1 and a term of x that needs no branch.
struct Line {
  float constant;
  float slope;
  PYGBT_HD float operator()(float x) const { return constant + slope * x; }
};

// What the weight of a pair is divided by, of the distance of its scores.
PYGBT_HD Line swap_distance(bool near_first) { return near_first ? Line{0.01f, 1.0f} : Line{1.0f, 0.0f}; }

// RankNet: labels alone.
struct LabelPairs {
  PYGBT_HD PairTerm operator()(const Place& i, const Place& j, float) const { return label_pair(i, j, 1.0f); }
};

// LambdaRank: what a swap changes in the ndcg, over `divisor` of |z_i - z_j|.
struct NdcgPairs {
  float inverse_ideal;
  Line divisor;
  PYGBT_HD PairTerm operator()(const Place& i, const Place& j, float distance) const {
    return label_pair(i, j, ndcg_change(i, j, inverse_ideal) / divisor(std::fabs(distance)));
  }
};

// ... in the average precision of rows with value > 0. gain: sum of 1 / place over the relevant places down to this
// one; discount: 1 / place; share: of relevant rows down to this place.
struct MapPairs {
  float inverse_relevant;
  Line divisor;
  PYGBT_HD PairTerm operator()(const Place& i, const Place& j, float distance) const {
    const float up = i.value > 0.0f ? 1.0f : 0.0f, down = j.value > 0.0f ? 1.0f : 0.0f;
    const float between = j.gain - down * j.discount - i.gain;
    const float at_i = i.share + (1.0f - up) * i.discount;
    const float change = std::fabs(at_i - j.share + between) * inverse_relevant;
    return {up, std::fabs(up - down) * (change / divisor(std::fabs(distance)))};
  }
};

// A teacher's probabilities from its scores over temperature; weight: of the change of the ndcg of its order.
struct TeacherPairs {
  float inverse_ideal;
  Line weight;
  PYGBT_HD PairTerm operator()(const Place& i, const Place& j, float) const {
    return {sigmoid_f32(i.value - j.value), weight(ndcg_change(i, j, inverse_ideal))};
  }
};

// s.g and s.h [m] += those of the pairs (i, j) of places i < first, j > i. Returns the sum of |g| over pairs. The pairs of
// a place come first, side by side, which compilers make vectors of; then their sums, in order.
template <class Pairs>
PYGBT_HD double add_pairs(const Pairs pairs, const RankScratch& s, std::int32_t first, std::int32_t m) {
  const float* const z = s.z;
  const float* const value = s.value;
  const float* const gain = s.gain;
  const float* const discount = s.discount;
  const float* const share = s.share;
  float* const g = s.g;
  float* const h = s.h;
  float* const pair_g = s.pair_g;
  float* const pair_h = s.pair_h;
  double total = 0.0;
  for (std::int32_t i = 0; i < first; ++i) {
    const Place above{value[i], gain[i], discount[i], share[i]};
    const float z_i = z[i];
    for (std::int32_t j = i + 1; j < m; ++j) {
      const float distance = z_i - z[j];
      const PairTerm term = pairs(above, {value[j], gain[j], discount[j], share[j]}, distance);
      const GradHess cell = logistic_cell(distance, term.target, term.weight);
      pair_g[j] = cell.g;
      pair_h[j] = cell.h;
    }
    for (std::int32_t j = i + 1; j < m; ++j) {
      g[j] -= pair_g[j];
      h[j] += pair_h[j];
    }
    float g_i = g[i], h_i = h[i];
    for (std::int32_t j = i + 1; j < m; ++j) {
      g_i += pair_g[j];
      h_i += pair_h[j];
      total += static_cast<double>(std::fabs(pair_g[j]));
    }
    g[i] = g_i;
    h[i] = h_i;
  }
  return total;
}

}  // namespace pygbt
