// SPDX-License-Identifier: Apache-2.0
// Constants of the ranking losses, and what they see of one query. Part of LossSpec; rank_loss.h has the formulas.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "math/explog.h"
#include "params/params.gen.h"

namespace pygbt {

struct RankSpec {
  LambdarankMetric metric = LambdarankMetric::kNdcg;
  LambdarankGain gain = LambdarankGain::kExponential;
  std::int32_t truncation = 30;  // first rows that are compared with all after them; 0 = all
  bool normalize = true;
  RankTeacher teacher = RankTeacher::kListnet;
  RankTeacherWeight place_weight = RankTeacherWeight::kUniform;
  std::int32_t teacher_top = 10;  // places of the teacher's order; 0 = all
  float decay = 1.0f;             // the constant of place_weight
  float negatives = 1.0f;         // share of the rows beyond teacher_top
  float alpha = 0.5f;             // weight of the teacher where a query has labels, too
  float temperature = 1.0f;       // of its scores
  std::uint64_t seed = 0;
  std::uint32_t iteration = 0;  // of the gradients: keys draws
};

PYGBT_HD bool is_ranking(Objective objective) {
  return objective == Objective::kLambdarank || objective == Objective::kRankPairwise ||
         objective == Objective::kRankXendcg;
}

// How the teacher's loss is mixed into that of a query: (1 - alpha) hard + alpha soft, teacher scores over temperature.
struct RankMix {
  float alpha = 0.5f;
  float temperature = 1.0f;
};

// The rows of one query. A row whose label (teacher score) is NaN is in no list of labels (of the teacher), one of
// weight 0 in none at all.
struct QueryRows {
  const float* scores = nullptr;           // [n]
  const float* labels = nullptr;           // [n], nullptr = none
  const float* teacher = nullptr;          // [n], nullptr = none
  const std::uint32_t* weights = nullptr;  // [n], nullptr = all 1
  std::uint64_t first_row = 0;             // global number of row 0: keys draws
  std::int32_t n = 0;

  PYGBT_HD bool counts(std::int32_t row) const { return weights == nullptr || weights[row] != 0; }
};

// Memory of one query, [n] each: rows of a list side by side.
struct RankScratch {
  std::uint64_t* keys;  // of the order; the low half is the row
  double* sums;
  float* z;          // scores of the student
  float* value;      // labels, or scores of the teacher
  float* gain;       // of the labels, or relevance by place
  float* discount;   // of the place
  float* share;      // of the rows down to the place that are relevant; in the memory of sums
  float* g;          // what the list adds to the rows' gradients
  float* h;
  float* pair_g;     // of the pairs of one row
  float* pair_h;

  static constexpr std::int64_t kBytes = 16 + 8 * sizeof(float);  // a row

  PYGBT_HD std::int32_t row(std::int32_t at) const { return static_cast<std::int32_t>(keys[at] & 0xffffffffu); }
  // memory: kBytes for each of n rows, aligned to 8.
  PYGBT_HD static RankScratch of(void* memory, std::int64_t n) {
    RankScratch s;
    s.keys = static_cast<std::uint64_t*>(memory);
    s.sums = reinterpret_cast<double*>(s.keys + n);
    s.share = reinterpret_cast<float*>(s.sums);
    s.z = reinterpret_cast<float*>(s.sums + n);
    s.value = s.z + n;
    s.gain = s.value + n;
    s.discount = s.gain + n;
    s.g = s.discount + n;
    s.h = s.g + n;
    s.pair_g = s.h + n;
    s.pair_h = s.pair_g + n;
    return s;
  }
};

inline constexpr float kMostRelevance = 31.0f;  // of exponential gains

// Gain of a relevance y >= 0; 2^y - 1 is exact for integers.
PYGBT_HD double relevance_gain(double y, LambdarankGain gain) {
  if (gain == LambdarankGain::kLinear) return y;
  const auto whole = static_cast<std::int32_t>(y);
  const double part = y - static_cast<double>(whole);
  return static_cast<double>(std::uint64_t{1} << whole) * exp_f64(part * 0x1.62e42fefa39efp-1) - 1.0;
}

}  // namespace pygbt
