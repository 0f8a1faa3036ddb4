// SPDX-License-Identifier: Apache-2.0
// Areas under the ROC and precision-recall curves by integer counting over groups of equal scores. With several
// targets: each target against the rest, mean over targets.
#include <limits>

#include "boost/labels.h"
#include "boost/metric_rows.h"

namespace pygbt {
namespace {

double not_a_number() { return std::numeric_limits<double>::quiet_NaN(); }

// Probability that a positive scores above a negative, ties one half.
double roc_area(const RankSums& sums) {
  const RankWeights& all = sums.all;
  if (all.positive == 0 || all.negative == 0) return not_a_number();
  return static_cast<double>(sums.ordered) /
         (2.0 * static_cast<double>(all.positive) * static_cast<double>(all.negative));
}

// Average precision: the sum over descending scores of precision times the recall gained, without interpolation.
double average_precision(const RankSums& sums) {
  return sums.all.positive == 0 ? not_a_number() : ExactSum(sums.precision).value();
}

template <class Area>
double mean_over_targets(const MetricRows& rows, RankCurve curve, Area&& area) {
  double sum = 0.0;
  for (std::int32_t k = 0; k < rows.n_targets(); ++k) {
    const RankSums sums = rows.rows.rank_sums(rows.shape(), k, curve);
    agree_on_argument(rows.comm, sums.bad_labels > 0 ? "label: auc and aucpr need labels in [0, 1]" : "");
    sum += sums.bad_scores > 0 ? not_a_number() : area(sums);
  }
  return sum / rows.n_targets();
}

}  // namespace

double metric_auc(const MetricRows& rows) { return mean_over_targets(rows, RankCurve::kRoc, roc_area); }

double metric_aucpr(const MetricRows& rows) {
  return mean_over_targets(rows, RankCurve::kPrecisionRecall, average_precision);
}

}  // namespace pygbt
