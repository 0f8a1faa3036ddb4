// SPDX-License-Identifier: Apache-2.0
// The queries of a data set on the host, one view each: for ranking gradients of the naive and CPU backends and for metrics.
#pragma once

#include <cstdint>
#include <span>

#include "data/dataset.h"
#include "math/losses.h"
#include "math/rank_spec.h"

namespace pygbt {

inline std::int64_t n_queries(const Dataset& data) {
  return data.group_begin.empty() ? 0 : static_cast<std::int64_t>(data.group_begin.size()) - 1;
}

// scores: [row] of one target.
inline QueryRows query_at(const Dataset& data, std::span<const float> scores, std::int64_t number) {
  const std::int64_t begin = data.group_begin[static_cast<std::size_t>(number)];
  QueryRows query;
  query.scores = scores.data() + begin;
  query.labels = data.labels.empty() ? nullptr : data.labels.data() + begin;
  query.teacher = data.teacher.empty() ? nullptr : data.teacher.data() + begin;
  query.weights = data.weights.empty() ? nullptr : data.weights.data() + begin;
  query.first_row = static_cast<std::uint64_t>(data.first_row + begin);
  query.n = static_cast<std::int32_t>(data.group_begin[static_cast<std::size_t>(number) + 1] - begin);
  return query;
}

// A query has one trust and one temperature (boost/queries.h sees to it).
inline RankMix rank_mix(const LossSpec& loss, const Dataset& data, std::int64_t number) {
  const auto begin = static_cast<std::size_t>(data.group_begin[static_cast<std::size_t>(number)]);
  RankMix mix{loss.rank.alpha, loss.rank.temperature};
  if (!data.teacher_trust.empty()) mix.alpha *= data.teacher_trust[begin];
  if (!data.teacher_temperature.empty()) mix.temperature *= data.teacher_temperature[begin];
  return mix;
}

}  // namespace pygbt
