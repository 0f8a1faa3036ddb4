// SPDX-License-Identifier: Apache-2.0
// What leads the growth of a tree on the device, one block each: where it starts, which nodes a step expands, what becomes
// of their children. All of it follows from what a launch over rows or features has found, and its last block does it
// (block.h, Arrivals). Launched by queue_tree.cu.
#pragma once

#include <cstdint>
#include <limits>

#include "block.h"
#include "device.h"
#include "frontier.h"
#include "math/layout.h"

namespace pygbt::device {

// A node that is searched for a cut as number `q` of the step. sibling: of a histogram that still is the parent's.
PYGBT_KERNEL void write_query(const Frontier& tree, std::int32_t q, NodeId id, const HistogramPlace& sibling) {
  const GrowNode& node = tree.nodes[id];
  const bool shared = tree.limits.order == GrowOrder::kSymmetric;
  tree.searched[q] = id;
  tree.queries[q] = {tree.place(node.slot), sibling, node.count, shared ? 0 : q, tree.ranges != nullptr};
  if (!shared) tree.sets[q] = {q, 1, tree.lists_by_depth ? node.depth : 0};
  for (std::int32_t k = 0; k < tree.width; ++k) {
    const std::int64_t from = row_major(id, k, tree.width), to = row_major(q, k, tree.width);
    tree.query_sums[to] = tree.sums[from];
    if (tree.ranges == nullptr) continue;
    tree.query_lower[to] = tree.ranges[from].lower;
    tree.query_upper[to] = tree.ranges[from].upper;
  }
}

// The root, or nothing where an earlier tree has stopped the queue, or this one's precision was guessed wrong. Clears the
// sums of its rows for the next tree.
struct StartKernel {
  Frontier tree;
  const TreeArguments* arguments;
  DrawnSums* drawn;  // [width]
  const DrawnSums* totals;  // [width] of narrow integers over all rows
  const std::uint32_t* extremes;  // [target][2]
  const Quantiser* scales;  // [target][kPrecisions]
  const std::int64_t* n_counted;  // [1] rows that were drawn; nullptr = all
  std::int64_t* n_drawn;  // [1] the same, kept for the walk of the others
  std::int32_t* stop;  // [1]
  std::int64_t n_rows;
  std::uint64_t total_weight;
  double weight_unit, min_cat_weight;
  bool wide, guessed;

  PYGBT_KERNEL void operator()() const {
    if (thread() == 0) start();
    sync();
    for (std::int32_t k = thread(); k < tree.width; k += n_threads()) drawn[k] = DrawnSums{};
    const bool runs = *stop == 0;
    if (thread() == 0 && runs && tree.state->n_queries > 0) {
      write_query(tree, 0, 0, {});
      tree.built.items[0] = {0, tree.nodes[0].count, 0, 0};
      tree.places[0] = tree.place(0);
    }
    tree.built.cut(tree.state->n_queries, tree.histogram_size);
  }

  PYGBT_KERNEL bool needs_wide(std::int32_t k) const {
    const std::int32_t target = arguments->first_target + k;
    const Quantiser& narrow = scales[target * kPrecisions + static_cast<int>(Precision::kNarrow)];
    const auto most = [&](int i) { return static_cast<double>(std::bit_cast<float>(extremes[2 * target + i])); };
    const double weight = static_cast<double>(total_weight) * weight_unit;
    const std::int64_t mean = totals[k].g < 0 ? -totals[k].g : totals[k].g;
    const double spread_g = static_cast<double>(totals[k].magnitude - mean) * (weight_unit / narrow.g_scale) / weight;
    const double mean_h = static_cast<double>(totals[k].h) * (weight_unit / narrow.h_scale) / weight;
    return !narrow_is_enough(most(0), spread_g, most(1), mean_h, total_weight);
  }

