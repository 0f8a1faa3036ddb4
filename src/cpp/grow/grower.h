// SPDX-License-Identifier: Apache-2.0
// The grow loop: one tree from the gradients a backend holds. The only loop there is, for every backend, growth
// policy and number of targets. Called by the Trainer once a tree.
//
// A node is expanded when its rows are partitioned and its children's best cuts known; it is adopted when its cut
// becomes part of the tree. Lossguide adopts one leaf at a time, the best; it expands the next best few along with it,
// which are likely to be adopted soon, so that a step is work for all threads. What is adopted, and in which order, is
// the same without looking ahead.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "grow/column_sampler.h"
#include "grow/constraints.h"
#include "math/grow_rules.h"
#include "params/params.h"
#include "tree/binned_tree.h"

namespace pygbt {

struct GrownTree {
  BinnedTree tree;
  std::vector<NodeId> leaf_nodes;  // [leaf] node of each leaf
};

// The cuts that a tree begins with, as another tree found them on more targets: sums of the left children are of
// targets [0, n) at the same precision.
struct Stem {
  struct Cut {
    Split split;               // not valid: the stem ends here
    std::int32_t left = -1;    // place of the first child
  };
  std::vector<Cut> cuts;  // [place], the root first
};

// What an own search of each task would have gained: see CutGains.
class CutWitness {
 public:
  virtual ~CutWitness() = default;
  // The targets of a task as factors (1 or 0) on those of the tree.
  virtual const std::vector<std::vector<CellUnits>>& tasks() const = 0;
  virtual void see(std::size_t task, double shared_gain, double own_gain) = 0;
};

// Leaf values of a tree by another rule than one target at a time.
class LeafSolver {
 public:
  virtual ~LeafSolver() = default;
  // sums and values [leaf][width]; values come in as those of the rule and leave as the solver's.
  virtual void solve(Backend& backend, std::span<const NodeId> leaves, std::int32_t first_target,
                     std::span<const Cell> sums, std::span<const CellUnits> units, std::span<double> values) = 0;
  virtual FullLeaves order() const = 0;  // the same rule for a backend that grows whole trees
};

class Grower {
 public:
  Grower(const Params& params, const Cuts& cuts);

  // tree_number counts the trees of the whole model: it keys the column draws. quantile_levels [width] sets the leaf
  // values by those quantiles of the residuals; empty: by gradient sums.
  GrownTree grow(Backend& backend, const TreeRequest& request, std::uint32_t tree_number, double learning_rate,
                 std::span<const double> quantile_levels);
  bool counts_rows() const { return rules_.counts_needed(); }
  // Settings of the trees to come. Factors on the units of the tree's targets while cuts are searched; empty = 1.
  void set_target_factors(std::vector<CellUnits> factors) { rules_.target_factors = std::move(factors); }
  void set_stem(const Stem* stem, std::int32_t first_target) {
    stem_ = stem;
    first_of_stem_ = first_target;
  }
  // The first use of a feature in the model must bring so much gain on top; `used` [feature] outlives the grower.
  void set_feature_penalty(double penalty, std::vector<char>* used) {
    feature_penalty_ = penalty;
    used_features_ = used;
  }
  void set_witness(CutWitness* witness) { witness_ = witness; }
  void set_leaf_solver(LeafSolver* solver) { leaf_solver_ = solver; }
  Stem stem() const;  // the cuts of the tree grown last

  // The same for a backend that grows whole trees by itself: what its trees have in common, and one of them.
  TreeKind kind(std::int32_t width) const;
  TreeOrder order(const TreeKind& kind, const TreeRequest& request, std::uint32_t tree_number, double learning_rate,
                  std::span<const double> quantile_levels);
  // The tree of a backend that has grown it.
  static BinnedTree finished(OrderedTree ordered);

 private:
  static void add_covers(BinnedTree& tree, std::span<const Cell> leaf_sums, std::span<const CellUnits> leaf_units);
  struct Node {
    std::int32_t depth = 0;
    std::int64_t count = 0;
    std::vector<Cell> sums;            // [width] in histogram units
    ValueBounds bounds;                // empty without monotone constraints
    std::vector<FeatureId> path;       // features cut above, with interaction constraints
    Split split;                       // best cut, not valid = leaf
    NodeId in_tree = 0;                // index in the tree, once the parent is adopted
    NodeId left = kNoNode;             // first child (right = left + 1), once expanded

    bool expanded() const { return left != kNoNode; }
  };

  bool can_split(const Node& node) const;
  void evaluate(Backend& backend, const HistogramStep& step, const std::vector<NodeId>& nodes);
  void charge_new_features(Backend& backend, std::span<const SplitQuery> queries, std::span<Split> splits) const;
  void testify(Backend& backend, std::span<const SplitQuery> queries, std::span<const Split> splits);
  void grow_stem(Backend& backend, std::vector<NodeId>& frontier);
  std::vector<NodeId> choose(std::vector<NodeId>& candidates) const;
  std::vector<NodeId> look_ahead(const std::vector<NodeId>& frontier) const;
  void expand(Backend& backend, const std::vector<NodeId>& nodes, bool last);
  void partition(Backend& backend, const std::vector<NodeId>& nodes, bool last);
  void evaluate_children(Backend& backend, const std::vector<NodeId>& parents, const std::vector<NodeId>& open);
  void adopt(const std::vector<NodeId>& chosen, std::vector<NodeId>& frontier);
  bool better(NodeId a, NodeId b) const;
  Node& node(NodeId id) { return nodes_[static_cast<std::size_t>(id)]; }
  const Node& node(NodeId id) const { return nodes_[static_cast<std::size_t>(id)]; }
  double weight_of(const Node& node, std::int32_t target) const;
  void take_quantiles(Backend& backend, const GrownTree& grown, std::span<const double> levels,
                      std::vector<double>& values);
  void set_leaf_values(Backend& backend, GrownTree& grown, double learning_rate,
                       std::span<const double> quantile_levels);

  const Params& params_;
  const Cuts& cuts_;
  SplitRules rules_;
  LeafRule leaf_rule_;
  ColumnSampler columns_;
  InteractionSets interactions_;

  GrowLimits limits_;

  // Of the trees to come.
  const Stem* stem_ = nullptr;
  std::int32_t first_of_stem_ = 0;  // the tree's first target among those of the stem
  double feature_penalty_ = 0.0;
  std::vector<char>* used_features_ = nullptr;
  CutWitness* witness_ = nullptr;
  LeafSolver* leaf_solver_ = nullptr;

  // The tree being grown.
  std::vector<Node> nodes_;        // in the order of expansion: the backend's ids
  std::vector<NodeId> in_tree_order_;  // [index in the tree] its node
  BinnedTree tree_;
  RootStats root_;
  std::int64_t n_leaves_ = 1;
  bool ordered_leaves_ = false;  // leaf values are quantiles over the leaves' rows
};

}  // namespace pygbt
