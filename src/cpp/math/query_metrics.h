// SPDX-License-Identifier: Apache-2.0
// Metrics of one query in float64: its rows in the order of their scores, equal scores in the order of the rows. Called by
// boost/metric_ranking.cc, which takes the exact mean over queries.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "math/rank_order.h"
#include "math/rank_spec.h"

namespace pygbt {

enum class QueryMetric { kNdcg, kMap, kMrr };

// The value of a query; `weight` 0: it does not count.
struct QueryValue {
  double value = 0.0;
  std::uint32_t weight = 0;  // mean of its rows' fixed-point weights, of those that are not 0
};

// sum over the first places of gain * discount, rows in the order of the keys.
PYGBT_HD double discounted_gain(const QueryRows& query, const std::uint64_t* keys, std::int32_t places,
                                LambdarankGain gain) {
  double sum = 0.0;
  for (std::int32_t at = 0; at < places; ++at) {
    const auto row = static_cast<std::int32_t>(keys[at] & 0xffffffffu);
    sum += relevance_gain(static_cast<double>(query.labels[row]), gain) * place_discount(at);
  }
  return sum;
}

// Rows of weight 0 and without a label are not in the query. keys: memory, [n]. first: places looked at, 0 = all.
//   ndcg  DCG of the first places over the best there is; 1 where that is 0
//   map   sum over relevant places of the share of relevant rows down to it, over min(first, relevant rows); 1 without any
//   mrr   1 / place of the first relevant row; 0 without any
// relevant: label above 0.
PYGBT_HD QueryValue query_value(QueryMetric metric, LambdarankGain gain, std::int32_t first, const QueryRows& query,
                                std::uint64_t* keys) {
  QueryValue out;
  std::int32_t m = 0, relevant = 0;
  std::uint64_t weight = 0;
  for (std::int32_t row = 0; row < query.n; ++row) {
    if (query.labels[row] != query.labels[row] || !query.counts(row)) continue;
    weight += query.weights == nullptr ? 1u : query.weights[row];
    relevant += query.labels[row] > 0.0f ? 1 : 0;
    keys[m++] = falling_key(metric == QueryMetric::kNdcg ? query.labels[row] : query.scores[row], row);
  }
  if (m == 0) return out;
  out.weight = static_cast<std::uint32_t>((weight + static_cast<std::uint64_t>(m) / 2) / static_cast<std::uint64_t>(m));
  const std::int32_t places = first_places(first, m);
  sort_keys(keys, m);
  if (metric == QueryMetric::kNdcg) {
    const double ideal = discounted_gain(query, keys, places, gain);
    out.value = 1.0;
    if (ideal <= 0.0) return out;
    for (std::int32_t at = 0; at < m; ++at) {
      const auto row = static_cast<std::int32_t>(keys[at] & 0xffffffffu);
      keys[at] = falling_key(query.scores[row], row);
    }
    sort_keys(keys, m);
    out.value = discounted_gain(query, keys, places, gain) / ideal;
    return out;
  }
  std::int32_t reached = 0;
  double sum = 0.0;
  for (std::int32_t at = 0; at < places; ++at) {
    if (!(query.labels[keys[at] & 0xffffffffu] > 0.0f)) continue;
    ++reached;
    if (metric == QueryMetric::kMrr) {
      out.value = 1.0 / static_cast<double>(at + 1);
      return out;
    }
    sum += static_cast<double>(reached) / static_cast<double>(at + 1);
  }
  if (metric == QueryMetric::kMap)
    out.value = relevant == 0 ? 1.0 : sum / static_cast<double>(relevant < places ? relevant : places);
  return out;
}

}  // namespace pygbt