  PYGBT_KERNEL void start() const {
    FrontierState& state = *tree.state;
    state = FrontierState{};
    if (*stop == 0 && guessed) {
      bool needed = false;
      for (std::int32_t k = 0; k < tree.width; ++k) needed = needed || needs_wide(k);
      if (needed != wide) *stop = 1;
    }
    if (*stop != 0) {
      *n_drawn = n_rows;  // no row walks the tree
      return;
    }
    const auto precision = static_cast<int>(wide ? Precision::kWide : Precision::kNarrow);
    double hessian = 0.0;
    for (std::int32_t k = 0; k < tree.width; ++k) {
      const Quantiser* const of_target = scales + (arguments->first_target + k) * kPrecisions;
      const Quantiser& leaf = of_target[static_cast<int>(Precision::kLeaf)];
      tree.g_units[k] = weight_unit / of_target[precision].g_scale;
      tree.h_units()[k] = weight_unit / of_target[precision].h_scale;
      tree.leaf_g_units()[k] = weight_unit / leaf.g_scale;
      tree.leaf_h_units()[k] = weight_unit / leaf.h_scale;
      tree.sums[k] = {drawn[k].g, drawn[k].h};
      if (tree.ranges != nullptr)
        tree.ranges[k] = {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
      hessian += static_cast<double>(drawn[k].h) * tree.h_units()[k];
    }
    const double weight = static_cast<double>(drawn[0].weight) * weight_unit;
    *tree.min_category_hessian = weight > 0.0 ? min_cat_weight * hessian / weight : 0.0;
    GrowNode root;
    root.count = *n_drawn = n_counted == nullptr ? n_rows : *n_counted;
    root.in_tree = 0;
    root.slot = 0;
    tree.nodes[0] = root;
    tree.cuts[0] = Candidate{};
    tree.in_tree[0] = 0;
    state.n_nodes = state.n_in_tree = state.n_leaves = state.n_slots = 1;
    state.n_queries = state.n_sets = tree.can_split(root, tree.sums) ? 1 : 0;
    if (state.n_queries > 0) tree.sets[0] = {0, 1, 0};
  }
};

// Histograms to zero, all that the tree may have: each is added up once. Beside what reads the rows, a cell a thread.
struct ClearKernel {
  Cell* cells;
  std::int64_t* counts;  // or nullptr
  std::int64_t n_cells, n_counts;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = first_row(); i < n_cells; i += row_step()) cells[i] = Cell{0, 0};
    if (counts == nullptr) return;
    for (std::int64_t i = first_row(); i < n_counts; i += row_step()) counts[i] = 0;
  }
  std::int64_t n() const { return n_cells; }
};

// Chooses the nodes that are cut now, and those that are expanded with them; makes their children, without rows yet.
struct ExpandKernel {
  Frontier tree;
  const Feature* features;

  PYGBT_KERNEL void operator()() const {
    const FrontierState before = *tree.state;
    sync();
    FrontierState after = before;
    if (tree.limits.order == GrowOrder::kBestFirst)
      best_first(after);
    else
      level(after);
    after.n_nodes += 2 * after.n_expanded;
    if (thread() == 0) *tree.state = after;
    tree.tiles.cut(after.n_expanded, tree.tile_size);
  }

  PYGBT_KERNEL bool has_cut(NodeId id) const { return tree.cuts[id].feature >= 0; }

  PYGBT_KERNEL void level(FrontierState& state) const {
    std::int64_t n_able = 0;
    for (std::int32_t q = thread(); q < state.n_queries; q += n_threads()) n_able += has_cut(tree.searched[q]);
    n_able = block_sum(n_able, shared<std::int64_t>());
    const std::int64_t budget = tree.limits.budget(state.n_leaves);
    const bool all = n_able <= budget;
    const bool none = budget <= 0 || (!all && tree.limits.order == GrowOrder::kSymmetric);
    std::int32_t n = 0;
    for (std::int32_t begin = 0; begin < state.n_queries; begin += n_threads()) {
      const std::int32_t q = begin + thread();
      const NodeId id = q < state.n_queries ? tree.searched[q] : kNoNode;
      const bool chosen = id >= 0 && !none && has_cut(id) && (all || rank(id, state.n_queries) < budget);
      std::int32_t total = 0;
      const std::int32_t item = n + block_scan<std::int32_t>(chosen, shared<std::int32_t>(), total);
      if (chosen) {
        expand(state, item, id);
        adopt(state.n_in_tree + 2 * item, id);
      }
      n += total;
    }
    state.n_expanded = n;
    state.last = budget <= n;
    state.n_leaves += n;
    state.n_in_tree += 2 * n;
  }

