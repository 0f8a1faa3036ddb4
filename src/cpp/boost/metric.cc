// SPDX-License-Identifier: Apache-2.0
#include "boost/metric.h"

#include <array>
#include <string_view>

#include "base/error.h"
#include "boost/host_rows.h"
#include "boost/labels.h"
#include "boost/metric_rows.h"

namespace pygbt {
namespace {

// The objectives a metric has a meaning for; kAny includes custom, and so do all others.
enum class Fits { kAny, kLogMean, kLogit, kClasses, kArgmax };

struct Metric {
  std::string_view name;
  MetricFunction evaluate;
  bool larger_is_better;
  Fits fits;
};

constexpr std::array<Metric, 14> kMetrics = {{
    {"rmse", metric_rmse, false, Fits::kAny},
    {"mae", metric_mae, false, Fits::kAny},
    {"mape", metric_mape, false, Fits::kAny},
    {"logloss", metric_logloss, false, Fits::kLogit},
    {"error", metric_error, false, Fits::kLogit},
    {"auc", metric_auc, true, Fits::kAny},
    {"aucpr", metric_aucpr, true, Fits::kAny},
    {"mlogloss", metric_mlogloss, false, Fits::kClasses},
    {"merror", metric_merror, false, Fits::kArgmax},
    {"poisson_deviance", metric_poisson_deviance, false, Fits::kLogMean},
    {"gamma_deviance", metric_gamma_deviance, false, Fits::kLogMean},
    {"tweedie_deviance", metric_tweedie_deviance, false, Fits::kLogMean},
    {"quantile", metric_quantile, false, Fits::kAny},
    {"r2", metric_r2, true, Fits::kAny},
}};

const Metric& find_metric(const std::string& name) {
  std::string known;
  for (const Metric& metric : kMetrics) {
    if (metric.name == name) return metric;
    known += (known.empty() ? "" : ", ") + std::string(metric.name);
  }
  throw InvalidArgument("eval_metric: no metric is called '" + name + "'; there are " + known);
}

void require_fit(const Metric& metric, const LossSpec& spec) {
  const Objective objective = spec.objective;
  require(objective != Objective::kTasks,
          "eval_metric: several tasks have a metric each; pygbt.multitask.MultiTask evaluates them");
  const bool custom = objective == Objective::kCustom;
  const std::string refusal = "eval_metric: " + std::string(metric.name) + " has no meaning for objective '" +
                              objective_name(objective) + "'; it needs ";
  switch (metric.fits) {
    case Fits::kAny:
      return;
    case Fits::kLogMean:
      require(custom || link_of(objective) == Link::kExp, refusal + "poisson, gamma or tweedie");
      return;
    case Fits::kLogit:
      require(custom || link_of(objective) == Link::kSigmoid, refusal + "logistic or one_vs_rest (for softmax use " +
                                                                  (metric.name == "error" ? "merror" : "mlogloss") +
                                                                  ")");
      return;
    case Fits::kClasses:
    case Fits::kArgmax:
      require(
          (custom && spec.n_targets > 1) || objective == Objective::kSoftmax ||
              (metric.fits == Fits::kArgmax && objective == Objective::kOneVsRest),
          refusal + "several classes (for logistic use " + (metric.fits == Fits::kArgmax ? "error" : "logloss") + ")");
      return;
  }
}

}  // namespace

void check_metric_labels(const std::string& name, const LossSpec& spec, const Dataset& data, Communicator& comm) {
  require_fit(find_metric(name), spec);
  require(data.n_labels > 0, "label: the evaluation set has no labels");
  check_deviance_labels(name, spec, data, comm);
}

double metric_value(const std::string& name, const LossSpec& spec, ScoredRows& rows, const Dataset& data,
                    Communicator& comm) {
  return find_metric(name).evaluate(MetricRows{spec, rows, data, comm});
}

double evaluate_metric(const std::string& name, const LossSpec& spec, std::span<const float> margins,
                       const Dataset& data, Communicator& comm, int n_threads) {
  check_metric_labels(name, spec, data, comm);
  require(static_cast<std::int64_t>(margins.size()) == data.n_rows * spec.n_targets,
          "margins must hold one value for each row and target");
  HostRows rows(margins, data, comm, n_threads);
  return metric_value(name, spec, rows, data, comm);
}

void check_metric(const std::string& name, const LossSpec& spec) { require_fit(find_metric(name), spec); }

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const Metric& metric : kMetrics) names.emplace_back(metric.name);
  return names;
}

bool metric_larger_is_better(const std::string& name) { return find_metric(name).larger_is_better; }

std::string default_metric(const LossSpec& spec) {
  switch (spec.objective) {
    case Objective::kAbsoluteError:
    case Objective::kHuber:
      return "mae";
    case Objective::kQuantile:
      return "quantile";
    case Objective::kPoisson:
      return "poisson_deviance";
    case Objective::kGamma:
      return "gamma_deviance";
    case Objective::kTweedie:
      return "tweedie_deviance";
    case Objective::kLogistic:
    case Objective::kOneVsRest:
      return "logloss";
    case Objective::kSoftmax:
      return "mlogloss";
    default:
      return "rmse";
  }
}

}  // namespace pygbt
