// SPDX-License-Identifier: Apache-2.0
// A tree that grows on the device: its nodes, and the lists by which one step's kernels find their work. Between moving
// rows, adding up and searching, one block does what the grow loop does on the host (src/cpp/grow/grower), by the same
// rules (math/grow_rules.h): see frontier_*.h. The host queues as many steps as a tree may have; what is not needed
// finds empty lists.
#pragma once

#include <cstdint>

#include "backend/backend.h"
#include "base/types.h"
#include "cut_side.h"
#include "device.h"
#include "leaf_marks.h"
#include "math/gain.h"
#include "math/grow_rules.h"
#include "math/layout.h"
#include "pieces.h"
#include "quantised.h"
#include "split_search.h"
#include "tree/binned_tree.h"
#include "tree_work.h"

namespace pygbt::device {

struct GrowNode {
  std::int64_t begin = 0;  // its rows
  std::int64_t count = 0;
  std::int32_t buffer = 0;
  std::int32_t depth = 0;
  NodeId left = kNoNode;  // first child, once it is expanded
  NodeId in_tree = kNoNode;  // index in the tree, once its parent is cut
  bool cut = false;  // its cut is part of the tree
  std::int32_t slot = -1;  // of its histogram
  std::int32_t leaf = -1;  // number of a leaf of the grown tree
};

// Where the growth has come to.
struct FrontierState {
  std::int32_t n_nodes = 0;
  std::int32_t n_in_tree = 0;
  std::int32_t n_leaves = 0;
  std::int32_t n_expanded = 0;  // nodes that this step gives children
  std::int32_t n_queries = 0;  // children that are searched for cuts
  std::int32_t n_sets = 0;
  std::int32_t n_pairs = 0;  // histograms that are parent - sibling
  std::int32_t n_slots = 0;  // histograms in use
  bool last = false;  // no child of this step is cut
};

// The cuts that a tree has left to others as their beginning, by its nodes in order (places).
struct StemCuts {
  Candidate* cuts = nullptr;  // [place], without a feature where the stem ends; nullptr: the tree begins with its root
  std::int32_t* left = nullptr;  // [place] first child
  Cell* left_sums = nullptr;  // [place][n_targets]
  std::uint32_t* left_bins = nullptr;  // [place][n_words]
  std::int32_t n_targets = 0;
};

// All of it, on the device.
struct Frontier {
  FrontierState* state;  // [1]
  double* min_category_hessian;  // [1]
  GrowNode* nodes;  // [node]
  Cell* sums;  // [node][width]
  Interval* ranges;  // [node][width] of leaf values; nullptr without monotone constraints
  std::uint32_t* paths;  // [node][n_path_words] features cut above, as bits
  Candidate* cuts;  // [node]
  Cell* left;  // [node][width] sums of the left child of its cut
  std::uint32_t* left_bins;  // [node][n_words]
  NodeId* in_tree;  // [index in the tree] node
  NodeId* expanded;  // [item of the step] node
  NodeId* searched;  // [query] node
  Cut* moved;  // [item of the step] its cut, for the move of the rows
  double* g_units;  // [width], of histograms; h_units follow, then those of leaf sums [leaf_width]
  Cell* arena;  // [slot][bin][width] histograms
  std::int64_t* count_arena;  // [slot][bin], or nullptr
  HistogramPlace* places;  // [item to build]
  HistogramPair* pairs;
  Query* queries;
  NodeSet* sets;
  Cell* query_sums;  // [query][width]
  double* query_lower;  // [query][width]
  double* query_upper;

  std::int32_t* places_in_stem;  // [node], or nullptr: the tree grows on no stem
  std::uint32_t* used;  // [feature] 1 = some tree is cut on it; nullptr: new features have no price

  Pieces tiles;  // of the nodes that are expanded
  Pieces built;  // of the nodes whose histograms are added up
  Pieces leaves;
  Pieces runs;  // of rows that are marked, see ListLeaves
  LeafPair* run_leaves;  // [run]

  GrowLimits limits;
  LeafRule leaf_rule;
  StemCuts stem;  // that it grows on, or becomes
  const std::int8_t* monotone;  // [feature] or nullptr
  std::int64_t n_bins;
  std::int32_t width, leaf_width;
  std::int32_t n_words;  // of a set of bins
  std::int32_t n_path_words;  // 0 without interaction constraints
  bool lists_by_depth;  // of features
  bool search_subtracts;  // the search makes the larger sibling's histogram, not a launch of its own
  PieceSize tile_size, histogram_size, leaf_size;

  PYGBT_KERNEL double* h_units() const { return g_units + width; }
  PYGBT_KERNEL double* leaf_g_units() const { return g_units + 2 * width; }
  PYGBT_KERNEL double* leaf_h_units() const { return leaf_g_units() + leaf_width; }
  PYGBT_KERNEL bool can_split(const GrowNode& node, const Cell* of_node) const {
    return pygbt::can_split(limits, node.depth, node.count, width,
                            [&](std::int32_t k) { return static_cast<double>(of_node[k].h) * h_units()[k]; });
  }
  PYGBT_KERNEL HistogramPlace place(std::int32_t slot) const {
    return {arena + slot * n_bins * width, count_arena == nullptr ? nullptr : count_arena + slot * n_bins};
  }
};

// Several nodes of a step may be cut on the feature.
PYGBT_KERNEL void use_feature(const Frontier& tree, FeatureId f) {
  if (tree.used != nullptr) raise_to(tree.used + f, 1u);
}

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

// The tree once it is grown. Its nodes are in the order of the tree.
struct GrownOnDevice {
  BinnedNode* nodes;
  std::uint32_t* bins;  // [node][n_words] of categorical cuts, in the order of the tree
  Cell* leaf_sums;  // [leaf][leaf width]
  float* leaf_values;  // [leaf][leaf width]
};

// Finished trees that the host has not fetched yet, one record after the other, and where its parts are in bytes.
struct TreeRecords {
  struct Head {
    std::int32_t n_nodes = 0;  // 0 = not grown
    std::int32_t n_leaves = 0;
  };
  std::byte* memory = nullptr;
  std::int64_t size = 0;  // of a record
  std::int64_t nodes = 0, bins = 0, leaf_sums = 0, leaf_values = 0, leaf_units = 0;  // units: g, then h [leaf width]
};

}  // namespace pygbt::device
