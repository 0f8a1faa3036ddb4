// SPDX-License-Identifier: Apache-2.0
#include "prune/held_out.h"

#include <cmath>
#include <limits>

#include "base/error.h"
#include "math/log.h"

namespace pygbt {
namespace {

double row_weight(const Response& response, std::size_t row) {
  return response.weight.empty() ? 1.0 : response.weight[row] * response.weight_unit;
}

// Classes need only their weights in every node: integers while no row is shared.
void classes_held_out(const DecisionTree& tree, const RowParts& parts, const Response& response,
                      std::span<const double> cost, HeldOut& out) {
  const std::size_t n = tree.first_child.size();
  const auto k = static_cast<std::size_t>(tree.n_values);
  std::vector<double> count(n * k, 0.0);  // [node][class] of the rows that end in the node
  for (std::size_t row = 0; row + 1 < parts.begin.size(); ++row) {
    const double weight = row_weight(response, row);
    for (auto p = static_cast<std::size_t>(parts.begin[row]); p < static_cast<std::size_t>(parts.begin[row + 1]); ++p)
      count[static_cast<std::size_t>(parts.node[p]) * k + static_cast<std::size_t>(response.label[row])] +=
          weight * parts.share[p];
  }
  const auto score = [&](std::size_t node, double& sum, double& squared) {
    const auto label = static_cast<std::size_t>(tree.label[node]);
    for (std::size_t c = 0; c < k; ++c) {
      const double loss = cost.empty() ? (c == label ? 0.0 : 1.0) : cost[c * k + label];
      sum += count[node * k + c] * loss;
      squared += count[node * k + c] * (loss * loss);
    }
  };
  for (std::size_t i = n; i-- > 0;) {  // children come first
    if (tree.first_child[i] >= 0) score(i, out.stays[i], out.stays_squared[i]);
    for (std::int32_t child = 0; child < tree.n_children[i]; ++child)
      for (std::size_t c = 0; c < k; ++c)
        count[i * k + c] += count[static_cast<std::size_t>(tree.first_child[i] + child) * k + c];
    score(i, out.loss[i], out.squared[i]);
    for (std::size_t c = 0; c < k; ++c) out.weight[i] += count[i * k + c];
  }
}

double poisson_deviance(double y, double expected) {
  if (!(expected > 0.0)) return y > 0.0 ? std::numeric_limits<double>::infinity() : 0.0;
  const double log_term = y > 0.0 ? y * log_natural(y / expected) : 0.0;
  return 2.0 * (log_term - (y - expected));
}

double target(const Response& response, std::size_t row, std::size_t column) {
  const std::size_t at = row * static_cast<std::size_t>(response.n_targets) + column;
  return static_cast<double>(response.target[at]) * response.target_unit[column];
}

// Loss of a row that a node answers.
double target_loss(const DecisionTree& tree, const Response& response, Deviation deviation, std::size_t row,
                   std::size_t node) {
  const auto width = static_cast<std::size_t>(tree.n_values);
  const double* value = tree.value.data() + node * width;
  if (deviation == Deviation::kPoisson)
    return poisson_deviance(target(response, row, 0),
                            response.n_targets > 1 ? value[0] * target(response, row, 1) : value[0]);
  double sum = 0.0;
  for (std::size_t t = 0; t < width; ++t) {
    const double off = target(response, row, t) - value[t];
    sum += deviation == Deviation::kSquared ? off * off : std::abs(off);
  }
  return sum;
}

std::vector<NodeId> parents_of(const DecisionTree& tree) {
  std::vector<NodeId> parent(tree.first_child.size(), kNoNode);
  for (std::size_t i = 0; i < parent.size(); ++i)
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c)
      parent[static_cast<std::size_t>(tree.first_child[i] + c)] = static_cast<NodeId>(i);
  return parent;
}

void targets_held_out(const DecisionTree& tree, const RowParts& parts, const Response& response, Deviation deviation,
                      HeldOut& out) {
  const std::vector<NodeId> parent = parents_of(tree);
  for (std::size_t row = 0; row + 1 < parts.begin.size(); ++row) {
    for (auto p = static_cast<std::size_t>(parts.begin[row]); p < static_cast<std::size_t>(parts.begin[row + 1]); ++p) {
      const double weight = row_weight(response, row) * parts.share[p];
      const auto end = static_cast<std::size_t>(parts.node[p]);
      if (tree.first_child[end] >= 0) {
        const double r = target_loss(tree, response, deviation, row, end);
        out.stays[end] += weight * r;
        out.stays_squared[end] += weight * (r * r);
      }
      for (NodeId node = parts.node[p]; node != kNoNode; node = parent[static_cast<std::size_t>(node)]) {
        const auto i = static_cast<std::size_t>(node);
        const double r = target_loss(tree, response, deviation, row, i);
        out.weight[i] += weight;
        out.loss[i] += weight * r;
        out.squared[i] += weight * (r * r);
      }
    }
  }
}

}  // namespace

HeldOut::HeldOut(std::size_t n_nodes)
    : weight(n_nodes, 0.0),
      loss(n_nodes, 0.0),
      squared(n_nodes, 0.0),
      stays(n_nodes, 0.0),
      stays_squared(n_nodes, 0.0) {}

HeldOut held_out(const DecisionTree& tree, const WalkRows& rows, const Response& response, const HeldOutLoss& loss) {
  const auto k = static_cast<std::size_t>(tree.n_values);
  require(response.n_rows == rows.n_rows, "X and y of the held-out rows must have the same number of rows");
  const bool times = loss.deviation == Deviation::kPoisson && response.n_targets == 2 && tree.n_values == 1;
  require(tree.classifier ? response.n_classes == tree.n_values : times || response.n_targets == tree.n_values,
          "y of the held-out rows does not fit the tree: it has other classes or another number of targets");
  require(loss.class_cost.empty() || loss.class_cost.size() == k * k, "class_cost must be [class][label]");
  const RowParts parts = walk_parts(tree, rows, response.weight);
  HeldOut out(tree.first_child.size());
  for (std::size_t row = 0; row + 1 < parts.begin.size() && !out.shared; ++row)
    out.shared = parts.begin[row + 1] - parts.begin[row] > 1;
  if (tree.classifier)
    classes_held_out(tree, parts, response, loss.class_cost, out);
  else
    targets_held_out(tree, parts, response, loss.deviation, out);
  return out;
}

}  // namespace pygbt
