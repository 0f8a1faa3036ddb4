// SPDX-License-Identifier: Apache-2.0
// The loss of one row of a boosted model, as the sum over rows that pruning compares.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "boost/labels.h"
#include "boost/metric.h"
#include "data/dataset.h"
#include "math/losses.h"
#include "math/metric_terms.h"
#include "math/softmax.h"

namespace pygbt {

// The loss that the objective minimises.
struct ObjectiveRow {
  const LossSpec& spec;
  std::int32_t n_labels;
  bool class_ids;

  double operator()(const MetricRow& row) const {
    if (spec.objective == Objective::kSoftmax)
      return softmax_loss(row.margins, row.labels, n_labels > 1, spec.n_targets);
    double sum = 0.0;
    for (std::int32_t k = 0; k < spec.n_targets; ++k) {
      const double y = static_cast<double>(elementwise_label(row.labels, n_labels, k, class_ids));
      sum += visit_loss(spec, k, [&](auto loss) { return loss.loss(static_cast<double>(row.margins[k]), y); });
    }
    return sum;
  }
};

inline MetricTerm additive_term(const std::string& metric) {
  static const std::vector<std::pair<std::string, MetricTerm>> kTerms = {
      {"rmse", MetricTerm::kSquare},
      {"mae", MetricTerm::kAbsolute},
      {"mape", MetricTerm::kRelative},
      {"quantile", MetricTerm::kPinball},
      {"logloss", MetricTerm::kLogLoss},
      {"error", MetricTerm::kError},
      {"mlogloss", MetricTerm::kSoftmaxLoss},
      {"merror", MetricTerm::kClassError},
      {"poisson_deviance", MetricTerm::kPoisson},
      {"gamma_deviance", MetricTerm::kGamma},
      {"tweedie_deviance", MetricTerm::kTweedie},
  };
  std::string known;
  for (const auto& [name, term] : kTerms) {
    if (name == metric) return term;
    known += (known.empty() ? "" : ", ") + name;
  }
  throw InvalidArgument("metric: '" + metric + "' is not a sum over rows, which pruning compares; those are " + known);
}

// f(functor of a MetricRow): the loss of the objective (metric ""), or what a row adds to a metric. Checks the labels.
template <class F>
auto visit_row_loss(const LossSpec& spec, const Dataset& data, const std::string& metric, F&& f) {
  check_labels(spec, data);
  const bool class_ids = has_class_ids(spec, data);
  if (metric.empty()) {
    require(spec.objective != Objective::kCustom,
            "metric: the model has a custom objective, whose loss the engine does not know; name a metric");
    require(!is_ranking(spec.objective), "metric: a ranking objective has no loss of a row; name a metric of rows");
    return f(ObjectiveRow{spec, data.n_labels, class_ids});
  }
  Solo solo;
  MetricTermSpec term;
  term.term = additive_term(metric);
  check_metric_labels(metric, spec, data, solo);
  term.shape = {spec.n_targets, data.n_labels, class_ids, link_of(spec.objective)};
  term.tweedie_power = spec.tweedie_power;
  term.levels = spec.quantile_alpha;
  const bool softmax = reads_softmax(term);
  return visit_term(term, term.levels.data(), [&](const auto& row_term) {
    return f([&](MetricRow row) {
      thread_local std::vector<float> values;
      if (softmax) {
        values.assign(row.margins, row.margins + spec.n_targets);
        apply_link(Link::kSoftmax, values.data(), spec.n_targets);
        row.values = values.data();
      }
      return contribution(row_term, row);
    });
  });
}

}  // namespace pygbt
