// SPDX-License-Identifier: Apache-2.0
#include "cart/cart_tree.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace pygbt {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ValueCut cut_of(const CartQuestion& question, const CodedTable& table, const CartOptions& options) {
  if (question.is_drawn) return {question.drawn, question.drawn, question.drawn};
  const auto [low, high] = question.cut;
  if (low == high) {  // all values against the missing ones
    const CodedColumn& column = table.columns[static_cast<std::size_t>(question.feature)];
    const double most = std::numeric_limits<double>::infinity();
    const double value = column.keyed() || low <= column.value.size() ? column.number(low) : most;
    return {column.wide ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max(), value, value};
  }
  return cut_between(table, question.feature, low, high, options.midpoint);
}

std::span<const std::int8_t> branches_of(const CartQuestion& question, const CodedTable& table) {
  const CodedColumn& column = table.columns[static_cast<std::size_t>(question.feature)];
  return {question.branches, static_cast<std::size_t>(column.n_codes - 1)};
}

void add_question(const CartQuestion& question, bool surrogate, double scale, const CodedTable& table,
                  const CartOptions& options, Questions& to) {
  const bool nominal = question.branches != nullptr;
  to.feature.push_back(question.feature);
  const ValueCut cut = nominal ? ValueCut{kNaN, kNaN, kNaN} : cut_of(question, table, options);
  to.threshold.push_back(cut.threshold);
  to.lower.push_back(cut.lower);
  to.upper.push_back(cut.upper);
  to.low_child.push_back(question.low_child);
  to.branch_begin.push_back(nominal ? static_cast<std::int32_t>(to.branches.size()) : -1);
  const auto branches = nominal ? branches_of(question, table) : std::span<const std::int8_t>();
  to.n_branches.push_back(static_cast<std::int32_t>(branches.size()));
  to.branches.insert(to.branches.end(), branches.begin(), branches.end());
  to.improvement.push_back(surrogate ? 0.0 : question.goodness * scale);
  to.agreement.push_back(surrogate ? question.goodness : 0.0);
  to.adjusted.push_back(surrogate ? question.improvement : 0.0);
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
  order.node.reserve(tree.most_nodes());
  order.child.reserve(tree.most_nodes());
  order.node.push_back(0);
  order.child.push_back(-1);
  std::vector<std::int32_t> open{0};
  while (!open.empty()) {
    const auto place = static_cast<std::size_t>(open.back());
    open.pop_back();
    const std::int32_t child = tree.node(order.node[place]).child;
    if (child < 0) continue;
    const auto next = static_cast<std::int32_t>(order.node.size());
    order.child[place] = next;
    for (const std::int32_t side : {0, 1}) {
      order.node.push_back(child + side);
      order.child.push_back(-1);
    }
    open.push_back(next + 1);
    open.push_back(next);
  }
  return order;
}

void add_categories(std::span<const std::int8_t> branches, std::size_t node, Tree& tree) {
  std::uint32_t* bits = tree.add_set(node, (branches.size() + 31) / 32);
  for (std::size_t category = 0; category < branches.size(); ++category) {
    // Categories that the node has not seen go where missing values go.
    const bool left = branches[category] < 0 ? tree.default_left[node] != 0 : branches[category] == 0;
    if (left) bits[category / 32] |= 1u << (category % 32);
  }
}

}  // namespace

void CartTree::start(std::int32_t n_values, std::size_t most_cases, std::size_t n_writers, std::size_t most_questions) {
  constexpr std::size_t kQuestions = 1 << 11;
  // A writer has one block that is not full.
  const std::size_t most_blocks = (2 * most_cases + 2) / static_cast<std::size_t>(kBlock) + 1 + n_writers;
  if (n_values != n_values_) blocks_.clear();
  blocks_.resize(std::max(blocks_.size(), most_blocks));
  n_values_ = n_values;
  n_writers_ = n_writers;
  n_blocks_ = n_question_blocks_ = 0;
  const std::size_t questions = std::max(kQuestions, 4 * most_questions);
  if (questions != questions_a_block_) questions_.clear();
  questions_a_block_ = questions;
  branches_.clear();
}

