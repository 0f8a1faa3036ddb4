// SPDX-License-Identifier: Apache-2.0
// Metrics of predicted values against labels of the same unit, and the means that all families share.
#include <cmath>
#include <vector>

#include "boost/labels.h"
#include "boost/metric_rows.h"

namespace pygbt {

RowShape MetricRows::shape() const {
  return {spec.n_targets, data.n_labels, has_class_ids(spec, data), link_of(spec.objective)};
}

MetricTermSpec MetricRows::term(MetricTerm kind) const {
  MetricTermSpec term;
  term.term = kind;
  term.shape = shape();
  term.tweedie_power = spec.tweedie_power;
  term.levels = spec.quantile_alpha;
  return term;
}

double MetricRows::sum(const MetricTermSpec& term) const {
  ExactSum sum(rows.sum(term));
  sum.allreduce(comm);
  return sum.value();
}

double MetricRows::total_weight() const {
  auto total = static_cast<std::int64_t>(data.total_weight);
  comm.allreduce_sum({&total, 1});
  return static_cast<double>(total);
}

double MetricRows::labelled_weight() const { return sum(term(MetricTerm::kLabels)); }

double weighted_mean(const MetricRows& rows, MetricTerm term) {
  if (rows.data.labels_missing) return rows.sum(rows.term(term)) / (rows.labelled_weight() / rows.n_targets());
  return rows.sum(rows.term(term)) / rows.total_weight();
}

double mean_over_cells(const MetricRows& rows, MetricTerm term) {
  if (rows.data.labels_missing) return rows.sum(rows.term(term)) / rows.labelled_weight();
  return weighted_mean(rows, term) / rows.n_targets();
}

double metric_rmse(const MetricRows& rows) { return std::sqrt(mean_over_cells(rows, MetricTerm::kSquare)); }

double metric_mae(const MetricRows& rows) { return mean_over_cells(rows, MetricTerm::kAbsolute); }

double metric_mape(const MetricRows& rows) { return mean_over_cells(rows, MetricTerm::kRelative); }

// Pinball loss of each level, mean over levels; one level serves all targets.
double metric_quantile(const MetricRows& rows) { return mean_over_cells(rows, MetricTerm::kPinball); }

// 1 - sum (v - y)^2 / sum (y - mean y)^2 of each target, mean over targets. A constant label gives 1 when every
// value hits it and else 0, as scikit-learn.
double metric_r2(const MetricRows& rows) {
  double weight = rows.total_weight();
  double total = 0.0;
  for (std::int32_t k = 0; k < rows.n_targets(); ++k) {
    MetricTermSpec term = rows.term(MetricTerm::kHasLabel);
    term.target = k;
    if (rows.data.labels_missing) weight = rows.sum(term);
    term.term = MetricTerm::kLabel;
    term.mean = rows.sum(term) / weight;
    term.term = MetricTerm::kResidual;
    const double residual = rows.sum(term);
    if (residual != residual) return residual;
    term.term = MetricTerm::kSpread;
    const double spread = rows.sum(term);
    total += spread > 0.0 ? 1.0 - residual / spread : (residual == 0.0 ? 1.0 : 0.0);
  }
  return total / static_cast<double>(rows.n_targets());
}

}  // namespace pygbt