  // Nodes of the level that come first.
  PYGBT_KERNEL std::int64_t rank(NodeId id, std::int32_t n_queries) const {
    std::int64_t n = 0;
    for (std::int32_t q = 0; q < n_queries; ++q) {
      const NodeId other = tree.searched[q];
      n += has_cut(other) && cut_before(tree.cuts[other].gain, other, tree.cuts[id].gain, id);
    }
    return n;
  }

  // A leaf that may be cut.
  struct Pick {
    double gain = 0.0;
    NodeId in_tree = kNoNode;
    NodeId node = kNoNode;
    PYGBT_KERNEL bool before(const Pick& other) const {
      if ((node >= 0) != (other.node >= 0)) return node >= 0;
      return cut_before(gain, in_tree, other.gain, other.in_tree);
    }
  };
  // The first of the leaves, after `last` if there is one; `bare`: only those without children.
  PYGBT_KERNEL Pick first_leaf(std::int32_t n_nodes, const Pick& last, bool bare) const {
    Pick best;
    for (NodeId id = thread(); id < n_nodes; id += n_threads()) {
      const GrowNode& node = tree.nodes[id];
      if (node.in_tree < 0 || node.cut || !has_cut(id) || (bare && node.left >= 0)) continue;
      const Pick pick{tree.cuts[id].gain, node.in_tree, id};
      if ((last.node < 0 || last.before(pick)) && pick.before(best)) best = pick;
    }
    return first_of_block(best, shared<Pick>());
  }

  PYGBT_KERNEL void best_first(FrontierState& state) const {
    state.n_expanded = 0;
    for (;;) {
      const Pick best = first_leaf(state.n_nodes, Pick{}, false);
      const std::int64_t budget = tree.limits.budget(state.n_leaves);
      if (best.node < 0 || budget <= 0) return;
      const bool expanded = tree.nodes[best.node].left >= 0;
      sync();
      if (!expanded) look_ahead(state, best, budget);
      if (thread() == 0) adopt(state.n_in_tree, best.node);
      sync();
      ++state.n_leaves;
      state.n_in_tree += 2;
      if (!expanded) return;
    }
  }

  // Expands the best leaf and the next ones.
  PYGBT_KERNEL void look_ahead(FrontierState& state, const Pick& best, std::int64_t budget) const {
    std::int32_t n_expanded = 0, n_bare = 0;
    for (NodeId id = thread(); id < state.n_nodes; id += n_threads()) {
      const GrowNode& node = tree.nodes[id];
      if (node.in_tree < 0 || node.cut || !has_cut(id) || id == best.node) continue;
      ++(node.left >= 0 ? n_expanded : n_bare);
    }
    n_expanded = block_sum(n_expanded, shared<std::int32_t>());
    n_bare = block_sum(n_bare, shared<std::int32_t>());
    const auto n_ahead = static_cast<std::int32_t>(leaves_ahead(tree.limits, state.n_leaves, n_expanded, n_bare));
    Pick pick = best;
    for (std::int32_t item = 0;; ++item) {
      if (thread() == 0) expand(state, item, pick.node);
      sync();
      if (item == n_ahead) break;
      pick = first_leaf(state.n_nodes, pick, true);
    }
    state.n_expanded = n_ahead + 1;
    state.last = budget <= 1;
  }

