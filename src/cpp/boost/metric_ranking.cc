// SPDX-License-Identifier: Apache-2.0
// ndcg, map and mrr: weighted means over queries of float64 values, summed exactly. A query weighs what its rows weigh on
// average. Wherever the scores lie, they are read on the host.
#include <cmath>
#include <string>
#include <vector>

#include "backend/query_rows.h"
#include "base/error.h"
#include "boost/exact_sum.h"
#include "boost/labels.h"
#include "boost/metric_rows.h"
#include "math/query_metrics.h"

namespace pygbt {
namespace {

bool is_query_metric(const std::string& metric) { return metric == "ndcg" || metric == "map" || metric == "mrr"; }

double mean_over_queries(const MetricRows& rows, QueryMetric metric) {
  std::vector<float> room;
  const std::span<const float> scores = rows.rows.host_margins(room);
  const auto sums = exact_sums(n_queries(rows.data), 2, rows.comm, rows.n_threads, [&](std::int64_t i, ExactSum* sum) {
    const QueryRows query = query_at(rows.data, scores, i);
    thread_local std::vector<std::uint64_t> keys;
    keys.resize(static_cast<std::size_t>(query.n));
    QueryValue found = query_value(metric, rows.spec.rank.gain, rows.first, query, keys.data());
    for (std::int32_t row = 0; row < query.n; ++row)
      if (query.counts(row) && !std::isfinite(query.scores[row])) found.value = std::nan("");
    sum[0].add(found.value, found.weight);
    sum[1].add(1.0, found.weight);
  });
  return sums[0].value() / sums[1].value();
}

}  // namespace

void check_query_labels(const std::string& metric, const LossSpec& spec, const Dataset& data, Communicator& comm) {
  if (!is_query_metric(metric)) return;
  std::string error;
  if (data.group_begin.empty())
    error = "group: the metric " + metric + " looks at queries; pass group= or qid= to the Dataset";
  else if (data.n_labels != 1)
    error = "label: the metric " + metric + " needs one relevance a row";
  const float most = spec.rank.gain == LambdarankGain::kExponential ? kMostRelevance : kLargestLabel;
  for (const float y : data.labels) {
    if (metric == "ndcg" && error.empty() && (y < 0.0f || y > most))
      error = "label: the metric ndcg needs relevance from 0 to " +
              std::string(most > kMostRelevance ? "1e30" : "31, for gains of 2^y - 1 (or lambdarank_gain='linear')");
  }
  agree_on_argument(comm, error);
}

double metric_ndcg(const MetricRows& rows) { return mean_over_queries(rows, QueryMetric::kNdcg); }

double metric_map(const MetricRows& rows) { return mean_over_queries(rows, QueryMetric::kMap); }

double metric_mrr(const MetricRows& rows) { return mean_over_queries(rows, QueryMetric::kMrr); }

}  // namespace pygbt
