// SPDX-License-Identifier: Apache-2.0
// Metrics of predicted values against labels of the same unit.
#include <cmath>
#include <limits>

#include "boost/metric_rows.h"

namespace pygbt {
namespace {

// Weighted mean over all cells of f(value, label, target), the objective's link applied to the margins.
template <class F>
double mean_over_values(const MetricRows& rows, F&& f) {
  const Link link = link_of(rows.spec.objective);
  if (link != Link::kSoftmax) {
    return mean_over_cells(rows, [&](double z, double y, std::int32_t k) { return f(link_value(link, z), y, k); });
  }
  const std::int32_t k_targets = rows.n_targets();
  const double mean = weighted_mean(rows, [&](std::int64_t row) {
    thread_local std::vector<float> values;
    values.assign(rows.margins_of(row), rows.margins_of(row) + k_targets);
    apply_link(link, values.data(), k_targets);
    double sum = 0.0;
    for (std::int32_t k = 0; k < k_targets; ++k) {
      sum += f(static_cast<double>(values[static_cast<std::size_t>(k)]), rows.label(row, k), k);
    }
    return sum;
  });
  return mean / k_targets;
}

}  // namespace

double metric_rmse(const MetricRows& rows) {
  return std::sqrt(mean_over_values(rows, [](double v, double y, std::int32_t) { return (v - y) * (v - y); }));
}

double metric_mae(const MetricRows& rows) {
  return mean_over_values(rows, [](double v, double y, std::int32_t) { return std::fabs(v - y); });
}

// |v - y| / max(|y|, 2^-52), as scikit-learn: a label 0 makes it huge rather than infinite.
double metric_mape(const MetricRows& rows) {
  return mean_over_values(rows, [](double v, double y, std::int32_t) {
    return std::fabs(v - y) / std::fmax(std::fabs(y), std::numeric_limits<double>::epsilon());
  });
}

// Pinball loss of each level, mean over levels; one level serves all targets.
double metric_quantile(const MetricRows& rows) {
  const auto& levels = rows.spec.quantile_alpha;
  const bool shared = levels.size() != static_cast<std::size_t>(rows.n_targets());
  return mean_over_values(rows, [&](double v, double y, std::int32_t k) {
    const double alpha = levels[shared ? 0 : static_cast<std::size_t>(k)];
    return v >= y ? (1.0 - alpha) * (v - y) : alpha * (y - v);
  });
}

// 1 - sum (v - y)^2 / sum (y - mean y)^2 of each target, mean over targets. A constant label gives 1 when every
// value hits it and else 0, as scikit-learn.
double metric_r2(const MetricRows& rows) {
  const Dataset& data = rows.data;
  const auto k_targets = static_cast<std::size_t>(rows.n_targets());
  const Link link = link_of(rows.spec.objective);
  const auto label_sums =
      exact_sums(data.n_rows, rows.n_targets() + 1, rows.comm, rows.n_threads, [&](std::int64_t row, ExactSum* sum) {
        for (std::int32_t k = 0; k < rows.n_targets(); ++k) sum[k].add(rows.label(row, k), data.weight(row));
        sum[k_targets].add(1.0, data.weight(row));
      });
  std::vector<double> means(k_targets);
  for (std::size_t k = 0; k < k_targets; ++k) means[k] = label_sums[k].value() / label_sums[k_targets].value();
  const auto squares =
      exact_sums(data.n_rows, 2 * rows.n_targets(), rows.comm, rows.n_threads, [&](std::int64_t row, ExactSum* sum) {
        thread_local std::vector<float> values;
        values.assign(rows.margins_of(row), rows.margins_of(row) + k_targets);
        if (link == Link::kSoftmax) apply_link(link, values.data(), rows.n_targets());
        for (std::size_t k = 0; k < k_targets; ++k) {
          const double y = rows.label(row, static_cast<std::int32_t>(k));
          const double residual = link_value(link, static_cast<double>(values[k])) - y;
          sum[2 * k].add(residual * residual, data.weight(row));
          sum[2 * k + 1].add((y - means[k]) * (y - means[k]), data.weight(row));
        }
      });
  double total = 0.0;
  for (std::size_t k = 0; k < k_targets; ++k) {
    const double residual = squares[2 * k].value();
    const double spread = squares[2 * k + 1].value();
    if (residual != residual) return residual;
    total += spread > 0.0 ? 1.0 - residual / spread : (residual == 0.0 ? 1.0 : 0.0);
  }
  return total / static_cast<double>(k_targets);
}

}  // namespace pygbt