  // Gives a node its children, as item number `item` of the step.
  PYGBT_KERNEL void expand(const FrontierState& state, std::int32_t item, NodeId id) const {
    GrowNode& node = tree.nodes[id];
    const Candidate& cut = tree.cuts[id];
    node.left = state.n_nodes + 2 * item;
    for (const NodeId child : {node.left, node.left + 1}) {
      GrowNode fresh;
      fresh.depth = node.depth + 1;
      tree.nodes[child] = fresh;
      tree.cuts[child] = Candidate{};
    }
    const bool categorical = features[cut.feature].categorical;
    tree.expanded[item] = id;
    tree.moved[item] = {cut.feature, cut.bin, cut.missing_left, categorical ? id * tree.n_words : -1,
                        categorical ? words_of(features[cut.feature]) : 0};
    tree.tiles.items[item] = {node.begin, node.count, item, node.buffer};
  }

  // Makes the cut of a node part of the tree, its children nodes `left` and left + 1 there.
  PYGBT_KERNEL void adopt(NodeId left, NodeId id) const {
    GrowNode& node = tree.nodes[id];
    node.cut = true;
    for (const NodeId side : {0, 1}) {
      tree.nodes[node.left + side].in_tree = left + side;
      tree.in_tree[left + side] = node.left + side;
    }
  }
};

// Rows, sums and bounds of the children; which of them are searched, and how their histograms come about: the smaller
// sibling is added up, the larger is parent - smaller.
struct ChildrenKernel {
  Frontier tree;
  const std::int64_t* left_counts;  // [item]

  PYGBT_KERNEL void operator()() const {
    const FrontierState before = *tree.state;
    sync();
    FrontierState after = before;
    after.n_queries = after.n_pairs = 0;
    std::int32_t n_built = 0;
    for (std::int32_t begin = 0; begin < before.n_expanded; begin += n_threads()) {
      const std::int32_t item = begin + thread();
      Plan plan;
      if (item < before.n_expanded) {
        make_children(item);
        if (!before.last) plan = plan_of(tree.expanded[item]);
      }
      Numbers here;
      const Numbers at = block_scan(plan.numbers(), shared<Numbers>(), here);
      const std::int32_t pair_at = after.n_pairs + at.pairs;
      const std::int32_t built_at = n_built + at.built;
      if (plan.any()) follow(plan, built_at, pair_at, before.n_slots + built_at, after.n_queries + at.queries);
      n_built += here.built;
      after.n_pairs += here.pairs;
      after.n_queries += here.queries;
    }
    after.n_slots += n_built;
    const bool shared_cut = tree.limits.order == GrowOrder::kSymmetric;
    after.n_sets = shared_cut && after.n_queries > 0 ? 1 : after.n_queries;
    if (thread() == 0) {
      *tree.state = after;
      if (shared_cut && after.n_queries > 0)
        tree.sets[0] = {0, after.n_queries, tree.lists_by_depth ? tree.nodes[tree.searched[0]].depth : 0};
    }
    tree.built.cut(n_built, tree.histogram_size);
  }

  // Of histograms and searches.
  struct Numbers {
    std::int32_t built = 0, pairs = 0, queries = 0, unused = 0;
    PYGBT_KERNEL Numbers& operator+=(const Numbers& other) {
      built += other.built;
      pairs += other.pairs;
      queries += other.queries;
      return *this;
    }
    PYGBT_KERNEL Numbers operator+(const Numbers& other) const { return Numbers(*this) += other; }
    PYGBT_KERNEL Numbers operator-(const Numbers& other) const {
      return {built - other.built, pairs - other.pairs, queries - other.queries};
    }
  };

  struct Plan {
    NodeId parent = kNoNode, smaller = kNoNode, larger = kNoNode;
    bool smaller_splits = false, larger_splits = false;
    PYGBT_KERNEL bool any() const { return smaller_splits || larger_splits; }
    PYGBT_KERNEL Numbers numbers() const { return {any(), larger_splits, smaller_splits + larger_splits}; }
  };

