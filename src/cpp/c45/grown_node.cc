// SPDX-License-Identifier: Apache-2.0
#include "c45/grown_node.h"

#include <algorithm>
#include <limits>

#include "math/information.h"

namespace pygbt {
namespace {

void add_question(const GrownNode& node, Questions& questions) {
  const bool nominal = node.test.cut == 0;
  const double none = std::numeric_limits<double>::quiet_NaN();
  questions.feature.push_back(node.test.feature);
  questions.threshold.push_back(nominal ? none : node.test.threshold);
  questions.lower.push_back(nominal ? none : node.test.lower);
  questions.upper.push_back(nominal ? none : node.test.upper);
  questions.low_child.push_back(0);
  questions.branch_begin.push_back(nominal ? static_cast<std::int32_t>(questions.branches.size()) : -1);
  questions.n_branches.push_back(static_cast<std::int32_t>(node.test.branch_of.size()));
  questions.branches.insert(questions.branches.end(), node.test.branch_of.begin(), node.test.branch_of.end());
  questions.improvement.push_back(node.gain);
  questions.agreement.push_back(0.0);
  questions.adjusted.push_back(0.0);
}

}  // namespace

void summarise(const C45Problem& problem, std::span<const Case> cases, std::int32_t parent_label, GrownNode& node) {
  node.counts.resize(problem.n_classes);
  node.total = count_classes(cases, node.counts);
  node.n_rows = static_cast<std::int64_t>(cases.size());
  const auto most = std::max_element(node.counts.begin(), node.counts.end());
  node.label = node.total > 0 ? static_cast<std::int32_t>(most - node.counts.begin()) : parent_label;
}

void make_leaf(GrownNode& node) {
  node.children.clear();
  node.test = NodeTest{};
  node.gain = 0.0;
}

DecisionTree flatten(const C45Problem& problem, const GrownNode& root) {
  DecisionTree tree;
  tree.n_values = static_cast<std::int32_t>(problem.n_classes);
  tree.class_factor.assign(problem.n_classes, 1.0);
  std::vector<const GrownNode*> nodes{&root};  // [id]
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const GrownNode& node = *nodes[i];
    const auto id = static_cast<std::size_t>(add_leaf(tree));
    for (std::size_t k = 0; k < problem.n_classes; ++k)
      tree.value[id * problem.n_classes + k] = problem.weight(node.counts[k]);
    tree.count[id] = node.n_rows;
    tree.weight[id] = problem.weight(node.total);
    tree.label[id] = node.label;
    tree.risk[id] = problem.weight(node.wrong());
    const double bits = information(node.counts.data(), problem.n_classes, problem.unit);
    tree.impurity[id] = node.total > 0 ? std::max(0.0, bits / tree.weight[id]) : 0.0;
    if (node.is_leaf()) continue;
    tree.first_child[id] = static_cast<std::int32_t>(nodes.size());
    tree.n_children[id] = static_cast<std::int32_t>(node.children.size());
    tree.fallback[id] = kShared;
    add_question(node, tree.questions);
    tree.question_begin.back() = static_cast<std::int32_t>(tree.questions.size());
    for (const GrownNode& child : node.children) nodes.push_back(&child);
  }
  return tree;
}

}  // namespace pygbt
