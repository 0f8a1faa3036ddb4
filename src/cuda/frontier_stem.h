// SPDX-License-Identifier: Apache-2.0
// Cuts that several trees begin with: what a tree leaves as a stem, and how others grow on it, level by level, before they
// search for cuts of their own. As Grower::grow_stem does it on the host.
#pragma once

#include <cstdint>

#include "block.h"
#include "device.h"
#include "frontier.h"
#include "frontier_expand.h"
#include "math/layout.h"

namespace pygbt::device {

// Gives the nodes of the last level that the stem cuts their children, without rows yet. One block.
struct StemKernel {
  Frontier tree;
  const Feature* features;
  const TreeArguments* arguments;

  PYGBT_KERNEL void operator()() const {
    const FrontierState before = *tree.state;
    sync();
    FrontierState after = before;
    const std::int32_t n_new = before.n_nodes == 1 ? 1 : 2 * before.n_expanded;
    const ExpandKernel grow{tree, features};
    std::int32_t n = 0;
    PYGBT_ROLL
    for (std::int32_t begin = before.n_nodes - n_new; begin < before.n_nodes; begin += n_threads()) {
      const NodeId id = begin + thread();
      const bool cut = id < before.n_nodes && tree.stem.cuts[tree.places_in_stem[id]].feature >= 0;
      std::int32_t total = 0;
      const std::int32_t item = n + block_scan<std::int32_t>(cut, shared<std::int32_t>(), total);
      if (cut) {
        take(id);
        grow.expand(before, item, id);
        grow.adopt(before.n_in_tree + 2 * item, id);
        PYGBT_ROLL
        for (const NodeId side : {0, 1})
          tree.places_in_stem[tree.nodes[id].left + side] = tree.stem.left[tree.places_in_stem[id]] + side;
      }
      n += total;
    }
    after.n_expanded = n;
    after.n_nodes += 2 * n;
    after.n_in_tree += 2 * n;
    after.n_leaves += n;
    after.last = true;  // no child is searched yet
    if (thread() == 0) *tree.state = after;
    tree.tiles.cut(n, tree.tile_size);
  }

  // The cut of a node's place, and the sums of the tree's own targets.
  PYGBT_KERNEL void take(NodeId id) const {
    const std::int32_t place = tree.places_in_stem[id];
    tree.cuts[id] = tree.stem.cuts[place];
    PYGBT_ROLL
    for (std::int32_t k = 0; k < tree.width; ++k)
      tree.left[row_major(id, k, tree.width)] =
          tree.stem.left_sums[row_major(place, arguments->first_target + k, tree.stem.n_targets)];
    if (!features[tree.cuts[id].feature].categorical) return;
    PYGBT_ROLL
    for (std::int32_t i = 0; i < tree.n_words; ++i)
      tree.left_bins[row_major(id, i, tree.n_words)] = tree.stem.left_bins[row_major(place, i, tree.n_words)];
  }
};

// Searches the nodes at which the stem ends, all at once. One block.
struct StemEndsKernel {
  Frontier tree;

  PYGBT_KERNEL void operator()() const {
    const FrontierState before = *tree.state;
    sync();
    std::int32_t n = 0;
    PYGBT_ROLL
    for (NodeId begin = 0; begin < before.n_nodes; begin += n_threads()) {
      const NodeId id = begin + thread();
      const bool open = id < before.n_nodes && tree.nodes[id].left < 0 &&
                        tree.can_split(tree.nodes[id], tree.sums + row_major(id, 0, tree.width));
      std::int32_t total = 0;
      const std::int32_t q = n + block_scan<std::int32_t>(open, shared<std::int32_t>(), total);
      if (open) {
        GrowNode& node = tree.nodes[id];
        node.slot = q;
        tree.built.items[q] = {node.begin, node.count, q, node.buffer};
        tree.places[q] = tree.place(q);
        write_query(tree, q, id, {});
      }
      n += total;
    }
    FrontierState after = before;
    after.n_queries = after.n_sets = after.n_slots = n;
    after.n_pairs = 0;
    if (thread() == 0) *tree.state = after;
    tree.built.cut(n, tree.histogram_size);
  }
};

// The cuts of a tree that has grown to be a stem, and that it has.
struct KeepStemKernel {
  Frontier tree;
  const Feature* features;
  TreeRecords records;
  const TreeArguments* arguments;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t n = tree.state->n_in_tree;
    if (first_row() == 0)
      *reinterpret_cast<TreeRecords::Head*>(records.memory + arguments->record) = {n, tree.state->n_leaves};
    for (std::int64_t at = first_row(); at < n; at += row_step()) keep(at, tree.in_tree[at]);
  }

  PYGBT_KERNEL void keep(std::int64_t place, NodeId id) const {
    const GrowNode& node = tree.nodes[id];
    tree.stem.cuts[place] = node.cut ? tree.cuts[id] : Candidate{};
    if (!node.cut) return;
    tree.stem.left[place] = tree.nodes[node.left].in_tree;
    PYGBT_ROLL
    for (std::int32_t k = 0; k < tree.width; ++k)
      tree.stem.left_sums[row_major(place, k, tree.width)] = tree.left[row_major(id, k, tree.width)];
    if (!features[tree.cuts[id].feature].categorical) return;
    PYGBT_ROLL
    for (std::int32_t i = 0; i < tree.n_words; ++i)
      tree.stem.left_bins[row_major(place, i, tree.n_words)] = tree.left_bins[row_major(id, i, tree.n_words)];
  }
};

}  // namespace pygbt::device