  PYGBT_KERNEL void make_children(std::int32_t item) const {
    const NodeId id = tree.expanded[item];
    const GrowNode& parent = tree.nodes[id];
    GrowNode& left = tree.nodes[parent.left];
    GrowNode& right = tree.nodes[parent.left + 1];
    left.buffer = right.buffer = 1 - parent.buffer;
    left.begin = parent.begin;
    left.count = left_counts[item];
    right.begin = parent.begin + left.count;
    right.count = parent.count - left.count;
    const int direction = tree.monotone == nullptr ? 0 : tree.monotone[tree.cuts[id].feature];
    for (std::int32_t k = 0; k < tree.width; ++k) {
      const std::int64_t at = row_major(id, k, tree.width);
      const std::int64_t at_left = row_major(parent.left, k, tree.width), at_right = at_left + tree.width;
      tree.sums[at_left] = tree.left[at];
      tree.sums[at_right] = tree.sums[at] - tree.left[at];
      if (tree.ranges == nullptr) continue;
      const Interval range = tree.ranges[at];
      part_interval(range, direction, value(tree.sums[at_left], k, range), value(tree.sums[at_right], k, range),
                    tree.ranges[at_left], tree.ranges[at_right]);
    }
  }

  PYGBT_KERNEL double value(const Cell& sum, std::int32_t k, const Interval& range) const {
    const double w = leaf_weight(static_cast<double>(sum.g) * tree.g_units[k],
                                 static_cast<double>(sum.h) * tree.h_units()[k], tree.leaf_rule);
    return clamp(w, range.lower, range.upper);
  }

  PYGBT_KERNEL Plan plan_of(NodeId parent) const {
    const NodeId left = tree.nodes[parent].left;
    const bool left_smaller = tree.nodes[left].count <= tree.nodes[left + 1].count;
    Plan plan;
    plan.parent = parent;
    plan.smaller = left_smaller ? left : left + 1;
    plan.larger = left_smaller ? left + 1 : left;
    plan.smaller_splits = splits(plan.smaller);
    plan.larger_splits = splits(plan.larger);
    return plan;
  }
  PYGBT_KERNEL bool splits(NodeId id) const {
    return tree.can_split(tree.nodes[id], tree.sums + row_major(id, 0, tree.width));
  }

  // The larger child takes the parent's histogram, the smaller one a fresh one.
  PYGBT_KERNEL void follow(const Plan& plan, std::int32_t built_at, std::int32_t pair_at, std::int32_t fresh_slot,
                           std::int32_t query_at) const {
    GrowNode& smaller = tree.nodes[plan.smaller];
    GrowNode& larger = tree.nodes[plan.larger];
    const std::int32_t slot = tree.nodes[plan.parent].slot;
    smaller.slot = fresh_slot;
    larger.slot = plan.larger_splits ? slot : -1;
    tree.built.items[built_at] = {smaller.begin, smaller.count, built_at, smaller.buffer};
    tree.places[built_at] = tree.place(smaller.slot);
    const HistogramPlace built = tree.place(smaller.slot);
    if (plan.larger_splits) tree.pairs[pair_at] = {tree.place(larger.slot), built};
    const NodeId left = plan.smaller < plan.larger ? plan.smaller : plan.larger;
    for (const NodeId child : {left, left + 1}) {
      if (child == plan.smaller ? !plan.smaller_splits : !plan.larger_splits) continue;
      const bool derived = tree.search_subtracts && child == plan.larger;
      write_query(tree, query_at++, child, derived ? built : HistogramPlace{});
    }
  }
};

