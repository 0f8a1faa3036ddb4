// SPDX-License-Identifier: Apache-2.0
#include "boost/metric.h"

#include <array>
#include <charconv>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "boost/host_rows.h"
#include "boost/labels.h"
#include "boost/metric_rows.h"

namespace pygbt {
namespace {

// The objectives a metric has a meaning for; kAny includes custom, and so do all others.
enum class Fits { kAny, kLogMean, kLogit, kClasses, kArgmax, kQueries };

struct Metric {
  std::string_view name;
  MetricFunction evaluate;
  bool larger_is_better;
  Fits fits;
};

constexpr std::array<Metric, 17> kMetrics = {{
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
    {"ndcg", metric_ndcg, true, Fits::kQueries},
    {"map", metric_map, true, Fits::kQueries},
    {"mrr", metric_mrr, true, Fits::kQueries},
}};

// "ndcg@5" is ndcg and 5, "ndcg" is ndcg and 0.
std::pair<std::string, std::int32_t> name_and_cutoff(const std::string& name) {
  const std::size_t at = name.find('@');
  if (at == std::string::npos) return {name, 0};
  std::int32_t first = 0;
  const char* const end = name.data() + name.size();
  const auto read = std::from_chars(name.data() + at + 1, end, first);
  require(read.ec == std::errc{} && read.ptr == end && first > 0,
          "eval_metric: '" + name + "' needs a positive integer after the @");
  return {name.substr(0, at), first};
}

const Metric& find_metric(const std::string& given) {
  const auto [name, first] = name_and_cutoff(given);
  std::string known;
  for (const Metric& metric : kMetrics) {
    if (metric.name == name) {
      require(first == 0 || metric.fits == Fits::kQueries, "eval_metric: " + name + " takes no @k; ndcg, map, mrr do");
      return metric;
    }
    known += (known.empty() ? "" : ", ") + std::string(metric.name);
  }
  throw InvalidArgument("eval_metric: no metric is called '" + given + "'; there are " + known);
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
    case Fits::kQueries:
      require(spec.n_targets == 1, refusal + "one output");
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
  check_query_labels(name_and_cutoff(name).first, spec, data, comm);
}

double metric_value(const std::string& name, const LossSpec& spec, ScoredRows& rows, const Dataset& data,
                    Communicator& comm, int n_threads) {
  return find_metric(name).evaluate(MetricRows{spec, rows, data, comm, name_and_cutoff(name).second, n_threads});
}

double evaluate_metric(const std::string& name, const LossSpec& spec, std::span<const float> margins,
                       const Dataset& data, Communicator& comm, int n_threads) {
  check_metric_labels(name, spec, data, comm);
  require(static_cast<std::int64_t>(margins.size()) == data.n_rows * spec.n_targets,
          "margins must hold one value for each row and target");
  HostRows rows(margins, data, comm, n_threads);
  return metric_value(name, spec, rows, data, comm, n_threads);
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
    case Objective::kLambdarank:
      return spec.rank.metric == LambdarankMetric::kMap ? "map" : "ndcg";
    case Objective::kRankPairwise:
    case Objective::kRankXendcg:
      return "ndcg";
    default:
      return "rmse";
  }
}

}  // namespace pygbt
