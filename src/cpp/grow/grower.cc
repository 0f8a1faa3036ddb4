// SPDX-License-Identifier: Apache-2.0
#include "grow/grower.h"

#include <algorithm>
#include <deque>
#include <limits>

#include "base/error.h"

namespace pygbt {

namespace {

SplitRules split_rules(const Params& params, std::int32_t n_features) {
  SplitRules rules;
  rules.reg_lambda = params.reg_lambda;
  rules.reg_alpha = params.reg_alpha;
  rules.max_delta_step = resolved_max_delta_step(params);
  rules.min_child_weight = params.min_child_weight;
  rules.min_child_samples = params.min_child_samples;
  rules.min_split_gain = params.min_split_gain;
  rules.max_cat_to_onehot = params.max_cat_to_onehot;
  rules.max_cat_threshold = params.max_cat_threshold;
  rules.cat_smooth = params.cat_smooth;
  rules.cat_l2 = params.cat_l2;
  require(
      params.monotone_constraints.empty() || params.monotone_constraints.size() == static_cast<std::size_t>(n_features),
      "monotone_constraints must have one value per feature");
  bool any = false;
  for (const std::int32_t c : params.monotone_constraints) any = any || c != 0;
  if (any)
    for (const std::int32_t c : params.monotone_constraints) rules.monotone.push_back(static_cast<std::int8_t>(c));
  return rules;
}

// Nodes that are expanded at most, 0 where nothing bounds it.
std::int64_t max_nodes(const Params& params) {
  constexpr std::int32_t kDeep = 40;
  std::int64_t most = 0;
  if (params.max_depth > 0 && params.max_depth < kDeep) most = (std::int64_t{2} << params.max_depth) - 1;
  if (params.max_leaves > 0 && (most == 0 || 2 * params.max_leaves - 1 < most)) most = 2 * params.max_leaves - 1;
  return most == 0 ? 0 : most + 2 * kLeavesAhead;
}

GrowLimits limits_of(const Params& params) {
  GrowLimits limits;
  limits.order = params.grow_policy == GrowPolicy::kLossguide   ? GrowOrder::kBestFirst
                 : params.grow_policy == GrowPolicy::kSymmetric ? GrowOrder::kSymmetric
                                                                : GrowOrder::kLevels;
  limits.max_depth = params.max_depth;
  limits.max_leaves = params.max_leaves;
  limits.min_child_samples = params.min_child_samples;
  limits.min_child_weight = params.min_child_weight;
  limits.looks_ahead = params.colsample_bynode >= 1.0;
  return limits;
}

}  // namespace

Grower::Grower(const Params& params, const Cuts& cuts)
    : params_(params),
      cuts_(cuts),
      rules_(split_rules(params, cuts.n_features())),
      leaf_rule_{params.reg_lambda, params.reg_alpha, resolved_max_delta_step(params)},
      columns_(params, cuts.n_features()),
      interactions_(params.interaction_constraints, cuts.n_features()),
      limits_(limits_of(params)) {
  for (FeatureId f = 0; f < cuts.n_features(); ++f)
    require(rules_.monotone_of(f) == 0 || !cuts.features[static_cast<std::size_t>(f)].categorical,
            "monotone_constraints: feature " + std::to_string(f) + " is categorical and has no order");
}

// Value the node would have as a leaf, from histogram sums, within its bounds.
double Grower::weight_of(const Node& node, std::int32_t target) const {
  const auto k = static_cast<std::size_t>(target);
  const double w = leaf_weight(static_cast<double>(node.sums[k].g) * root_.units[k].g,
                               static_cast<double>(node.sums[k].h) * root_.units[k].h, leaf_rule_);
  return node.bounds.lower.empty() ? w : clamp(w, node.bounds.lower[k], node.bounds.upper[k]);
}

bool Grower::can_split(const Node& node) const {
  return pygbt::can_split(limits_, node.depth, node.count, static_cast<std::int32_t>(node.sums.size()),
                          [&](std::int32_t target) {
                            const auto k = static_cast<std::size_t>(target);
                            return static_cast<double>(node.sums[k].h) * rules_.units_of(k, root_.units[k]).h;
                          });
}

// Best cuts of nodes, once the histograms of the step are made.
void Grower::evaluate(Backend& backend, const HistogramStep& step, const std::vector<NodeId>& nodes) {
  std::deque<std::vector<FeatureId>> lists;  // queries point into these
  std::vector<SplitQuery> queries;
  const bool shared = limits_.order == GrowOrder::kSymmetric;
  std::int32_t list_depth = -1;
  for (const NodeId id : nodes) {
    const Node& node = nodes_[static_cast<std::size_t>(id)];
    // Nodes of a level share a list unless each draws or is constrained on its own. A symmetric level is one cut: it
    // draws for its first node, and all its paths are equal.
    const bool own = !shared && (columns_.samples_nodes() || interactions_.active());
    if (own || node.depth != list_depth)
      lists.push_back(interactions_.allowed(columns_.for_node(node.depth, id), node.path));
    list_depth = node.depth;
    SplitQuery query;
    query.node = id;
    query.sums = node.sums;
    query.count = node.count;
    query.features = lists.back();
    query.lower = node.bounds.lower;
    query.upper = node.bounds.upper;
    queries.push_back(query);
  }
  std::vector<Split> splits(nodes.size());
  backend.build_and_split(step, rules_, queries, shared, splits);
  if (feature_penalty_ > 0.0) charge_new_features(backend, queries, splits);
  if (witness_ != nullptr) testify(backend, queries, splits);
  for (std::size_t i = 0; i < nodes.size(); ++i)
    nodes_[static_cast<std::size_t>(nodes[i])].split = std::move(splits[i]);
}

bool Grower::better(NodeId a, NodeId b) const {
  return cut_before(node(a).split.gain, node(a).in_tree, node(b).split.gain, node(b).in_tree);
}

// Takes the nodes to adopt now out of the frontier `candidates`; the rest stays for later (lossguide) or is dropped.
std::vector<NodeId> Grower::choose(std::vector<NodeId>& candidates) const {
  std::vector<NodeId> able;
  for (const NodeId id : candidates)
    if (node(id).split.valid()) able.push_back(id);
  const std::int64_t budget = limits_.budget(n_leaves_);
  const auto by_gain = [&](NodeId a, NodeId b) { return better(a, b); };
  std::vector<NodeId> chosen;
  if (able.empty() || budget <= 0) {
    candidates.clear();
  } else if (limits_.order == GrowOrder::kBestFirst) {
    const auto best = std::min_element(able.begin(), able.end(), by_gain);
    chosen.push_back(*best);
    able.erase(best);
    candidates = able;
  } else if (limits_.order == GrowOrder::kSymmetric) {
    if (static_cast<std::int64_t>(able.size()) <= budget) chosen = able;
    candidates.clear();
  } else {
    if (static_cast<std::int64_t>(able.size()) > budget) {  // the best of the level, then in node order
      std::sort(able.begin(), able.end(), by_gain);
      able.resize(static_cast<std::size_t>(budget));
      std::sort(able.begin(), able.end());
    }
    chosen = able;
    candidates.clear();
  }
  return chosen;
}

// Leaves of the frontier to expand beside the one that is adopted now.
std::vector<NodeId> Grower::look_ahead(const std::vector<NodeId>& frontier) const {
  if (limits_.order != GrowOrder::kBestFirst) return {};
  std::vector<NodeId> bare;
  for (const NodeId id : frontier)
    if (!node(id).expanded()) bare.push_back(id);
  const auto n = static_cast<std::size_t>(leaves_ahead(limits_, n_leaves_,
                                                       static_cast<std::int64_t>(frontier.size() - bare.size()),
                                                       static_cast<std::int64_t>(bare.size())));
  const auto end = bare.begin() + static_cast<std::ptrdiff_t>(n);
  std::partial_sort(bare.begin(), end, bare.end(), [&](NodeId a, NodeId b) { return better(a, b); });
  bare.erase(end, bare.end());
  return bare;
}

// Moves the rows of nodes to their children, which it makes.
void Grower::partition(Backend& backend, const std::vector<NodeId>& nodes, bool last) {
  for (const NodeId id : nodes) {
    node(id).left = static_cast<NodeId>(nodes_.size());
    nodes_.resize(nodes_.size() + 2);
  }
  std::vector<NodeCut> cuts;
  for (const NodeId id : nodes) {
    const bool deepest = limits_.deepest(node(id).depth + 1);
    cuts.push_back({id, node(id).left, &node(id).split, !ordered_leaves_ && (deepest || last)});
  }
  std::vector<std::int64_t> left_counts(nodes.size());
  backend.partition(cuts, left_counts);

  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const Node& parent = node(nodes[i]);
    Node& left = node(parent.left);
    Node& right = node(parent.left + 1);
    left.depth = right.depth = parent.depth + 1;
    left.count = left_counts[i];
    right.count = parent.count - left_counts[i];
    left.sums = parent.split.left;
    for (std::size_t k = 0; k < parent.sums.size(); ++k) right.sums.push_back(parent.sums[k] - left.sums[k]);
    if (!parent.bounds.lower.empty()) {
      left.bounds = right.bounds = parent.bounds;
      std::vector<double> left_weight, right_weight;
      for (std::int32_t k = 0; k < tree_.width; ++k) {
        left_weight.push_back(weight_of(left, k));
        right_weight.push_back(weight_of(right, k));
      }
      child_bounds(parent.bounds, rules_.monotone_of(parent.split.feature), left_weight, right_weight, left.bounds,
                   right.bounds);
    }
    if (interactions_.active()) {
      left.path = parent.path;
      if (std::find(left.path.begin(), left.path.end(), parent.split.feature) == left.path.end())
        left.path.push_back(parent.split.feature);
      right.path = left.path;
    }
  }
}

