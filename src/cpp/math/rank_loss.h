// SPDX-License-Identifier: Apache-2.0
// Gradients of one query: (1 - alpha) times those of the labels + alpha times those of the teacher; the part that a query
// has not is left out, and the other counts fully. Scalar and sequential, in a fixed order: backends give each query to one
// thread. Float32 from explog.h.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "math/losses.h"
#include "math/rank_lists.h"
#include "math/rank_order.h"
#include "math/rank_pairs.h"
#include "math/rank_spec.h"

namespace pygbt {

// Keys of the rows that count and have a value (labels or teacher scores): by falling `by`, or, where it is nullptr, in
// their own order. Returns how many.
PYGBT_HD std::int32_t list_rows(const QueryRows& query, const float* values, const float* by, const RankScratch& s) {
  std::int32_t m = 0;
  for (std::int32_t row = 0; row < query.n; ++row) {
    if (values[row] != values[row] || !query.counts(row)) continue;
    s.keys[m++] = by == nullptr ? static_cast<std::uint64_t>(row) : falling_key(by[row], row);
  }
  if (by != nullptr) sort_keys(s.keys, m);
  return m;
}

// Scores and values of the listed rows; their gradients become 0.
PYGBT_HD void gather_list(const QueryRows& query, const float* values, float factor, const RankScratch& s,
                          std::int32_t m) {
  for (std::int32_t at = 0; at < m; ++at) {
    const std::int32_t row = s.row(at);
    s.z[at] = query.scores[row];
    s.value[at] = values[row] * factor;
    s.g[at] = s.h[at] = 0.0f;
  }
}

PYGBT_HD void give_list(const RankScratch& s, std::int32_t m, float factor, float* g, float* h) {
  for (std::int32_t at = 0; at < m; ++at) {
    g[s.row(at)] += factor * s.g[at];
    h[s.row(at)] += factor * s.h[at];
  }
}

// 1 / the discounted gain of the first `truncation` labels in their best order; 0 where that is 0.
PYGBT_HD float inverse_ideal_gain(const RankSpec& spec, const QueryRows& query, const RankScratch& s) {
  const std::int32_t m = list_rows(query, query.labels, query.labels, s);
  const std::int32_t places = first_places(spec.truncation, m);
  double ideal = 0.0;
  for (std::int32_t at = 0; at < places; ++at)
    ideal += relevance_gain(static_cast<double>(query.labels[s.row(at)]), spec.gain) * place_discount(at);
  return ideal > 0.0 ? static_cast<float>(1.0 / ideal) : 0.0f;
}

PYGBT_HD double add_ndcg_pairs(const RankSpec& spec, float inverse_ideal, const RankScratch& s, std::int32_t first,
                               std::int32_t m, bool near_first) {
  for (std::int32_t at = 0; at < m; ++at) {
    s.gain[at] = static_cast<float>(relevance_gain(static_cast<double>(s.value[at]), spec.gain));
    s.discount[at] = static_cast<float>(place_discount(at));
  }
  return add_pairs(NdcgPairs{inverse_ideal, swap_distance(near_first)}, s, first, m);
}

PYGBT_HD double add_map_pairs(const RankScratch& s, std::int32_t first, std::int32_t m, bool near_first) {
  double reached = 0.0, summed = 0.0;
  for (std::int32_t at = 0; at < m; ++at) {
    const double inverse = 1.0 / static_cast<double>(at + 1);
    const bool relevant = s.value[at] > 0.0f;
    reached += relevant ? 1.0 : 0.0;
    summed += relevant ? inverse : 0.0;
    s.share[at] = static_cast<float>(reached * inverse);
    s.gain[at] = static_cast<float>(summed);
    s.discount[at] = static_cast<float>(inverse);
  }
  const float inverse_relevant = reached > 0.0 ? static_cast<float>(1.0 / reached) : 0.0f;
  return add_pairs(MapPairs{inverse_relevant, swap_distance(near_first)}, s, first, m);
}

// What the labels ask for, times `share`.
PYGBT_HD void add_label_gradients(Objective objective, const RankSpec& spec, const QueryRows& query, float share,
                                  const RankScratch& s, float* g, float* h) {
  if (objective == Objective::kRankXendcg) {
    const std::int32_t m = list_rows(query, query.labels, nullptr, s);
    gather_list(query, query.labels, 1.0f, s, m);
    if (m < 2) return;
    draw_relevance(spec, query, s, m);
    softmax_list(s, m);
    give_list(s, m, share, g, h);
    return;
  }
  const bool lambda = objective == Objective::kLambdarank;
  const bool ndcg = spec.metric == LambdarankMetric::kNdcg;
  const float inverse_ideal = lambda && ndcg ? inverse_ideal_gain(spec, query, s) : 0.0f;
  const std::int32_t m = list_rows(query, query.labels, query.scores, s);
  gather_list(query, query.labels, 1.0f, s, m);
  const std::int32_t first = first_places(spec.truncation, m);
  if (m < 2) return;
  if (!lambda) {
    add_pairs(LabelPairs{}, s, first, m);
    give_list(s, m, share, g, h);
    return;
  }
  const bool near_first = spec.normalize && s.z[0] != s.z[m - 1];
  const double total = 2.0 * (ndcg ? add_ndcg_pairs(spec, inverse_ideal, s, first, m, near_first)
                                   : add_map_pairs(s, first, m, near_first));
  const double norm = spec.normalize && total > 0.0 ? log2_of(1.0 + total) / total : 1.0;
  give_list(s, m, share * static_cast<float>(norm), g, h);
}

// Pairs of the teacher's order. Weighted ones: relevance falls linearly with the place, from 1 to 0 at `first`.
PYGBT_HD void add_teacher_pairs(const RankSpec& spec, const RankScratch& s, std::int32_t first, std::int32_t m) {
  const bool weighted = spec.place_weight == RankTeacherWeight::kNdcg;
  double ideal = 0.0;
  for (std::int32_t at = 0; at < m; ++at) {
    const double relevance = at < first ? static_cast<double>(first - at) / static_cast<double>(first) : 0.0;
    const double discount = place_discount(at);
    ideal += relevance * discount;
    s.gain[at] = static_cast<float>(relevance);
    s.discount[at] = static_cast<float>(discount);
  }
  const auto inverse_ideal = static_cast<float>(1.0 / ideal);
  add_pairs(TeacherPairs{inverse_ideal, weighted ? Line{0.0f, 1.0f} : Line{1.0f, 0.0f}}, s, first, m);
}

// What the teacher asks for, its scores over `temperature`, times `share`.
PYGBT_HD void add_teacher_gradients(const RankSpec& spec, const QueryRows& query, float temperature, float share,
                                    const RankScratch& s, float* g, float* h) {
  const bool in_rows = spec.teacher == RankTeacher::kListnet;
  const std::int32_t m = list_rows(query, query.teacher, in_rows ? nullptr : query.teacher, s);
  gather_list(query, query.teacher, 1.0f / temperature, s, m);
  const std::int32_t top = first_places(spec.teacher_top, m);
  if (m < 2) return;
  switch (spec.teacher) {
    case RankTeacher::kListnet: {
      float rest = 0.0f;
      softmax_row(s.value, m, s.value, 1, &rest);
      softmax_list(s, m);
      break;
    }
    case RankTeacher::kListmle:
      place_weights(spec, s, top);
      listmle(s, top, m);
      break;
    case RankTeacher::kPairwise:
      add_teacher_pairs(spec, s, top, m);
      break;
    case RankTeacher::kPointwise:
      place_weights(spec, s, top);
      pointwise_list(spec, query, s, top, m);
      break;
  }
  give_list(s, m, share, g, h);
}

PYGBT_HD bool has_list(const QueryRows& query, const float* values) {
  for (std::int32_t row = 0; values != nullptr && row < query.n; ++row)
    if (values[row] == values[row] && query.counts(row)) return true;
  return false;
}

// g and h [n] of a query, unweighted; rows in no list get 0.
PYGBT_HD void rank_gradient(Objective objective, const RankSpec& spec, const QueryRows& query, const RankMix& mix,
                            const RankScratch& scratch, float* g, float* h) {
  for (std::int32_t row = 0; row < query.n; ++row) g[row] = h[row] = 0.0f;
  const bool hard = has_list(query, query.labels), soft = has_list(query, query.teacher);
  const float alpha = hard && soft ? mix.alpha : (soft ? 1.0f : 0.0f);
  if (hard && alpha < 1.0f) add_label_gradients(objective, spec, query, 1.0f - alpha, scratch, g, h);
  if (soft && alpha > 0.0f) add_teacher_gradients(spec, query, mix.temperature, alpha, scratch, g, h);
}

}  // namespace pygbt
