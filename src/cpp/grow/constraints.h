// SPDX-License-Identifier: Apache-2.0
// What the path to a node allows below it: features that may meet (interaction constraints) and bounds of the leaf
// values (monotone constraints).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"
#include "math/gain.h"
#include "tree/binned_tree.h"
#include "tree/split.h"

namespace pygbt {

// Features that may be used below a path: those already on it, and the members of every set that holds the whole path.
// A feature in no set may be used alone. The empty path allows all.
class InteractionSets {
 public:
  InteractionSets(const std::vector<std::vector<std::int32_t>>& sets, std::int32_t n_features);
  bool active() const { return active_; }
  const std::vector<std::vector<char>>& members() const { return member_; }  // [set][feature]
  // Keeps of `features` (ascending) what `path` (any order) allows.
  std::vector<FeatureId> allowed(const std::vector<FeatureId>& features, const std::vector<FeatureId>& path) const;

 private:
  bool active_ = false;
  std::vector<std::vector<char>> member_;  // [set][feature]
};

// Range of the leaf values below a node, [width]; empty = unbounded.
struct ValueBounds {
  std::vector<double> lower, upper;
};

// Bounds of the children of a node cut on a feature with direction +1 / -1 (0: inherited). The children's own values,
// within the node's bounds, are kept apart by their midpoint: every leaf on one side stays on its side of it.
void child_bounds(const ValueBounds& node, int direction, std::span<const double> left_weight,
                  std::span<const double> right_weight, ValueBounds& left, ValueBounds& right);

// For leaf values that do not come from gradient sums (residual quantiles): pulls the values of a one-target tree
// into bounds found top-down, so that no constrained cut is violated. monotone [feature].
void enforce_monotone(const BinnedTree& tree, std::span<const std::int8_t> monotone, std::span<double> leaf_values);

}  // namespace pygbt
