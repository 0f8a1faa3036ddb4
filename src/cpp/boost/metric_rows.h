// SPDX-License-Identifier: Apache-2.0
// What every family of metrics sees, and the weighted mean they share. Internal to the metric_*.cc files.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "boost/exact_sum.h"
#include "boost/labels.h"
#include "comm/communicator.h"
#include "data/dataset.h"
#include "math/links.h"
#include "math/losses.h"

namespace pygbt {

struct MetricRows {
  const LossSpec& spec;
  std::span<const float> margins;  // [n_rows][n_targets]
  const Dataset& data;
  Communicator& comm;
  int n_threads;

  std::int32_t n_targets() const { return spec.n_targets; }
  const float* margins_of(std::int64_t row) const { return margins.data() + row * spec.n_targets; }
  const float* labels_of(std::int64_t row) const { return data.labels.data() + row * data.n_labels; }
  bool is_finite(std::int64_t row) const {
    return std::all_of(margins_of(row), margins_of(row) + n_targets(), [](float z) { return std::isfinite(z); });
  }
  // Label of one cell; class ids become one-hot.
  double label(std::int64_t row, std::int32_t target) const {
    return static_cast<double>(elementwise_label(labels_of(row), data.n_labels, target, has_class_ids(spec, data)));
  }
};

// Weighted mean of f(row), exact up to one rounding of the sum and one of the division; NaN if a margin is not finite.
template <class F>
double weighted_mean(const MetricRows& rows, F&& f) {
  const Dataset& data = rows.data;
  const auto sums = exact_sums(data.n_rows, 2, rows.comm, rows.n_threads, [&](std::int64_t row, ExactSum* sum) {
    sum[0].add(rows.is_finite(row) ? f(row) : std::numeric_limits<double>::quiet_NaN(), data.weight(row));
    sum[1].add(1.0, data.weight(row));
  });
  return sums[0].value() / sums[1].value();
}

// Weighted mean over all cells of f(margin, label, target).
template <class F>
double mean_over_cells(const MetricRows& rows, F&& f) {
  const std::int32_t k_targets = rows.n_targets();
  const double mean = weighted_mean(rows, [&](std::int64_t row) {
    const float* margins = rows.margins_of(row);
    double sum = 0.0;
    for (std::int32_t k = 0; k < k_targets; ++k) sum += f(static_cast<double>(margins[k]), rows.label(row, k), k);
    return sum;
  });
  return mean / k_targets;
}

using MetricFunction = double (*)(const MetricRows&);

// On predicted values (the objective's link applied).
double metric_rmse(const MetricRows& rows);
double metric_mae(const MetricRows& rows);
double metric_mape(const MetricRows& rows);
double metric_r2(const MetricRows& rows);
double metric_quantile(const MetricRows& rows);
// On margins as log means.
double metric_poisson_deviance(const MetricRows& rows);
double metric_gamma_deviance(const MetricRows& rows);
double metric_tweedie_deviance(const MetricRows& rows);
// On margins as logits.
double metric_logloss(const MetricRows& rows);
double metric_error(const MetricRows& rows);
double metric_mlogloss(const MetricRows& rows);
double metric_merror(const MetricRows& rows);
// On the order of the rows.
double metric_auc(const MetricRows& rows);
double metric_aucpr(const MetricRows& rows);

}  // namespace pygbt