// Children of nodes with their best cuts; none is looked for where the nodes are the last to be adopted.
void Grower::expand(Backend& backend, const std::vector<NodeId>& nodes, bool last) {
  partition(backend, nodes, last);
  std::vector<NodeId> open;
  for (const NodeId id : nodes)
    for (const NodeId child : {node(id).left, node(id).left + 1})
      if (!last && can_split(node(child))) open.push_back(child);
  if (open.empty()) {
    backend.release(nodes);
    return;
  }
  evaluate_children(backend, nodes, open);
}

// Writes the cuts of expanded nodes into the tree and puts their children into the frontier.
void Grower::adopt(const std::vector<NodeId>& chosen, std::vector<NodeId>& frontier) {
  for (const NodeId id : chosen) {
    const Split& split = node(id).split;
    const auto left = static_cast<NodeId>(tree_.nodes.size());
    BinnedNode& out = tree_.nodes[static_cast<std::size_t>(node(id).in_tree)];
    if (used_features_ != nullptr) (*used_features_)[static_cast<std::size_t>(split.feature)] = 1;
    out.left = left;
    out.feature = split.feature;
    out.bin = split.bin;
    out.missing_left = split.missing_left;
    out.gain = static_cast<float>(split.gain);
    if (split.categorical) {
      out.bin = 0;
      out.cat_begin = static_cast<std::int32_t>(tree_.cat_bits.size());
      out.cat_words = static_cast<std::int32_t>(split.left_bins.size());
      tree_.cat_bits.insert(tree_.cat_bits.end(), split.left_bins.begin(), split.left_bins.end());
    }
    tree_.nodes.resize(tree_.nodes.size() + 2);
    for (const NodeId side : {0, 1}) {
      const NodeId child = node(id).left + side;
      node(child).in_tree = left + side;
      in_tree_order_.push_back(child);
      if (node(child).split.valid()) frontier.push_back(child);
    }
  }
  n_leaves_ += static_cast<std::int64_t>(chosen.size());
}