std::int32_t CartTree::take_block() {
  const std::lock_guard lock(taking_);
  const std::size_t index = n_blocks_++;
  Block& taken = blocks_[index];
  const std::size_t bytes = sizeof(CartNode) + static_cast<std::size_t>(n_values_) * sizeof(double);
  taken.memory.resize(static_cast<std::size_t>(kBlock) * bytes);
  taken.used = 0;
  return static_cast<std::int32_t>(index) << kBlockBits;
}

std::span<CartQuestion> CartTree::take_questions() {
  const std::lock_guard lock(taking_);
  if (n_question_blocks_ == questions_.size()) questions_.emplace_back();
  PageVector<CartQuestion>& taken = questions_[n_question_blocks_++];
  taken.resize(questions_a_block_);
  return taken;
}

void CartTree::forget(std::int32_t node) {
  Block& of = block(node);
  if (--of.used == 0) of.memory = PageVector<std::byte>();
}

std::int32_t CartTree::Writer::add_root() { return add(1); }

std::int32_t CartTree::Writer::add_two() { return add(2); }

// n nodes in the place of two.
std::int32_t CartTree::Writer::add(std::int32_t n) {
  if (next_ == end_) {
    next_ = tree_->take_block();
    end_ = next_ + kBlock;
  }
  const std::int32_t first = next_;
  next_ += 2;
  CartTree::Block& block = tree_->block(first);
  block.used += n;
  std::fill_n(block.nodes() + (first & kInBlock), 2, CartNode());
  return first;
}

void CartTree::Writer::ask(CartNode& node, const SplitCandidate& asked, std::span<const Surrogate> surrogates,
                           std::span<const SplitCandidate> competitors) {
  const std::size_t n = 1 + surrogates.size() + competitors.size();
  if (questions_left_ < n) {
    const std::span<CartQuestion> taken = tree_->take_questions();
    question_ = taken.data();
    questions_left_ = taken.size();
  }
  questions_left_ -= n;
  node.questions = question_;
  node.n_questions = static_cast<std::int32_t>(n);
  node.n_surrogates = static_cast<std::int32_t>(surrogates.size());
  put(asked, asked.goodness, asked.improvement);
  for (const Surrogate& one : surrogates) put(one.split, one.agreement, one.adjusted);
  for (const SplitCandidate& one : competitors) put(one, one.goodness, one.improvement);
}

void CartTree::Writer::put(const SplitCandidate& split, double goodness, double improvement) {
  CartQuestion question;
  question.goodness = goodness;
  question.improvement = improvement;
  question.feature = split.feature;
  question.low_child = split.low_child;
  question.is_drawn = split.is_drawn;
  if (split.is_drawn) {
    question.drawn = split.drawn;
  } else {
    question.cut[0] = split.low;
    question.cut[1] = split.high;
  }
  if (split.nominal) {
    const std::lock_guard lock(tree_->taking_);
    question.branches = tree_->branches_.emplace_back(split.branches).data();
  }
  ::new (static_cast<void*>(question_++)) CartQuestion(question);
}

