// SPDX-License-Identifier: Apache-2.0
// Areas under the ROC and precision-recall curves as exact sums over groups of rows of equal score. Labels may lie in
// [0, 1]: a soft label counts as positive and negative weight, in steps of 2^-16. Shared by host and device.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "base/types.h"
#include "math/exact_piece.h"
#include "math/metric_terms.h"
#include "math/order_key.h"

namespace pygbt {

inline constexpr std::uint64_t kLabelUnits = 65536;

enum class RankCurve { kRoc, kPrecisionRecall };

// A row of one target.
struct RankedRow {
  std::uint32_t key = 0;     // in the order of the scores
  std::uint32_t weight = 0;  // fixed point
  std::uint32_t label = 0;   // in 1 / kLabelUnits
  bool bad_label = false;    // outside [0, 1]
  bool bad_score = false;    // not finite
};

// Positive and negative weight of some rows, in 1 / kLabelUnits; sums stay below 2^62.
struct RankWeights {
  std::uint64_t positive = 0;
  std::uint64_t negative = 0;

  PYGBT_HD RankWeights& operator+=(const RankWeights& other) {
    positive += other.positive;
    negative += other.negative;
    return *this;
  }
  PYGBT_HD void add(std::uint32_t weight, std::uint32_t label) {
    positive += std::uint64_t{weight} * label;
    negative += std::uint64_t{weight} * (kLabelUnits - label);
  }
};

// row.values are read where the link is softmax: margins of a class compare only within a row, probabilities also
// between rows. Rows without weight or label are neither good nor bad.
PYGBT_HD RankedRow ranked_row(const RowShape& shape, const MetricRow& row, std::int32_t target, std::uint32_t weight) {
  RankedRow out;
  if (weight == 0) return out;
  const float score = shape.link == Link::kSoftmax ? row.values[target] : row.margins[target];
  const double label = shape.label(row.labels, target);
  if (label != label) return out;
  out.bad_label = !(label >= 0.0 && label <= 1.0);
  out.bad_score = !is_finite_f32(score);
  if (out.bad_label || out.bad_score) return out;
  out.key = order_key(score);
  out.weight = weight;
  out.label = static_cast<std::uint32_t>(label * static_cast<double>(kLabelUnits) + 0.5);
  return out;
}

// What a group adds to twice the weight of well-ordered pairs (positive above negative, ties one half); the sum over
// groups is < 2^126. before: all groups of lower score.
PYGBT_HD UInt128 ordered_pairs(const RankWeights& group, const RankWeights& before) {
  return static_cast<UInt128>(group.positive) * (2 * before.negative + group.negative);
}

// What a group adds to the average precision: precision down to it times the recall it gains. all: of all groups.
PYGBT_HD double precision_gain(const RankWeights& group, const RankWeights& before, const RankWeights& all) {
  if (group.positive == 0) return 0.0;
  const std::uint64_t taken_positive = all.positive - before.positive;
  const std::uint64_t taken = taken_positive + (all.negative - before.negative);
  const double precision = static_cast<double>(taken_positive) / static_cast<double>(taken);
  return precision * (static_cast<double>(group.positive) / static_cast<double>(all.positive));
}

// Of all groups of one target.
struct RankSums {
  std::int64_t bad_labels = 0;  // rows; with any of these two, the rest means nothing
  std::int64_t bad_scores = 0;
  RankWeights all;
  UInt128 ordered = 0;   // kRoc: sum of ordered_pairs
  ExactLimbs precision;  // kPrecisionRecall: sum of precision_gain
};

}  // namespace pygbt
