// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "base/pool.h"
#include "c45/candidate.h"
#include "math/information.h"

namespace pygbt {
namespace {

constexpr double kSlack = 1e-3;  // bits: of the average gain, and the least split information

void choose_by_ratio(const C45Problem& problem, Choice& choice) {
  double sum = 0.0;
  int n = 0;
  for (std::size_t f = 0; f < choice.candidates.size(); ++f) {
    const bool counts = problem.all_have_many_values || !problem.has_many_values(static_cast<FeatureId>(f));
    if (!choice.candidates[f].usable || !counts) continue;
    sum += choice.candidates[f].gain;
    ++n;
  }
  if (n == 0) return;
  choice.average_gain = sum / n;
  double best = 0.0;
  for (std::size_t f = 0; f < choice.candidates.size(); ++f) {
    Candidate& one = choice.candidates[f];
    one.eligible = one.usable && one.gain >= choice.average_gain - kSlack - kEqualCriteria && one.split_info > kSlack;
    if (!one.eligible || (choice.feature >= 0 && !(one.ratio > best + kEqualCriteria))) continue;
    choice.feature = static_cast<FeatureId>(f);
    best = one.ratio;
  }
}

void choose_by_gain(const C45Problem& problem, Choice& choice) {
  double best = 0.0;
  for (std::size_t f = 0; f < choice.candidates.size(); ++f) {
    Candidate& one = choice.candidates[f];
    one.eligible = one.usable && one.gain >= problem.settings.min_gain - kEqualCriteria;
    if (!one.eligible || (choice.feature >= 0 && !(one.gain > best + kEqualCriteria))) continue;
    choice.feature = static_cast<FeatureId>(f);
    best = one.gain;
  }
}

}  // namespace

Choice choose_test(const C45Problem& problem, const NodeCases& node, std::span<CodeCounts> scratch) {
  Choice choice;
  choice.candidates.resize(problem.table.columns.size());
  const auto evaluate = [&](std::int64_t feature, int worker) {
    const auto f = static_cast<std::size_t>(feature);
    CodeCounts& own = scratch[static_cast<std::size_t>(worker)];
    const auto id = static_cast<FeatureId>(feature);
    choice.candidates[f] = problem.table.columns[f].nominal ? nominal_candidate(problem, id, node, own)
                                                            : numeric_candidate(problem, id, node, own);
  };
  if (scratch.size() == 1) {
    for (FeatureId f = 0; f < problem.table.n_features(); ++f) evaluate(f, 0);
  } else {
    parallel_for(static_cast<int>(scratch.size()), problem.table.n_features(), evaluate);
  }
  if (problem.settings.criterion == Criterion::gain_ratio)
    choose_by_ratio(problem, choice);
  else
    choose_by_gain(problem, choice);
  return choice;
}

NodeTest make_test(const C45Problem& problem, FeatureId feature, const Candidate& candidate) {
  const CodedColumn& column = problem.table.columns[static_cast<std::size_t>(feature)];
  NodeTest test;
  test.feature = feature;
  const auto& occurs = problem.occurs[static_cast<std::size_t>(feature)];
  if (column.nominal) {
    test.branch_of = candidate.group_of;
    test.branch_of.resize(static_cast<std::size_t>(column.n_codes - 1), -1);
    if (candidate.group_of.empty()) {  // a category that no training case has is as good as missing
      std::int32_t n = 0;
      for (Code code = 1; code < static_cast<Code>(column.n_codes); ++code) {
        if (occurs[code] == 0) continue;
        const std::int32_t against_rest = code == candidate.category ? 0 : 1;
        test.branch_of[code - 1] = candidate.category > 0 ? against_rest : n++;
      }
    }
    test.n_branches = 1 + *std::max_element(test.branch_of.begin(), test.branch_of.end());
    return test;
  }
  test.n_branches = 2;
  const ValueCut between = cut_between(problem.table, feature, candidate.low, candidate.high, false);
  test.lower = between.lower;
  test.upper = between.upper;
  test.cut = candidate.low;
  if (problem.table.exact) {  // the largest value of all training rows that is not above the midpoint
    const double middle = test.lower + (test.upper - test.lower) / 2.0;
    for (Code code = candidate.high - 1; code > candidate.low; --code) {
      if (column.value[code - 1] > middle || (!occurs.empty() && occurs[code] == 0)) continue;
      test.cut = code;
      break;
    }
  }
  test.threshold = column.value[test.cut - 1];
  return test;
}

}  // namespace pygbt
