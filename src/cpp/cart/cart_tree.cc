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

// Nodes of `tree` from the root: children side by side after their parent, a sub-tree close together. Calls visit(node,
// place of its first child in this order, or -1).
template <class Visit>
void in_order(const CartTree& tree, const Visit& visit) {
  std::vector<std::int32_t> node_at{0}, child_at, open{0};
  node_at.reserve(tree.nodes.size());
  child_at.resize(tree.nodes.size(), -1);
  while (!open.empty()) {
    const auto place = static_cast<std::size_t>(open.back());
    open.pop_back();
    const std::int32_t child = tree.nodes[static_cast<std::size_t>(node_at[place])].child;
    if (child < 0) continue;
    const auto next = static_cast<std::int32_t>(node_at.size());
    child_at[place] = next;
    node_at.insert(node_at.end(), {child, child + 1});
    open.insert(open.end(), {next + 1, next});
  }
  for (std::size_t place = 0; place < node_at.size(); ++place) visit(node_at[place], child_at[place]);
}

void add_categories(const SplitCandidate& split, Tree& tree) {
  tree.cat_begin.back() = static_cast<std::int32_t>(tree.cat_bits.size());
  const std::size_t words = (split.branches.size() + 31) / 32;
  tree.cat_words.back() = static_cast<std::int32_t>(words);
  tree.cat_bits.resize(tree.cat_bits.size() + words, 0u);
  std::uint32_t* bits = &tree.cat_bits[tree.cat_bits.size() - words];
  for (std::size_t category = 0; category < split.branches.size(); ++category) {
    // Categories that the node has not seen go where missing values go.
    const bool left = split.branches[category] < 0 ? tree.default_left.back() != 0 : split.branches[category] == 0;
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
  std::vector<std::int32_t> order;
  in_order(tree, [&](std::int32_t node, std::int32_t) { order.push_back(node); });
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
  in_order(tree, [&](std::int32_t from, std::int32_t first_child) {
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
    if (first_child < 0) return;
    out.fallback[to] = node.fallback;
    out.n_surrogates[to] = node.n_surrogates;
    const double scale = improvement_scale(node, response, options.criterion);
    for (const CartQuestion& question : tree.questions_of(node))
      add_question(question, scale, table, options, out.questions);
    out.question_begin.back() = static_cast<std::int32_t>(out.questions.size());
  });
  return out;
}

Tree to_model_tree(const CartTree& tree, const CodedTable& table, const Response& response, const CartOptions& options,
                   std::vector<std::int32_t>* labels) {
  Tree out;
  out.width = tree.n_values;
  const auto width = static_cast<std::size_t>(tree.n_values);
  std::int32_t n_leaves = 0;
  const std::size_t n = tree.nodes.size();
  for (auto* of_node : {&out.left, &out.feature, &out.cat_begin, &out.cat_words}) of_node->reserve(n);
  out.threshold.reserve(n);
  out.default_left.reserve(n);
  out.gain.reserve(n);
  out.cover.reserve(n);
  out.count.reserve(n);
  out.leaf_value.reserve((n + 1) / 2 * width);
  in_order(tree, [&](std::int32_t from, std::int32_t first_child) {
    const CartNode& node = tree.nodes[static_cast<std::size_t>(from)];
    const bool leaf = first_child < 0;
    out.left.push_back(leaf ? ~n_leaves : first_child);
    out.count.push_back(node.count);
    out.cover.push_back(node.weight);
    out.feature.push_back(-1);
    out.threshold.push_back(0.0);
    out.default_left.push_back(0);
    out.cat_begin.push_back(-1);
    out.cat_words.push_back(0);
    out.gain.push_back(0.0f);
    if (leaf) {
      ++n_leaves;
      if (labels != nullptr) labels->push_back(node.label);
      const double* value = tree.value(from);
      double sum = response.n_classes > 0 ? 0.0 : 1.0;
      const auto factor = [&](std::size_t k) {
        return response.n_classes > 0 && k < options.class_factor.size() ? options.class_factor[k] : 1.0;
      };
      for (std::size_t k = 0; k < width && response.n_classes > 0; ++k) sum += factor(k) * value[k];
      for (std::size_t k = 0; k < width; ++k) out.leaf_value.push_back(static_cast<float>(factor(k) * value[k] / sum));
      return;
    }
    const SplitCandidate& split = tree.questions_of(node)[0].split;
    out.feature.back() = split.feature;
    out.default_left.back() = node.fallback == 0 ? 1 : 0;
    const double improvement = split.improvement * improvement_scale(node, response, CartCriterion::kGini);
    out.gain.back() = static_cast<float>(improvement);
    if (split.nominal)
      add_categories(split, out);
    else
      out.threshold.back() = cut_of(split, table, options).threshold;
  });
  return out;
}

}  // namespace pygbt