// Histograms and best cuts of the children that may split (`open`): the smaller sibling is built, the larger is parent -
// smaller. Nodes that cannot split get none, and the parents' are given back.
void Grower::evaluate_children(Backend& backend, const std::vector<NodeId>& parents, const std::vector<NodeId>& open) {
  std::vector<NodeId> built, done;
  std::vector<SiblingPair> pairs;
  for (const NodeId id : parents) {
    const NodeId left = node(id).left;
    const Node& a = node(left);
    const Node& b = node(left + 1);
    const NodeId smaller = a.count <= b.count ? left : left + 1;
    const NodeId larger = smaller == left ? left + 1 : left;
    const bool needs_larger = can_split(smaller == left ? b : a);
    const bool needs_smaller = can_split(smaller == left ? a : b);
    if (needs_larger || needs_smaller) built.push_back(smaller);
    if (needs_larger) pairs.push_back({id, smaller, larger});
    if (needs_larger && !needs_smaller) done.push_back(smaller);
    if (!needs_larger) done.push_back(id);
  }
  const bool more_asked = feature_penalty_ > 0.0 || witness_ != nullptr;
  const bool last = !more_asked && std::all_of(open.begin(), open.end(),
                                               [&](NodeId id) { return limits_.deepest(node(id).depth + 1); });
  evaluate(backend, {built, pairs, last}, open);
  backend.release(done);
}

