// SPDX-License-Identifier: Apache-2.0
#include "grow/constraints.h"

#include <algorithm>
#include <limits>

#include "base/error.h"
#include "math/grow_rules.h"

namespace pygbt {

InteractionSets::InteractionSets(const std::vector<std::vector<std::int32_t>>& sets, std::int32_t n_features)
    : active_(!sets.empty()) {
  for (const auto& set : sets) {
    std::vector<char> member(static_cast<std::size_t>(n_features), 0);
    for (const std::int32_t feature : set) {
      require(feature >= 0 && feature < n_features, "interaction_constraints names feature " + std::to_string(feature) +
                                                        ", the data has features 0 to " +
                                                        std::to_string(n_features - 1));
      member[static_cast<std::size_t>(feature)] = 1;
    }
    member_.push_back(std::move(member));
  }
}

std::vector<FeatureId> InteractionSets::allowed(const std::vector<FeatureId>& features,
                                                const std::vector<FeatureId>& path) const {
  if (!active_ || path.empty()) return features;
  std::vector<const std::vector<char>*> holding;
  for (const auto& set : member_)
    if (std::all_of(path.begin(), path.end(), [&](FeatureId f) { return set[static_cast<std::size_t>(f)] != 0; }))
      holding.push_back(&set);
  std::vector<FeatureId> kept;
  for (const FeatureId f : features) {
    const bool on_path = std::find(path.begin(), path.end(), f) != path.end();
    const bool in_set = std::any_of(holding.begin(), holding.end(),
                                    [&](const auto* set) { return (*set)[static_cast<std::size_t>(f)] != 0; });
    if (on_path || in_set) kept.push_back(f);
  }
  return kept;
}

void child_bounds(const ValueBounds& node, int direction, std::span<const double> left_weight,
                  std::span<const double> right_weight, ValueBounds& left, ValueBounds& right) {
  left = node;
  right = node;
  if (direction == 0) return;
  for (std::size_t k = 0; k < left_weight.size(); ++k) {
    const Interval range{node.lower[k], node.upper[k]};
    Interval below, above;
    part_interval(range, direction, clamp(left_weight[k], range.lower, range.upper),
                  clamp(right_weight[k], range.lower, range.upper), below, above);
    left.lower[k] = below.lower;
    left.upper[k] = below.upper;
    right.lower[k] = above.lower;
    right.upper[k] = above.upper;
  }
}

void enforce_monotone(const BinnedTree& tree, std::span<const std::int8_t> monotone, std::span<double> leaf_values) {
  const std::size_t n = tree.nodes.size();
  // Mean value below each node, weighted by its leaves (children follow their parent).
  std::vector<double> mean(n, 0.0), leaves(n, 1.0);
  for (std::size_t i = n; i-- > 0;) {
    const BinnedNode& node = tree.nodes[i];
    if (node.left < 0) {
      mean[i] = leaf_values[static_cast<std::size_t>(~node.left)];
      continue;
    }
    const auto left = static_cast<std::size_t>(node.left);
    leaves[i] = leaves[left] + leaves[left + 1];
    mean[i] = (mean[left] * leaves[left] + mean[left + 1] * leaves[left + 1]) / leaves[i];
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<ValueBounds> bounds(n);
  bounds[0] = {{-kInfinity}, {kInfinity}};
  for (std::size_t i = 0; i < n; ++i) {
    const BinnedNode& node = tree.nodes[i];
    if (node.left < 0) {
      double& value = leaf_values[static_cast<std::size_t>(~node.left)];
      value = clamp(value, bounds[i].lower[0], bounds[i].upper[0]);
      continue;
    }
    const auto left = static_cast<std::size_t>(node.left);
    child_bounds(bounds[i], monotone[static_cast<std::size_t>(node.feature)], {&mean[left], 1}, {&mean[left + 1], 1},
                 bounds[left], bounds[left + 1]);
  }
}

}  // namespace pygbt
