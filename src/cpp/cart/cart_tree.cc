// SPDX-License-Identifier: Apache-2.0
#include "cart/cart_tree.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace pygbt {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ValueCut cut_of(const SplitCandidate& split, const CodedTable& table, const CartOptions& options) {
  if (split.is_drawn) return {split.drawn, split.drawn, split.drawn};
  if (split.low == split.high) {  // all values against the missing ones
    const CodedColumn& column = table.columns[static_cast<std::size_t>(split.feature)];
    const double most = std::numeric_limits<double>::infinity();
    const double value = split.low <= column.value.size() ? column.value[split.low - 1] : most;
    return {column.wide ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max(), value, value};
  }
  return cut_between(table, split.feature, split.low, split.high, options.midpoint);
}

void add_question(const CartQuestion& question, double scale, const CodedTable& table, const CartOptions& options,
                  Questions& to) {
  const SplitCandidate& split = question.split;
  const bool surrogate = question.agreement > 0.0;
  to.feature.push_back(split.feature);
  const ValueCut cut = split.nominal ? ValueCut{kNaN, kNaN, kNaN} : cut_of(split, table, options);
  to.threshold.push_back(cut.threshold);
  to.lower.push_back(cut.lower);
  to.upper.push_back(cut.upper);
  to.low_child.push_back(split.low_child);
  to.branch_begin.push_back(split.nominal ? static_cast<std::int32_t>(to.branches.size()) : -1);
  to.n_branches.push_back(static_cast<std::int32_t>(split.branches.size()));
  to.branches.insert(to.branches.end(), split.branches.begin(), split.branches.end());
  to.improvement.push_back(surrogate ? 0.0 : split.goodness * scale);
  to.agreement.push_back(question.agreement);
  to.adjusted.push_back(question.adjusted);
}

// What one unit of a search's improvement is in the tree: of classes and rates the weight in real units, of means and
// medians the share of the node's risk.
double improvement_scale(const CartNode& node, const Response& response, CartCriterion criterion) {
  switch (criterion) {
    case CartCriterion::kSquaredError: {
      const double unit = response.target_unit[0];
      return node.risk > 0.0 ? unit * unit * response.weight_unit / node.risk : 0.0;
    }
    case CartCriterion::kAbsoluteError:
      return node.risk > 0.0 ? response.target_unit[0] * response.weight_unit / node.risk : 0.0;
    default:
      return response.weight_unit;
  }
}

// Nodes of a tree from the root: children side by side after their parent, a sub-tree close together.
struct NodeOrder {
  std::vector<std::int32_t> node;   // [place] in CartTree::nodes
  std::vector<std::int32_t> child;  // [place] place of the first child, or -1
};

NodeOrder in_order(const CartTree& tree) {
  NodeOrder order;
  order.node.reserve(tree.nodes.size());
  order.node.push_back(0);
  order.child.assign(tree.nodes.size(), -1);
  std::vector<std::int32_t> open{0};
  while (!open.empty()) {
    const auto place = static_cast<std::size_t>(open.back());
    open.pop_back();
    const std::int32_t child = tree.nodes[static_cast<std::size_t>(order.node[place])].child;
    if (child < 0) continue;
    const auto next = static_cast<std::int32_t>(order.node.size());
    order.child[place] = next;
    order.node.push_back(child);
    order.node.push_back(child + 1);
    open.push_back(next + 1);
    open.push_back(next);
  }
  return order;
}

void add_categories(const SplitCandidate& split, std::size_t node, Tree& tree) {
  tree.cat_begin[node] = static_cast<std::int32_t>(tree.cat_bits.size());
  const std::size_t words = (split.branches.size() + 31) / 32;
  tree.cat_words[node] = static_cast<std::int32_t>(words);
  tree.cat_bits.resize(tree.cat_bits.size() + words, 0u);
  std::uint32_t* bits = &tree.cat_bits[tree.cat_bits.size() - words];
  for (std::size_t category = 0; category < split.branches.size(); ++category) {
    // Categories that the node has not seen go where missing values go.
    const bool left = split.branches[category] < 0 ? tree.default_left[node] != 0 : split.branches[category] == 0;
    if (left) bits[category / 32] |= 1u << (category % 32);
  }
}

}  // namespace

void graft(CartTree& tree, std::int32_t at, CartTree&& part) {
  const auto width = static_cast<std::size_t>(tree.n_values);
  const auto shift = static_cast<std::int32_t>(tree.nodes.size()) - 1;  // of the part's nodes but the root
  const auto questions = static_cast<std::int32_t>(tree.questions.size());
  for (CartNode& node : part.nodes) {
    if (node.child >= 0) node.child += shift;
    node.question += questions;
  }
  std::copy_n(part.values.begin(), width, tree.value(at));
  tree.nodes[static_cast<std::size_t>(at)] = std::move(part.nodes[0]);
  std::move(part.nodes.begin() + 1, part.nodes.end(), std::back_inserter(tree.nodes));
  std::move(part.questions.begin(), part.questions.end(), std::back_inserter(tree.questions));
  tree.values.insert(tree.values.end(), part.values.begin() + static_cast<std::ptrdiff_t>(width), part.values.end());
}

