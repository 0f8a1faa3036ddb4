// SPDX-License-Identifier: Apache-2.0
// What a tree that has grown on the device leaves: its nodes in order, leaf values, the record for the host.
#pragma once

#include <cstdint>

#include "block.h"
#include "device.h"
#include "frontier.h"
#include "math/layout.h"

namespace pygbt::device {

// Nodes in the order of the tree, as it is walked and stored, and its leaves. One block.
struct LeavesKernel {
  Frontier tree;
  GrownOnDevice grown;
  const Feature* features;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t n_nodes = tree.state->n_in_tree;
    std::int32_t n_leaves = 0;
    PYGBT_ROLL
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
    PYGBT_ROLL
    for (std::int64_t i = thread(); i < std::int64_t{n_leaves} * tree.leaf_width; i += n_threads())
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