GrownTree Grower::grow(Backend& backend, const TreeRequest& request, std::uint32_t tree_number, double learning_rate,
                       std::span<const double> quantile_levels) {
  TreeRequest full = request;
  full.count_rows = rules_.counts_needed();
  full.max_nodes = max_nodes(params_);
  ordered_leaves_ = !quantile_levels.empty();
  root_ = backend.begin_tree(full);
  double hessian = 0.0;
  for (std::size_t k = 0; k < root_.sums.size(); ++k)
    hessian += static_cast<double>(root_.sums[k].h) * root_.units[k].h;
  rules_.min_category_hessian = root_.weight > 0.0 ? params_.min_cat_weight * hessian / root_.weight : 0.0;
  columns_.begin_tree(tree_number);
  tree_ = BinnedTree{};
  tree_.width = leaf_width(request);
  tree_.target = first_leaf_target(request);
  tree_.nodes.resize(1);
  nodes_.assign(1, Node{});
  in_tree_order_.assign(1, 0);
  n_leaves_ = 1;
  nodes_[0].count = root_.count;
  nodes_[0].sums = root_.sums;
  if (!rules_.monotone.empty()) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    nodes_[0].bounds.lower.assign(static_cast<std::size_t>(request.width), -kInfinity);
    nodes_[0].bounds.upper.assign(static_cast<std::size_t>(request.width), kInfinity);
  }

  std::vector<NodeId> frontier;  // nodes with a histogram whose best cut is known
  if (stem_ != nullptr && stem_->cuts[0].split.valid()) {
    grow_stem(backend, frontier);
  } else if (can_split(nodes_[0])) {
    const std::vector<NodeId> root = {0};
    evaluate(backend, {root, {}, false}, root);
    frontier.push_back(0);
  }
  while (true) {
    const std::vector<NodeId> chosen = choose(frontier);
    if (chosen.empty()) break;
    if (!node(chosen[0]).expanded()) {
      const bool last = limits_.budget(n_leaves_) <= static_cast<std::int64_t>(chosen.size());
      std::vector<NodeId> nodes = chosen;
      const std::vector<NodeId> ahead = look_ahead(frontier);
      nodes.insert(nodes.end(), ahead.begin(), ahead.end());
      expand(backend, nodes, last);
    }
    adopt(chosen, frontier);
  }

  GrownTree grown;
  grown.tree = std::move(tree_);
  set_leaf_values(backend, grown, learning_rate, quantile_levels);
  return grown;
}

// Numbers the leaves in node order and gives them values; covers and counts are added up from the leaves.
void Grower::set_leaf_values(Backend& backend, GrownTree& grown, double learning_rate,
                             std::span<const double> quantile_levels) {
  BinnedTree& tree = grown.tree;
  for (NodeId id = 0; id < static_cast<NodeId>(tree.nodes.size()); ++id) {
    BinnedNode& out = tree.nodes[static_cast<std::size_t>(id)];
    const NodeId grown_as = in_tree_order_[static_cast<std::size_t>(id)];
    out.count = node(grown_as).count;
    if (out.left >= 0) continue;
    out.left = ~static_cast<std::int32_t>(grown.leaf_nodes.size());
    grown.leaf_nodes.push_back(grown_as);
  }
  const auto width = static_cast<std::size_t>(tree.width);
  const std::size_t n_leaves = grown.leaf_nodes.size();
  std::vector<Cell> sums(n_leaves * width);
  backend.leaf_sums(grown.leaf_nodes, sums);
  std::vector<double> values(n_leaves * width);
  for (std::size_t leaf = 0; leaf < n_leaves; ++leaf) {
    const Node& node = nodes_[static_cast<std::size_t>(grown.leaf_nodes[leaf])];
    for (std::size_t k = 0; k < width; ++k) {
      const Cell& sum = sums[leaf * width + k];
      double w = leaf_weight(static_cast<double>(sum.g) * root_.leaf_units[k].g,
                             static_cast<double>(sum.h) * root_.leaf_units[k].h, leaf_rule_);
      if (!node.bounds.lower.empty()) w = clamp(w, node.bounds.lower[k], node.bounds.upper[k]);
      values[leaf * width + k] = w;
    }
  }
  if (leaf_solver_ != nullptr)
    leaf_solver_->solve(backend, grown.leaf_nodes, tree.target, sums, root_.leaf_units, values);
  if (!quantile_levels.empty()) take_quantiles(backend, grown, quantile_levels, values);
  tree.leaf_value.resize(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) tree.leaf_value[i] = static_cast<float>(learning_rate * values[i]);

  add_covers(tree, sums, root_.leaf_units);
}

