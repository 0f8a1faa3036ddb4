// SPDX-License-Identifier: Apache-2.0
#include "prune/rules.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "math/added_errors.h"
#include "math/log.h"

namespace pygbt {
namespace {

constexpr double kErrorSlack = 0.1;       // errors that C4.5 gives a leaf for nothing
constexpr double kPartRounding = 1e-10;   // of the cases: sums of parts of shared rows
constexpr double kFloatRounding = 1e-12;  // of a loss: sums of squares

// Classes are counted exactly unless rows are shared.
double rounding(const DecisionTree& tree, const HeldOut& rows) {
  if (!tree.classifier) return kFloatRounding * rows.loss[0];
  return rows.shared ? kPartRounding * rows.weight[0] : 0.0;
}

// Training cases that the label of a node does not fit.
double errors_of(const DecisionTree& tree, std::size_t node) {
  const std::size_t label = node * static_cast<std::size_t>(tree.n_values) + static_cast<std::size_t>(tree.label[node]);
  return std::max(0.0, tree.weight[node] - tree.value[label]);
}

void require_classes(const DecisionTree& tree, const char* rule) {
  require(tree.classifier, std::string(rule) + " pruning needs the tree of a classifier");
}

}  // namespace

std::vector<double> entropy_cost(const DecisionTree& tree) {
  require_classes(tree, "entropy");
  const auto k = static_cast<std::size_t>(tree.n_values);
  std::vector<double> cost(tree.first_child.size(), 0.0);
  for (std::size_t i = 0; i < cost.size(); ++i) {
    double total = 0.0;
    for (std::size_t c = 0; c < k; ++c) total += tree.value[i * k + c];
    for (std::size_t c = 0; c < k; ++c) {
      const double n = tree.value[i * k + c];
      if (n > 0.0 && n < total) cost[i] += n * log2_of(total / n);
    }
  }
  return cost;
}

Pruning prune_by_entropy(const DecisionTree& tree, double alpha) {
  require(std::isfinite(alpha) && alpha >= 0.0, "alpha must be a number >= 0");
  std::vector<double> cost = entropy_cost(tree);
  const double slack = kFloatRounding * cost[0];
  for (double& c : cost) c += alpha;
  return prune_bottom_up(tree, cost, {}, slack);
}

Pruning prune_reduced_error(const DecisionTree& tree, const HeldOut& rows) {
  return prune_bottom_up(tree, rows.loss, rows.stays, rounding(tree, rows));
}

Pruning prune_pessimistic(const DecisionTree& tree) {
  require_classes(tree, "pessimistic");
  const std::size_t n = tree.first_child.size();
  std::vector<double> below(n, 0.0);  // errors of the leaves + 1/2 for each
  for (std::size_t i = n; i-- > 0;) {
    if (tree.first_child[i] < 0) below[i] = errors_of(tree, i) + 0.5;
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c)
      below[i] += below[static_cast<std::size_t>(tree.first_child[i] + c)];
  }
  return prune_top_down(tree, [&](NodeId node, Pruning& out) {
    const auto i = static_cast<std::size_t>(node);
    const double cases = tree.weight[i], e = below[i];
    const double variance = cases > 0.0 ? e * (cases - e) / cases : 0.0;
    out.as_leaf[i] = errors_of(tree, i) + 0.5;
    out.with_split[i] = e + std::sqrt(std::max(0.0, variance));
    return out.as_leaf[i] <= out.with_split[i] ? Verdict::kNoWorse : Verdict::kSplit;
  });
}

Pruning prune_error_based(const DecisionTree& tree, double confidence, bool exact) {
  require_classes(tree, "error-based");
  require(confidence > 0.0 && confidence <= (exact ? 0.5 : 1.0),
          exact ? "cf must lie in (0, 0.5] with ebp=\"exact\"" : "cf must lie in (0, 1]");
  const AddedErrors added(confidence, exact);
  std::vector<double> limit(tree.first_child.size());
  for (std::size_t i = 0; i < limit.size(); ++i) {
    const double errors = errors_of(tree, i);
    limit[i] = errors + added(tree.weight[i], errors);
  }
  return prune_bottom_up(tree, limit, {}, kErrorSlack);
}

Pruning prune_by_validation(const DecisionTree& tree, const HeldOut& rows, bool cut_ties) {
  require_classes(tree, "validation");
  const double slack = rounding(tree, rows);
  return prune_top_down(tree, [&](NodeId node, Pruning& out) {
    const auto i = static_cast<std::size_t>(node);
    double split = rows.stays[i];
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c)
      split += rows.loss[static_cast<std::size_t>(tree.first_child[i] + c)];
    out.as_leaf[i] = rows.loss[i];
    out.with_split[i] = split;
    if (split > rows.loss[i] + slack) return Verdict::kLowers;
    return cut_ties && split >= rows.loss[i] - slack ? Verdict::kDoesNotRaise : Verdict::kSplit;
  });
}

Pruning prune_by_thresholds(const DecisionTree& tree, const SplitLimits& limits) {
  require(!std::isnan(limits.min_improvement), "min_improvement must be a number");
  std::vector<std::int32_t> depth(tree.first_child.size(), 0);
  return prune_top_down(tree, [&](NodeId node, Pruning&) {
    const auto i = static_cast<std::size_t>(node);
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c)
      depth[static_cast<std::size_t>(tree.first_child[i] + c)] = depth[i] + 1;
    if (limits.max_depth >= 0 && depth[i] >= limits.max_depth) return Verdict::kTooDeep;
    if (tree.count[i] < limits.min_count) return Verdict::kTooFew;
    const auto asked = static_cast<std::size_t>(tree.question_begin[i]);
    return tree.questions.improvement[asked] < limits.min_improvement ? Verdict::kTooLittle : Verdict::kSplit;
  });
}

}  // namespace pygbt
