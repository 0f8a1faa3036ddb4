// SPDX-License-Identifier: Apache-2.0
// Which features a tree, a level and a node may use. Draws are nested and counter-based: the same for any thread,
// worker or resumed run. A unit is what is drawn together: one feature, or a named group of features.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/tree_order.h"
#include "base/rng.h"
#include "base/types.h"
#include "params/params.h"

namespace pygbt {

class ColumnSampler {
 public:
  ColumnSampler(const Params& params, std::int32_t n_features);

  // Features of tree number `tree` (counted over the whole model), ascending.
  void begin_tree(std::uint32_t tree);
  // Features of a node, ascending; constraints of its path come on top (see InteractionSets).
  const std::vector<FeatureId>& for_node(std::int32_t depth, NodeId node);
  // Those that the nodes of a level draw theirs from, and the units they draw.
  const std::vector<FeatureId>& of_level(std::int32_t depth);
  NodeDraws::Level units_of_level(std::int32_t depth);
  bool samples_nodes() const { return by_node_ < 1.0; }
  bool samples_levels() const { return by_level_ < 1.0; }
  const std::vector<std::int32_t>& unit_of() const { return unit_of_; }  // [feature]
  const std::vector<double>& unit_weight() const { return unit_weight_; }  // [unit], empty = equal

 private:
  std::size_t n_drawn(const std::vector<std::int32_t>& units, double rate) const;
  std::vector<std::int32_t> draw(const std::vector<std::int32_t>& units, double rate, Draw purpose,
                                 std::uint32_t sub) const;
  std::vector<FeatureId> features_of(const std::vector<std::int32_t>& units) const;

  std::uint64_t seed_;
  double by_tree_, by_level_, by_node_;
  std::vector<std::vector<FeatureId>> unit_features_;  // [unit]
  std::vector<std::int32_t> unit_of_;                  // [feature]
  std::vector<double> unit_weight_;                    // [unit], empty = equal
  // Groups drawn at their own rate: their columns are units of their own, kept apart from the common draw.
  struct RatedGroup {
    std::vector<std::int32_t> units;
    double rate;
  };
  std::vector<std::int32_t> common_units_;
  std::vector<RatedGroup> rated_groups_;

  std::uint32_t tree_ = 0;
  std::vector<std::int32_t> tree_units_;
  std::int32_t level_ = -1;
  std::vector<std::int32_t> level_units_;
  std::vector<FeatureId> level_features_, node_features_;
};

}  // namespace pygbt
