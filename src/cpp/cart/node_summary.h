// SPDX-License-Identifier: Apache-2.0
// What a node says as a leaf: values, label, risk, impurity, from its cases. One overload of `summarise` a kind of
// criterion; numbers are made from exact integer sums in a fixed order.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"
#include "cart/absolute_error.h"
#include "cart/cart_options.h"
#include "cart/class_criteria.h"
#include "cart/value_criteria.h"
#include "decision/response.h"

namespace pygbt {

struct NodeSummary {
  std::int32_t label = -1;
  double risk = 0.0, impurity = 0.0;
  bool pure = false;  // no question can improve it
};

// What summaries share. root_rate: of a Poisson tree, for its shrinkage.
struct SummaryRules {
  const Response& response;
  const CartOptions& options;
  double root_rate = 0.0;
  bool full = true;  // else risk and impurity may be left out
};

// total: [width] cell of the cases. value: [n_values], filled.
inline NodeSummary summarise(const ClassSides&, const SummaryRules& rules, std::span<const ClassCase>,
                             const std::int64_t* total, double* value) {
  const CartOptions& options = rules.options;
  const auto n = static_cast<std::size_t>(rules.response.n_classes);
  const auto at = [n](const std::vector<double>& of, std::size_t k) { return of.size() == n ? of[k] : 1.0; };
  NodeSummary summary;
  if (!rules.full && options.losses.empty() && options.class_factor.empty()) {  // the heaviest class
    std::size_t best = 0;
    for (std::size_t k = 0; k < n; ++k) {
      value[k] = static_cast<double>(total[1 + k]) * rules.response.weight_unit;
      best = total[1 + k] > total[1 + best] ? k : best;
    }
    summary.pure = total[1 + best] == total[0];
    summary.label = static_cast<std::int32_t>(best);
    return summary;
  }
  int occurring = 0;
  double sum = 0.0;
  for (std::size_t k = 0; k < n; ++k) {
    value[k] = static_cast<double>(total[1 + k]) * rules.response.weight_unit;
    occurring += total[1 + k] > 0 ? 1 : 0;
    sum += at(options.split_factor, k) * value[k];
  }
  summary.pure = occurring <= 1;
  if (rules.full && !summary.pure && sum > 0.0) {
    const bool entropy = options.criterion == CartCriterion::kEntropy;
    summary.impurity = entropy ? 0.0 : 1.0;
    for (std::size_t k = 0; k < n; ++k) {
      const double p = at(options.split_factor, k) * value[k] / sum;
      summary.impurity -= entropy ? x_log_x(p) : p * p;
    }
  }
  // The class whose call costs least, the first of equal ones: without losses the heaviest.
  const auto cost = [&](std::size_t j) {
    double all = 0.0;
    for (std::size_t k = 0; k < n; ++k) {
      const double loss = options.losses.empty() ? (k == j ? 0.0 : 1.0) : options.losses[k * n + j];
      all += at(options.class_factor, k) * value[k] * loss;
    }
    return all;
  };
  std::size_t best = 0;
  if (options.losses.empty() && !rules.full) {
    for (std::size_t k = 1; k < n; ++k)
      if (at(options.class_factor, k) * value[k] > at(options.class_factor, best) * value[best]) best = k;
  } else {
    summary.risk = cost(0);
    for (std::size_t j = 1; j < n; ++j) {
      const double other = cost(j);
      if (!(other < summary.risk)) continue;
      best = j;
      summary.risk = other;
    }
  }
  summary.label = static_cast<std::int32_t>(best);
  return summary;
}

inline NodeSummary summarise(const SquaredSides&, const SummaryRules& rules, std::span<const ValueCase> cases,
                             const std::int64_t* total, double* value) {
  const Response& response = rules.response;
  const auto width = static_cast<std::size_t>(response.n_targets);
  const auto weight = static_cast<double>(total[0]);
  NodeSummary summary;
  summary.pure = true;
  for (std::size_t t = 0; t < width; ++t) {
    const double unit = response.target_unit[t];
    value[t] = static_cast<double>(total[1 + t]) / weight * unit;
    const std::int64_t centre = total[1 + t] / total[0];
    Int128 squares = 0;  // about an integer near the mean
    for (const ValueCase& one : cases) {
      const std::int64_t y = width == 1 ? one.y : response.target[one.row * width + t];
      summary.pure = summary.pure && y == (width == 1 ? cases[0].y : response.target[cases[0].row * width + t]);
      if (!rules.full && !summary.pure) break;
      if (rules.full) squares += Int128{y - centre} * (y - centre) * one.weight;
    }
    const auto rest = static_cast<double>(total[1 + t] - centre * total[0]);
    const double deviance = std::max(0.0, static_cast<double>(squares) - rest * rest / weight);
    summary.risk += deviance * unit * unit * response.weight_unit;
  }
  if (summary.pure) summary.risk = 0.0;
  summary.impurity = summary.risk / (weight * response.weight_unit);
  return summary;
}

inline NodeSummary summarise(const AbsoluteSides&, const SummaryRules& rules, std::span<const ValueCase> cases,
                             const std::int64_t* total, double* value) {
  const double unit = rules.response.target_unit[0];
  std::vector<ValueCase> sorted(cases.begin(), cases.end());
  std::sort(sorted.begin(), sorted.end(), [](const ValueCase& a, const ValueCase& b) { return a.y < b.y; });
  NodeSummary summary;
  summary.pure = sorted.front().y == sorted.back().y;
  std::int64_t below = 0;
  std::size_t i = 0;
  while (2 * (below + sorted[i].weight) < total[0]) below += sorted[i++].weight;
  const bool half = 2 * (below + sorted[i].weight) == total[0];  // the mean of the two in the middle
  const std::int64_t low = sorted[i].y, high = half ? sorted[i + 1].y : low;
  value[0] = (static_cast<double>(low) + static_cast<double>(high)) * 0.5 * unit;
  Int128 deviation = 0;
  for (const ValueCase& one : sorted) deviation += Int128{one.y < low ? low - one.y : one.y - low} * one.weight;
  summary.risk = static_cast<double>(deviation) * unit * rules.response.weight_unit;
  summary.impurity = summary.risk / (static_cast<double>(total[0]) * rules.response.weight_unit);
  return summary;
}

// Rate (events + a) / (time + b), a = 1 / shrink^2, b = a / rate of the root (section 8 of rpart's report); the risk is
// the deviance about it.
inline NodeSummary summarise(const PoissonSides& criterion, const SummaryRules& rules, std::span<const ValueCase> cases,
                             const std::int64_t* total, double* value) {
  const Response& response = rules.response;
  const double event_unit = response.target_unit[0];
  const double time_unit = response.n_targets > 1 ? response.target_unit[1] : 1.0;
  const double events = static_cast<double>(total[1]) * event_unit * response.weight_unit;
  const double time = static_cast<double>(total[2]) * time_unit * response.weight_unit;
  double rate = time > 0.0 ? events / time : 0.0;
  if (rules.options.shrink > 0.0 && rules.root_rate > 0.0) {
    const double a = 1.0 / (rules.options.shrink * rules.options.shrink);
    rate = (events + a) / (time + a / rules.root_rate);
  }
  value[0] = rate;
  NodeSummary summary;
  summary.pure = true;
  // 2 sum of w (d ln(d / (rate t)) - d + rate t); d ln(d / t) of a row as an integer, so that sums have no order.
  const double scale = 0x1p20 / event_unit;
  Int128 terms = 0;
  for (const ValueCase& one : cases) {
    const double d = static_cast<double>(one.y) * event_unit;
    const double t = static_cast<double>(criterion.time(one)) * time_unit;
    terms += static_cast<Int128>(poisson_score(d, t) * scale) * one.weight;
    summary.pure = summary.pure && Int128{one.y} * criterion.time(cases[0]) == Int128{cases[0].y} * criterion.time(one);
  }
  const double log_rate = rate > 0.0 ? log_f64(rate) : 0.0;
  const double own = static_cast<double>(terms) / scale * response.weight_unit;
  summary.risk = std::max(0.0, 2.0 * (own - events * log_rate - events + rate * time));
  summary.impurity = summary.risk / (static_cast<double>(total[0]) * response.weight_unit);
  return summary;
}

}  // namespace pygbt
