// SPDX-License-Identifier: Apache-2.0
// Which nodes of a growing tree a step expands: done by the last block of the search for cuts.
#pragma once

#include <cstdint>

#include "block.h"
#include "device.h"
#include "frontier.h"
#include "frontier_leaves.h"

namespace pygbt::device {

// Chooses the nodes that are cut now, and those that are expanded with them; makes their children, without rows yet.
struct ExpandKernel {
  Frontier tree;
  const Feature* features;
  Cell* leaf_sums = nullptr;  // of the step after which rows are marked, not moved: see ListLeaves

  PYGBT_KERNEL void operator()() const {
    const FrontierState before = *tree.state;
    sync();
    FrontierState after = before;
    if (tree.used != nullptr) use_features(before.n_expanded);
    if (tree.limits.order == GrowOrder::kBestFirst)
      best_first(after);
    else
      level(after);
    after.n_nodes += 2 * after.n_expanded;
    if (thread() == 0) keep(after);
    if (leaf_sums == nullptr) {
      tree.tiles.cut(after.n_expanded, tree.tile_size);
      return;
    }
    sync();
    ListLeaves{tree, leaf_sums}.list(after.n_in_tree, after.n_expanded);
  }

  // What a step changes; blocks of the launch that begin now, without work, still read the rest.
  PYGBT_KERNEL void keep(const FrontierState& after) const {
    FrontierState& state = *tree.state;
    state.n_nodes = after.n_nodes;
    state.n_in_tree = after.n_in_tree;
    state.n_leaves = after.n_leaves;
    state.n_expanded = after.n_expanded;
    state.last = after.last;
  }

  PYGBT_KERNEL bool has_cut(NodeId id) const { return tree.cuts[id].feature >= 0; }

  // A feature is in use once the children of the node that it cuts have been searched, as the grow loop has it.
  PYGBT_KERNEL void use_features(std::int32_t n_expanded) const {
    PYGBT_ROLL
    for (std::int32_t item = thread(); item < n_expanded; item += n_threads()) {
      const NodeId id = tree.expanded[item];
      if (tree.nodes[id].cut) use_feature(tree, tree.cuts[id].feature);
    }
    sync();
  }

  PYGBT_KERNEL void level(FrontierState& state) const {
    std::int64_t n_able = 0;
    PYGBT_ROLL
    for (std::int32_t q = thread(); q < state.n_queries; q += n_threads()) n_able += has_cut(tree.searched[q]);
    n_able = block_sum(n_able, shared<std::int64_t>());
    const std::int64_t budget = tree.limits.budget(state.n_leaves);
    const bool all = n_able <= budget;
    const bool none = budget <= 0 || (!all && tree.limits.order == GrowOrder::kSymmetric);
    std::int32_t n = 0;
    PYGBT_ROLL
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
    PYGBT_ROLL
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
    PYGBT_ROLL
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
    PYGBT_ROLL
    for (;;) {
      const Pick best = first_leaf(state.n_nodes, Pick{}, false);
      const std::int64_t budget = tree.limits.budget(state.n_leaves);
      if (best.node < 0 || budget <= 0) return;
      const bool expanded = tree.nodes[best.node].left >= 0;
      sync();
      if (!expanded) look_ahead(state, best, budget);
      if (thread() == 0) adopt(state.n_in_tree, best.node);
      if (thread() == 0 && expanded) use_feature(tree, tree.cuts[best.node].feature);
      sync();
      ++state.n_leaves;
      state.n_in_tree += 2;
      if (!expanded) return;
    }
  }

  // Expands the best leaf and the next ones.
  PYGBT_KERNEL void look_ahead(FrontierState& state, const Pick& best, std::int64_t budget) const {
    std::int32_t n_expanded = 0, n_bare = 0;
    PYGBT_ROLL
    for (NodeId id = thread(); id < state.n_nodes; id += n_threads()) {
      const GrowNode& node = tree.nodes[id];
      if (node.in_tree < 0 || node.cut || !has_cut(id) || id == best.node) continue;
      ++(node.left >= 0 ? n_expanded : n_bare);
    }
    n_expanded = block_sum(n_expanded, shared<std::int32_t>());
    n_bare = block_sum(n_bare, shared<std::int32_t>());
    const auto n_ahead = static_cast<std::int32_t>(leaves_ahead(tree.limits, state.n_leaves, n_expanded, n_bare));
    Pick pick = best;
    PYGBT_ROLL
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
    PYGBT_ROLL
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
    PYGBT_ROLL
    for (const NodeId side : {0, 1}) {
      tree.nodes[node.left + side].in_tree = left + side;
      tree.in_tree[left + side] = node.left + side;
    }
  }
};

}  // namespace pygbt::device