// values [leaf][width] of the targets with a level: quantiles of the leaf's residuals.
void Grower::take_quantiles(Backend& backend, const GrownTree& grown, std::span<const double> levels,
                            std::vector<double>& values) {
  const auto width = static_cast<std::size_t>(grown.tree.width);
  std::vector<float> quantiles(grown.leaf_nodes.size());
  for (std::size_t k = 0; k < width; ++k) {
    if (levels[k] < 0.0) continue;
    const std::int32_t target = grown.tree.target + static_cast<std::int32_t>(k);
    backend.leaf_quantiles(grown.leaf_nodes, target, levels[k], quantiles);
    std::vector<double> of_target(quantiles.begin(), quantiles.end());
    if (!rules_.monotone.empty()) enforce_monotone(grown.tree, rules_.monotone, of_target);
    for (std::size_t leaf = 0; leaf < of_target.size(); ++leaf) values[leaf * width + k] = of_target[leaf];
  }
}

// Hessian sums of all nodes from those of the leaves [leaf][width].
void Grower::add_covers(BinnedTree& tree, std::span<const Cell> leaf_sums, std::span<const CellUnits> leaf_units) {
  const auto width = static_cast<std::size_t>(tree.width);
  std::vector<Cell> below(tree.nodes.size() * width);
  for (std::size_t i = tree.nodes.size(); i-- > 0;) {
    BinnedNode& node = tree.nodes[i];
    for (std::size_t k = 0; k < width; ++k) {
      Cell& sum = below[i * width + k];
      if (node.left < 0) {
        sum = leaf_sums[static_cast<std::size_t>(~node.left) * width + k];
      } else {
        const std::size_t child = static_cast<std::size_t>(node.left) * width + k;
        sum = below[child] + below[child + width];
      }
      node.cover += static_cast<double>(sum.h) * leaf_units[k].h;
    }
  }
}

TreeKind Grower::kind(std::int32_t width) const {
  TreeKind kind;
  kind.limits = limits_;
  kind.rules = rules_;
  kind.min_cat_weight = params_.min_cat_weight;
  kind.max_nodes = max_nodes(params_);
  kind.width = width;
  kind.feature_penalty = feature_penalty_;
  if (witness_ != nullptr) kind.witnesses = witness_->tasks();
  if (leaf_solver_ != nullptr) kind.full_leaves = leaf_solver_->order();
  return kind;
}

TreeOrder Grower::order(const TreeKind& kind, const TreeRequest& request, std::uint32_t tree_number,
                        double learning_rate, std::span<const double> quantile_levels) {
  TreeOrder order;
  order.request = request;
  order.request.count_rows = rules_.counts_needed();
  order.request.max_nodes = kind.max_nodes;
  order.kind = kind;
  order.learning_rate = learning_rate;
  order.quantile_levels.assign(quantile_levels.begin(), quantile_levels.end());
  if (used_features_ != nullptr) order.used_features = *used_features_;
  columns_.begin_tree(tree_number);
  const std::int32_t deepest =
      limits_.max_depth > 0 ? limits_.max_depth : static_cast<std::int32_t>(limits_.max_leaves);
  const std::int32_t n_lists = columns_.samples_levels() ? std::max(deepest, 1) : 1;
  order.draws.tree = tree_number;
  order.draws.unit_of = columns_.unit_of();
  order.draws.weights = columns_.unit_weight();
  order.interactions = interactions_.members();
  for (std::int32_t depth = 0; depth < n_lists; ++depth) {
    order.features.push_back(columns_.of_level(depth));
    if (columns_.samples_nodes()) order.draws.levels.push_back(columns_.units_of_level(depth));
  }
  return order;
}

BinnedTree Grower::finished(OrderedTree ordered) {
  add_covers(ordered.tree, ordered.leaf_sums, ordered.leaf_units);
  return std::move(ordered.tree);
}

}  // namespace pygbt
