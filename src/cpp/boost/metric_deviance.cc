// SPDX-License-Identifier: Apache-2.0
// Deviances of log-link objectives (twice the loss above that of a perfect prediction) and log losses of
// probabilities, all in float64 from the margins, so that no probability rounds to 0 or 1 on the way.
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "boost/metric_rows.h"

namespace pygbt {
namespace {

double x_log_x(double x) { return x > 0.0 ? x * log_f64(x) : 0.0; }

template <class Good>
void check_all_labels(const MetricRows& rows, Good&& good, const std::string& rule) {
  const bool fine = std::all_of(rows.data.labels.begin(), rows.data.labels.end(), good);
  agree_on_argument(rows.comm, fine ? "" : "label: the metric needs " + rule);
}

// Labels of a custom objective were not checked on the way in: every cell must satisfy `good`.
template <class Good>
void check_custom_labels(const MetricRows& rows, Good&& good, const std::string& rule) {
  if (rows.spec.objective == Objective::kCustom) check_all_labels(rows, good, rule);
}

// One label column holds class ids, several hold the probabilities of the classes.
bool soft_classes(const MetricRows& rows) {
  const auto n_classes = static_cast<float>(rows.n_targets());
  if (rows.data.n_labels > 1) return true;
  check_custom_labels(
      rows, [=](float y) { return y >= 0.0f && y < n_classes && y == std::floor(y); },
      "class numbers 0 .. " + std::to_string(rows.n_targets() - 1));
  return false;
}

}  // namespace

double metric_poisson_deviance(const MetricRows& rows) {
  check_custom_labels(rows, [](float y) { return y >= 0.0f; }, "values >= 0");
  return mean_over_cells(rows,
                         [](double z, double y, std::int32_t) { return 2.0 * (x_log_x(y) - y * z - y + exp_f64(z)); });
}

double metric_gamma_deviance(const MetricRows& rows) {
  check_all_labels(rows, [](float y) { return y > 0.0f; }, "values > 0");  // poisson and tweedie have zeros
  return mean_over_cells(
      rows, [](double z, double y, std::int32_t) { return 2.0 * (z - log_f64(y) + y * exp_f64(-z) - 1.0); });
}

double metric_tweedie_deviance(const MetricRows& rows) {
  check_custom_labels(rows, [](float y) { return y >= 0.0f; }, "values >= 0");
  const double p = static_cast<double>(rows.spec.tweedie_power);
  const Tweedie tweedie{rows.spec.tweedie_power};
  return mean_over_cells(rows, [&](double z, double y, std::int32_t) {
    const double best = y > 0.0 ? exp_f64((2.0 - p) * log_f64(y)) / ((1.0 - p) * (2.0 - p)) : 0.0;
    return 2.0 * (best + tweedie.loss(z, y));
  });
}

double metric_logloss(const MetricRows& rows) {
  check_custom_labels(rows, [](float y) { return y >= 0.0f && y <= 1.0f; }, "labels in [0, 1]");
  return mean_over_cells(rows, [](double z, double y, std::int32_t) { return LogisticLoss{1.0f}.loss(z, y); });
}

// Share of cells whose predicted class (margin > 0) is wrong; a soft label is wrong to the extent of the other class.
double metric_error(const MetricRows& rows) {
  check_custom_labels(rows, [](float y) { return y >= 0.0f && y <= 1.0f; }, "labels in [0, 1]");
  return mean_over_cells(rows, [](double z, double y, std::int32_t) { return z > 0.0 ? 1.0 - y : y; });
}

double metric_mlogloss(const MetricRows& rows) {
  const bool soft = soft_classes(rows);
  return weighted_mean(rows, [&](std::int64_t row) {
    return softmax_loss(rows.margins_of(row), rows.labels_of(row), soft, rows.n_targets());
  });
}

// Share of rows whose largest margin (the first of equal ones) is another class; for probabilities, 1 - that of the
// class predicted.
double metric_merror(const MetricRows& rows) {
  const bool soft = soft_classes(rows);
  return weighted_mean(rows, [&](std::int64_t row) {
    const float* margins = rows.margins_of(row);
    const float* labels = rows.labels_of(row);
    std::int32_t top = 0;
    for (std::int32_t k = 1; k < rows.n_targets(); ++k) {
      top = margins[k] > margins[top] ? k : top;
    }
    if (soft) return 1.0 - static_cast<double>(labels[top]);
    return labels[0] == static_cast<float>(top) ? 0.0 : 1.0;
  });
}

}  // namespace pygbt
