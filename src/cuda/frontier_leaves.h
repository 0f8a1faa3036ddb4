// SPDX-License-Identifier: Apache-2.0
// What a tree that has grown on the device leaves: its nodes in order, leaf values, the record for the host.
#pragma once

#include <cstdint>

#include "block.h"
#include "device.h"
#include "frontier.h"
#include "math/layout.h"

namespace pygbt::device {

// The leaves of a tree that has all its cuts, numbered in the order of the tree, and the runs of rows that are marked with
// them: nodes of the last step whose rows wait to go to children, where there are such, then leaves as they are. One block.
struct ListLeaves {
  Frontier tree;
  Cell* sums;  // [leaf][leaf width] cleared

  // How many leaves there are.
  PYGBT_KERNEL std::int32_t list(std::int32_t n_nodes, std::int32_t n_waiting) const {
    std::int32_t n_leaves = 0, n_runs = n_waiting;
    PYGBT_ROLL
    for (std::int32_t begin = 0; begin < n_nodes; begin += n_threads()) {
      const std::int32_t at = begin + thread();
      const NodeId id = at < n_nodes ? tree.in_tree[at] : kNoNode;
      const bool is_leaf = id >= 0 && !tree.nodes[id].cut;
      const bool has_rows = is_leaf && tree.nodes[id].count > 0;  // children of those that wait have none yet
      std::int32_t leaves_here = 0, runs_here = 0;
      const std::int32_t leaf = n_leaves + block_scan<std::int32_t>(is_leaf, shared<std::int32_t>(), leaves_here);
      const std::int32_t run = n_runs + block_scan<std::int32_t>(has_rows, shared<std::int32_t>(), runs_here);
      if (is_leaf) {
        GrowNode& node = tree.nodes[id];
        node.leaf = leaf;
        tree.leaves.items[leaf] = {node.begin, node.count, id, node.buffer};
        if (has_rows) tree.runs.items[run] = {node.begin, node.count, run, node.buffer};
        if (has_rows) tree.run_leaves[run] = {leaf, leaf};
      }
      n_leaves += leaves_here;
      n_runs += runs_here;
    }
    sync();
    PYGBT_ROLL
    for (std::int32_t item = thread(); item < n_waiting; item += n_threads()) {
      const NodeId left = tree.nodes[tree.expanded[item]].left;
      tree.runs.items[item] = tree.tiles.items[item];
      tree.run_leaves[item] = {tree.nodes[left].leaf, tree.nodes[left + 1].leaf};
    }
    PYGBT_ROLL
    for (std::int64_t i = thread(); i < std::int64_t{n_leaves} * tree.leaf_width; i += n_threads())
      sums[i] = Cell{0, 0};
    if (thread() == 0) *tree.leaves.n_items = n_leaves;
    tree.runs.cut(n_runs, tree.tile_size);
    return n_leaves;
  }
};

// Nodes in the order of the tree, as it is walked and stored, once its leaves are listed. One block.
struct LeavesKernel {
  Frontier tree;
  GrownOnDevice grown;
  const Feature* features;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t n_nodes = tree.state->n_in_tree;
    PYGBT_ROLL
    for (std::int32_t at = thread(); at < n_nodes; at += n_threads()) {
      const NodeId id = tree.in_tree[at];
      grown.nodes[at] = tree.nodes[id].cut ? inner_node(id, at) : leaf_node(id, tree.nodes[id].leaf);
    }
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
    use_feature(tree, cut.feature);
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
    PYGBT_ROLL
    for (std::int32_t i = 0; i < tree.n_words; ++i)
      grown.bins[std::int64_t{at} * tree.n_words + i] = tree.left_bins[std::int64_t{id} * tree.n_words + i];
    return node;
  }
};

// Both, of a tree whose rows all lie with their leaves: as pieces, too.
struct ListedLeavesKernel {
  LeavesKernel nodes;

  PYGBT_KERNEL void operator()() const {
    const Frontier& tree = nodes.tree;
    const std::int32_t n_leaves = ListLeaves{tree, nodes.grown.leaf_sums}.list(tree.state->n_in_tree, 0);
    tree.leaves.cut(n_leaves, tree.leaf_size);
    sync();
    nodes();
  }
};

// Leaf values by gradient sums. A thread a leaf and target; one block.
struct LeafValueKernel {
  Frontier tree;
  GrownOnDevice grown;
  const TreeArguments* arguments;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = thread(); i < std::int64_t{*tree.leaves.n_items} * tree.leaf_width; i += n_threads()) {
      const auto k = static_cast<std::int32_t>(i % tree.leaf_width);
      const Cell& sum = grown.leaf_sums[i];
      double w = leaf_weight(static_cast<double>(sum.g) * tree.leaf_g_units()[k],
                             static_cast<double>(sum.h) * tree.leaf_h_units()[k], tree.leaf_rule);
      if (tree.ranges != nullptr) {
        const Interval& range = tree.ranges[row_major(tree.leaves.items[i / tree.leaf_width].item, k, tree.leaf_width)];
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
    std::byte* const record = records.memory + arguments->record;
    const std::int64_t n_nodes = tree.state->n_in_tree, n_values = std::int64_t{*tree.leaves.n_items} * tree.leaf_width;
    if (first_row() == 0) *reinterpret_cast<TreeRecords::Head*>(record) = {tree.state->n_in_tree, *tree.leaves.n_items};
    if (n_nodes == 0) return;  // not grown: there are no units either
    copy(grown.nodes, record + records.nodes, n_nodes);
    copy(grown.bins, record + records.bins, n_nodes * tree.n_words);
    copy(grown.leaf_sums, record + records.leaf_sums, n_values);
    copy(grown.leaf_values, record + records.leaf_values, n_values);
    copy(tree.leaf_g_units(), record + records.leaf_units, std::int64_t{2} * tree.leaf_width);
  }

  template <class T>
  PYGBT_KERNEL void copy(const T* from, std::byte* to, std::int64_t n) const {
    for (std::int64_t i = first_row(); i < n; i += row_step()) reinterpret_cast<T*>(to)[i] = from[i];
  }
};

}  // namespace pygbt::device
