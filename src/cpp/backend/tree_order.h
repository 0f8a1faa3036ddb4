// SPDX-License-Identifier: Apache-2.0
// A tree that is wanted: what every backend is told of it, and what one needs that grows it by itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backend/split_rules.h"
#include "base/types.h"
#include "math/balance.h"
#include "math/grow_rules.h"
#include "math/sketch.h"
#include "math/task.h"
#include "tree/binned_tree.h"
#include "tree/split.h"

namespace pygbt {

// One tree to grow: targets [first_target, first_target + width) of the objective, and the rows it sees.
struct TreeRequest {
  std::int32_t first_target = 0;
  std::int32_t width = 1;
  // Targets of the leaves, where cuts are searched on sketches of them (Backend::sketch); else the same.
  std::int32_t first_leaf_target = 0;
  std::int32_t leaf_width = 0;  // 0 = width
  std::uint64_t seed = 0;
  std::uint32_t iteration = 0;
  double subsample = 1.0;  // share of rows drawn by hash of the global row (Draw::kRow)
  bool wide = false;  // quantise to 31 bits instead of 15 / 16: heavy tails (see math/quantise.h)
  bool count_rows = false;  // histograms count rows too (min_child_samples > 1)
  std::int64_t max_nodes = 0;  // the tree will not have more; 0 = no bound
  // So many trees follow, one each of the next targets, on the same gradients and rows: a backend may build the
  // histograms of their roots on the way. A hint: trees that come otherwise are as right.
  std::int32_t trees_after = 0;
};

// The targets that leaf values are of.
inline std::int32_t leaf_width(const TreeRequest& request) {
  return request.leaf_width > 0 ? request.leaf_width : request.width;
}
inline std::int32_t first_leaf_target(const TreeRequest& request) {
  return request.leaf_width > 0 ? request.first_leaf_target : request.first_target;
}

// What a tree has to do with the cuts that the trees of several tasks begin with.
enum class StemUse : std::uint8_t {
  kNone,
  kMakes,  // its cuts are the stem of those that follow; it adds to no score
  kGrowsOn,  // begins with the cuts of the stem grown last, whose targets hold its own
};

// Leaves of a softmax task by the whole curvature of its classes (math/full_leaves.h).
struct FullLeaves {
  TaskLoss task;
  double lambda = 0.0;
  bool operator==(const FullLeaves&) const = default;
};

// Trees that a backend may grow by itself, without the grow loop in between: all that is the same for them.
struct TreeKind {
  GrowLimits limits;
  SplitRules rules;  // but min_category_hessian: min_cat_weight times the mean hessian of the tree's rows
  double min_cat_weight = 0.0;
  std::int64_t max_nodes = 0;  // 0 = no bound
  std::int32_t width = 1;
  std::int32_t leaf_width = 0;  // 0 = width
  StemUse stem = StemUse::kNone;
  std::int32_t stem_depth = 0;  // levels of the stem at most
  std::vector<BalancedTargets> balance;  // whose factors weigh the tree's targets in the search, or the sketches
  std::int32_t sketch = 0;  // targets [n_targets, n_targets + sketch) are made for the tree: it is grown on them
  SketchKind sketch_kind = SketchKind::kRandomProjection;
  double feature_penalty = 0.0;  // gain that the first use of a feature must bring on top
  std::vector<std::vector<CellUnits>> witnesses;  // [task][width] factors under which cuts are searched for the account
  std::optional<FullLeaves> full_leaves;
  bool operator==(const TreeKind&) const = default;
};

// Columns that every node draws from those of its level (Draw::kColumnNode, math/column_draw.h).
struct NodeDraws {
  // Units of columns that are drawn together, ascending, and how many of them a node gets.
  struct Level {
    std::vector<std::int32_t> units;
    std::int32_t n_drawn = 0;
    bool operator==(const Level&) const = default;
  };
  std::vector<Level> levels;  // as TreeOrder::features; empty = nodes draw none
  std::uint32_t tree = 0;  // its number in the model
  std::span<const std::int32_t> unit_of;  // [feature]
  std::span<const double> weights;  // [unit]; empty = all alike
};

// One of them. The spans outlive the backend's work on it.
struct TreeOrder {
  TreeRequest request;
  TreeKind kind;
  // request.wide is a guess: it must be what totals() and narrow_is_enough() say of the gradients. What grows on a stem
  // has the precision of the stem.
  bool guessed = false;
  double learning_rate = 0.0;
  std::span<const float> sketch_factors;  // [sketch][n_targets] of random projections
  std::span<const char> used_features;  // [feature] 1 = by trees before this training; the backend knows the others
  std::vector<double> quantile_levels;  // [width], negative: by gradient sums, as all are where it is empty
  std::vector<std::vector<FeatureId>> features;  // [depth] ascending, or one list for all depths
  NodeDraws draws;
  std::span<const std::vector<char>> interactions;  // [set][feature] 1 = member; empty = no constraints
};

struct OrderedTree {
  BinnedTree tree;  // without covers; of a stem nothing
  std::vector<Cell> leaf_sums;  // [leaf][leaf width]
  std::vector<CellUnits> leaf_units;  // [leaf width]
};

// What the cuts of shared trees are worth to each task: the gain it gets from them, and what its own best cuts of the same
// nodes would have given it. Their ratio says how well its questions agree with those of the others.
struct CutGains {
  std::vector<double> shared, own;  // [task]
  std::int64_t n_nodes = 0;
};

}  // namespace pygbt
