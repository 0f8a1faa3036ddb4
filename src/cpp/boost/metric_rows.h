// SPDX-License-Identifier: Apache-2.0
// What every family of metrics sees, and the weighted mean they share. Internal to the metric_*.cc files.
#pragma once

#include <cstdint>
#include <string>

#include "backend/scored_rows.h"
#include "boost/exact_sum.h"
#include "comm/communicator.h"
#include "data/dataset.h"
#include "math/losses.h"

namespace pygbt {

struct MetricRows {
  const LossSpec& spec;
  ScoredRows& rows;
  const Dataset& data;
  Communicator& comm;
  std::int32_t first = 0;  // rows of a query that a metric of queries looks at; 0 = all
  int n_threads = 1;

  std::int32_t n_targets() const { return spec.n_targets; }
  RowShape shape() const;
  MetricTermSpec term(MetricTerm kind) const;
  double sum(const MetricTermSpec& term) const;  // of all workers, rounded once
  double total_weight() const;                   // of all workers, fixed point
  double labelled_weight() const;                // the same over (row, target) cells that have a label
};

// Weighted mean of a term, exact up to one rounding of the sum and one of the division; NaN if a margin is not finite.
double weighted_mean(const MetricRows& rows, MetricTerm term);
// The same over all (row, target) cells of a sum over targets.
double mean_over_cells(const MetricRows& rows, MetricTerm term);

// What a metric asks of the labels; throws InvalidArgument on every worker.
void check_deviance_labels(const std::string& metric, const LossSpec& spec, const Dataset& data, Communicator& comm);
void check_query_labels(const std::string& metric, const LossSpec& spec, const Dataset& data, Communicator& comm);

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
// On the order of the rows of each query.
double metric_ndcg(const MetricRows& rows);
double metric_map(const MetricRows& rows);
double metric_mrr(const MetricRows& rows);

}  // namespace pygbt
