// SPDX-License-Identifier: Apache-2.0
// What becomes of the children of a step: done by a block of the launch that moves their rows, meanwhile.
#pragma once

#include <cstdint>

#include "block.h"
#include "device.h"
#include "frontier.h"
#include "math/layout.h"

namespace pygbt::device {

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
    PYGBT_ROLL
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
    PYGBT_ROLL
    for (std::int32_t k = 0; k < tree.width; ++k) {
      const std::int64_t at = row_major(id, k, tree.width);
      const std::int64_t at_left = row_major(parent.left, k, tree.width), at_right = at_left + tree.width;
      tree.sums[at_left] = tree.left[at];
      tree.sums[at_right] = tree.sums[at] - tree.left[at];
      if (tree.ranges == nullptr) continue;
      const Interval range = tree.ranges[at];
      part_interval(range, direction, value(tree.sums[at_left], k), value(tree.sums[at_right], k), tree.ranges[at_left],
                    tree.ranges[at_right]);
    }
    PYGBT_ROLL
    for (std::int32_t i = 0; i < tree.n_path_words; ++i) {
      const std::int32_t feature = tree.cuts[id].feature;
      const std::uint32_t path = tree.paths[row_major(id, i, tree.n_path_words)] |
                                 (feature / 32 == i ? std::uint32_t{1} << (feature % 32) : 0u);
      PYGBT_ROLL
      for (const NodeId child : {parent.left, parent.left + 1})
        tree.paths[row_major(child, i, tree.n_path_words)] = path;
    }
  }

  PYGBT_KERNEL double value(const Cell& sum, std::int32_t k) const {
    return leaf_weight(static_cast<double>(sum.g) * tree.g_units[k], static_cast<double>(sum.h) * tree.h_units()[k],
                       tree.leaf_rule);
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
    PYGBT_ROLL
    for (const NodeId child : {left, left + 1}) {
      if (child == plan.smaller ? !plan.smaller_splits : !plan.larger_splits) continue;
      const bool derived = tree.search_subtracts && child == plan.larger;
      write_query(tree, query_at++, child, derived ? built : HistogramPlace{});
    }
  }
};

}  // namespace pygbt::device
