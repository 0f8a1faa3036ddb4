// SPDX-License-Identifier: Apache-2.0
// Deviances of log-link objectives (twice the loss above that of a perfect prediction) and log losses of
// probabilities, all in float64 from the margins, so that no probability rounds to 0 or 1 on the way; and what they
// ask of labels that no objective has checked.
#include <algorithm>
#include <cmath>

#include "boost/labels.h"
#include "boost/metric_rows.h"

namespace pygbt {
namespace {

template <class Good>
void check_all(const Dataset& data, Communicator& comm, Good&& good, const std::string& rule) {
  const bool fine =
      std::all_of(data.labels.begin(), data.labels.end(), [&](float y) { return std::isnan(y) || good(y); });
  agree_on_argument(comm, fine ? "" : "label: the metric needs " + rule);
}

}  // namespace

void check_deviance_labels(const std::string& metric, const LossSpec& spec, const Dataset& data, Communicator& comm) {
  const auto n_classes = static_cast<float>(spec.n_targets);
  if (metric == "gamma_deviance")  // poisson and tweedie have zeros
    return check_all(data, comm, [](float y) { return y > 0.0f; }, "values > 0");
  if (spec.objective != Objective::kCustom) return;  // its labels were checked on the way in
  if (metric == "poisson_deviance" || metric == "tweedie_deviance")
    check_all(data, comm, [](float y) { return y >= 0.0f; }, "values >= 0");
  if (metric == "logloss" || metric == "error")
    check_all(data, comm, [](float y) { return y >= 0.0f && y <= 1.0f; }, "labels in [0, 1]");
  if ((metric == "mlogloss" || metric == "merror") && data.n_labels == 1)  // several columns: probabilities
    check_all(
        data, comm, [=](float y) { return y >= 0.0f && y < n_classes && y == std::floor(y); },
        "class numbers 0 .. " + std::to_string(spec.n_targets - 1));
}

double metric_poisson_deviance(const MetricRows& rows) { return mean_over_cells(rows, MetricTerm::kPoisson); }

double metric_gamma_deviance(const MetricRows& rows) { return mean_over_cells(rows, MetricTerm::kGamma); }

double metric_tweedie_deviance(const MetricRows& rows) { return mean_over_cells(rows, MetricTerm::kTweedie); }

double metric_logloss(const MetricRows& rows) { return mean_over_cells(rows, MetricTerm::kLogLoss); }

// Share of cells whose predicted class (margin > 0) is wrong.
double metric_error(const MetricRows& rows) { return mean_over_cells(rows, MetricTerm::kError); }

double metric_mlogloss(const MetricRows& rows) { return weighted_mean(rows, MetricTerm::kSoftmaxLoss); }

// Share of rows whose largest margin is another class.
double metric_merror(const MetricRows& rows) { return weighted_mean(rows, MetricTerm::kClassError); }

}  // namespace pygbt