void undo_weak_splits(CartTree& tree, double alpha) {
  const NodeOrder order = in_order(tree);
  std::vector<double> cost(order.node.size(), 0.0);  // of the best pruning below a node, alpha for each leaf
  for (std::size_t at = order.node.size(); at-- > 0;) {
    CartNode& node = tree.node(order.node[at]);
    cost[at] = node.risk + alpha;
    if (node.child < 0) continue;
    const auto child = static_cast<std::size_t>(order.child[at]);
    const double below = cost[child] + cost[child + 1];
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

DecisionTree to_decision_tree(CartTree& tree, const CodedTable& table, const Response& response,
                              const CartOptions& options) {
  DecisionTree out;
  out.classifier = response.n_classes > 0;
  out.n_values = tree.n_values();
  if (out.classifier) {
    out.class_factor = options.class_factor;
    out.class_factor.resize(static_cast<std::size_t>(tree.n_values()), 1.0);
  }
  const NodeOrder order = in_order(tree);
  std::size_t n_questions = 0;
  for (const std::int32_t node : order.node) n_questions += tree.node(node).asked().size();
  reserve(out, order.node.size(), n_questions);
  for (std::size_t place = 0; place < order.node.size(); ++place) {
    const std::int32_t from = order.node[place], first_child = order.child[place];
    const CartNode& node = tree.node(from);
    const auto to = static_cast<std::size_t>(add_leaf(out));
    out.first_child[to] = first_child;
    out.n_children[to] = first_child < 0 ? 0 : 2;
    out.count[to] = node.count;
    out.weight[to] = node.weight;
    out.label[to] = node.label;
    out.risk[to] = node.risk;
    out.impurity[to] = node.impurity;
    std::copy_n(tree.value(from), out.n_values, out.value.end() - out.n_values);
    if (first_child >= 0) {
      out.fallback[to] = node.fallback;
      out.n_surrogates[to] = node.n_surrogates;
      const double scale = improvement_scale(node, response, options.criterion);
      for (std::int32_t q = 0; q < node.n_questions; ++q)
        add_question(node.questions[q], q > 0 && q <= node.n_surrogates, scale, table, options, out.questions);
      out.question_begin.back() = static_cast<std::int32_t>(out.questions.size());
    }
    tree.forget(from);
  }
  return out;
}

Tree to_model_tree(const CartTree& tree, const CodedTable& table, const Response& response, const CartOptions& options,
                   std::vector<std::int32_t>* labels) {
  Tree out;
  out.width = tree.n_values();
  const auto width = static_cast<std::size_t>(tree.n_values());
  // One writer that grows depth first adds the nodes in this order, the root in the place of two.
  const bool as_grown = tree.n_writers() == 1 && options.cp < 0.0 && options.max_leaves == 0;
  const NodeOrder order = as_grown ? NodeOrder() : in_order(tree);
  const std::size_t n = as_grown ? tree.n_nodes() : order.node.size(), n_leaves = (n + 1) / 2;
  out.left.resize(n);
  out.feature.assign(n, -1);
  out.threshold.assign(n, 0.0);
  out.default_left.assign(n, 0);
  out.gain.assign(n, 0.0f);
  out.cover.resize(n);
  out.count.resize(n);
  out.leaf_value.resize(n_leaves * width);
  const bool classes = response.n_classes > 0;
  std::vector<double> factor(width, 1.0), weighted(width);
  if (classes) std::copy(options.class_factor.begin(), options.class_factor.end(), factor.begin());
  std::size_t leaf = 0;
  for (std::size_t to = 0; to < n; ++to) {
    const std::int32_t from = !as_grown ? order.node[to] : to == 0 ? 0 : static_cast<std::int32_t>(to) + 1;
    const CartNode& node = tree.node(from);
    const std::int32_t child = !as_grown ? order.child[to] : node.child < 0 ? -1 : node.child - 1;
    out.count[to] = node.count;
    out.cover[to] = node.weight;
    if (child < 0) {
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
    const CartQuestion& asked = node.questions[0];
    out.left[to] = child;
    out.feature[to] = asked.feature;
    out.default_left[to] = node.fallback == 0 ? 1 : 0;
    out.gain[to] = static_cast<float>(asked.improvement * improvement_scale(node, response, CartCriterion::kGini));
    if (asked.branches != nullptr)
      add_categories(branches_of(asked, table), to, out);
    else
      out.threshold[to] = cut_of(asked, table, options).threshold;
  }
  return out;
}

}  // namespace pygbt