// Nodes in the order of the tree, as it is walked and stored, and its leaves. One block.
struct LeavesKernel {
  Frontier tree;
  GrownOnDevice grown;
  const Feature* features;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t n_nodes = tree.state->n_in_tree;
    std::int32_t n_leaves = 0;
    for (std::int32_t begin = 0; begin < n_nodes; begin += n_threads()) {
      const std::int32_t at = begin + thread();
      const NodeId id = at < n_nodes ? tree.in_tree[at] : kNoNode;
      const bool is_leaf = id >= 0 && !tree.nodes[id].cut;
      std::int32_t total = 0;
      const std::int32_t leaf = n_leaves + block_scan<std::int32_t>(is_leaf, shared<std::int32_t>(), total);
      if (id >= 0) grown.nodes[at] = is_leaf ? leaf_node(id, leaf) : inner_node(id, at);
      if (is_leaf) tree.leaves.items[leaf] = {tree.nodes[id].begin, tree.nodes[id].count, id, tree.nodes[id].buffer};
      n_leaves += total;
    }
    for (std::int64_t i = thread(); i < std::int64_t{n_leaves} * tree.width; i += n_threads())
      grown.leaf_sums[i] = Cell{0, 0};
    tree.leaves.cut(n_leaves, tree.leaf_size);
  }

  PYGBT_KERNEL BinnedNode leaf_node(NodeId id, std::int32_t leaf) const {
    BinnedNode node;
    node.left = ~leaf;
    node.count = tree.nodes[id].count;
    return node;
  }

  PYGBT_KERNEL BinnedNode inner_node(NodeId id, std::int32_t at) const {
    const Candidate& cut = tree.cuts[id];
    const Feature& feature = features[cut.feature];
    BinnedNode node;
    node.left = tree.nodes[tree.nodes[id].left].in_tree;
    node.feature = cut.feature;
    node.bin = feature.categorical ? Bin{0} : cut.bin;
    node.missing_left = cut.missing_left;
    node.gain = static_cast<float>(cut.gain);
    node.count = tree.nodes[id].count;
    if (!feature.categorical) return node;
    node.cat_begin = at * tree.n_words;
    node.cat_words = words_of(feature);
    for (std::int32_t i = 0; i < tree.n_words; ++i)
      grown.bins[std::int64_t{at} * tree.n_words + i] = tree.left_bins[std::int64_t{id} * tree.n_words + i];
    return node;
  }
};

// Leaf values by gradient sums. A thread a leaf and target; one block.
struct LeafValueKernel {
  Frontier tree;
  GrownOnDevice grown;
  const TreeArguments* arguments;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = thread(); i < std::int64_t{*tree.leaves.n_items} * tree.width; i += n_threads()) {
      const auto k = static_cast<std::int32_t>(i % tree.width);
      const Cell& sum = grown.leaf_sums[i];
      double w = leaf_weight(static_cast<double>(sum.g) * tree.leaf_g_units()[k],
                             static_cast<double>(sum.h) * tree.leaf_h_units()[k], tree.leaf_rule);
      if (tree.ranges != nullptr) {
        const Interval& range = tree.ranges[row_major(tree.leaves.items[i / tree.width].item, k, tree.width)];
        w = clamp(w, range.lower, range.upper);
      }
      grown.leaf_values[i] = static_cast<float>(arguments->learning_rate * w);
    }
  }
};

// The finished tree to the others that the host fetches later. Beside the update of scores.
struct RecordKernel {
  Frontier tree;
  GrownOnDevice grown;
  TreeRecords records;
  const TreeArguments* arguments;

  PYGBT_KERNEL void operator()() const {
    std::byte* const record = records.first + arguments->record * records.stride;
    const std::int64_t n_nodes = tree.state->n_in_tree, n_values = std::int64_t{*tree.leaves.n_items} * tree.width;
    if (first_row() == 0) *reinterpret_cast<TreeRecords::Head*>(record) = {tree.state->n_in_tree, *tree.leaves.n_items};
    copy(grown.nodes, record + records.nodes, n_nodes);
    copy(grown.bins, record + records.bins, n_nodes * tree.n_words);
    copy(grown.leaf_sums, record + records.leaf_sums, n_values);
    copy(grown.leaf_values, record + records.leaf_values, n_values);
    copy(tree.leaf_g_units(), record + records.leaf_units, std::int64_t{2} * tree.width);
  }

  template <class T>
  PYGBT_KERNEL void copy(const T* from, std::byte* to, std::int64_t n) const {
    for (std::int64_t i = first_row(); i < n; i += row_step()) reinterpret_cast<T*>(to)[i] = from[i];
  }
};

}  // namespace pygbt::device