void undo_weak_splits(CartTree& tree, double alpha) {
  std::vector<double> cost(tree.nodes.size(), 0.0);  // of the best pruning below a node, alpha for each leaf
  const std::vector<std::int32_t> order = in_order(tree).node;
  for (std::size_t i = order.size(); i-- > 0;) {
    const auto at = static_cast<std::size_t>(order[i]);
    CartNode& node = tree.nodes[at];
    cost[at] = node.risk + alpha;
    if (node.child < 0) continue;
    const double below = cost[static_cast<std::size_t>(node.child)] + cost[static_cast<std::size_t>(node.child) + 1];
    if (cost[at] <= below * (1.0 + 0x1p-45)) {
      node.child = -1;
      node.n_questions = 0;
      node.n_surrogates = 0;
      node.fallback = kStays;
    } else {
      cost[at] = below;
    }
  }
}

DecisionTree to_decision_tree(const CartTree& tree, const CodedTable& table, const Response& response,
                              const CartOptions& options) {
  DecisionTree out;
  out.classifier = response.n_classes > 0;
  out.n_values = tree.n_values;
  if (out.classifier) {
    out.class_factor = options.class_factor;
    out.class_factor.resize(static_cast<std::size_t>(tree.n_values), 1.0);
  }
  const NodeOrder order = in_order(tree);
  reserve(out, order.node.size(), tree.questions.size());
  for (std::size_t place = 0; place < order.node.size(); ++place) {
    const std::int32_t from = order.node[place], first_child = order.child[place];
    const CartNode& node = tree.nodes[static_cast<std::size_t>(from)];
    const auto to = static_cast<std::size_t>(add_leaf(out));
    out.first_child[to] = first_child;
    out.n_children[to] = first_child < 0 ? 0 : 2;
    out.count[to] = node.count;
    out.weight[to] = node.weight;
    out.label[to] = node.label;
    out.risk[to] = node.risk;
    out.impurity[to] = node.impurity;
    std::copy_n(tree.value(from), tree.n_values, out.value.end() - tree.n_values);
    if (first_child < 0) continue;
    out.fallback[to] = node.fallback;
    out.n_surrogates[to] = node.n_surrogates;
    const double scale = improvement_scale(node, response, options.criterion);
    for (const CartQuestion& question : tree.questions_of(node))
      add_question(question, scale, table, options, out.questions);
    out.question_begin.back() = static_cast<std::int32_t>(out.questions.size());
  }
  return out;
}

Tree to_model_tree(const CartTree& tree, const CodedTable& table, const Response& response, const CartOptions& options,
                   std::vector<std::int32_t>* labels) {
  Tree out;
  out.width = tree.n_values;
  const auto width = static_cast<std::size_t>(tree.n_values);
  const NodeOrder order = in_order(tree);
  const std::size_t n = order.node.size(), n_leaves = (n + 1) / 2;
  out.left.resize(n);
  out.feature.assign(n, -1);
  out.threshold.assign(n, 0.0);
  out.default_left.assign(n, 0);
  out.cat_begin.assign(n, -1);
  out.cat_words.assign(n, 0);
  out.gain.assign(n, 0.0f);
  out.cover.resize(n);
  out.count.resize(n);
  out.leaf_value.resize(n_leaves * width);
  const bool classes = response.n_classes > 0;
  std::vector<double> factor(width, 1.0), weighted(width);
  if (classes) std::copy(options.class_factor.begin(), options.class_factor.end(), factor.begin());
  std::size_t leaf = 0;
  for (std::size_t to = 0; to < n; ++to) {
    const std::int32_t from = order.node[to];
    const CartNode& node = tree.nodes[static_cast<std::size_t>(from)];
    out.count[to] = node.count;
    out.cover[to] = node.weight;
    if (order.child[to] < 0) {
      out.left[to] = ~static_cast<std::int32_t>(leaf);
      if (labels != nullptr) labels->push_back(node.label);
      const double* value = tree.value(from);
      double sum = 0.0;
      for (std::size_t k = 0; k < width; ++k) sum += weighted[k] = factor[k] * value[k];
      if (!classes) sum = 1.0;
      float* own = &out.leaf_value[leaf++ * width];
      for (std::size_t k = 0; k < width; ++k) own[k] = static_cast<float>(weighted[k] / sum);
      continue;
    }
    const SplitCandidate& split = tree.questions_of(node)[0].split;
    out.left[to] = order.child[to];
    out.feature[to] = split.feature;
    out.default_left[to] = node.fallback == 0 ? 1 : 0;
    out.gain[to] = static_cast<float>(split.improvement * improvement_scale(node, response, CartCriterion::kGini));
    if (split.nominal)
      add_categories(split, to, out);
    else
      out.threshold[to] = cut_of(split, table, options).threshold;
  }
  return out;
}

}  // namespace pygbt
