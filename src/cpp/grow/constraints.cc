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
    Interval below, above;
    part_interval({node.lower[k], node.upper[k]}, direction, left_weight[k], right_weight[k], below, above);
    left.lower[k] = below.lower;
    left.upper[k] = below.upper;
    right.lower[k] = above.lower;
    right.upper[k] = above.upper;
  }
}

void enforce_monotone(const BinnedTree& tree, std::span<const std::int8_t> monotone, std::span<double> leaf_values) {
  const std::size_t n = tree.nodes.size();
  std::vector<LeafMean> below(n);  // children follow their parent
  for (std::size_t i = n; i-- > 0;) {
    const std::int32_t left = tree.nodes[i].left;
    if (left < 0)
      below[i].mean = leaf_values[static_cast<std::size_t>(~left)];
    else
      below[i] = mean_of(below[static_cast<std::size_t>(left)], below[static_cast<std::size_t>(left) + 1]);
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  std::vector<Interval> ranges(n);
  ranges[0] = {-kInfinity, kInfinity};
  for (std::size_t i = 0; i < n; ++i) {
    const BinnedNode& node = tree.nodes[i];
    if (node.left < 0) {
      double& value = leaf_values[static_cast<std::size_t>(~node.left)];
      value = within(value, ranges[i]);
      continue;
    }
    const auto left = static_cast<std::size_t>(node.left);
    part_interval(ranges[i], monotone[static_cast<std::size_t>(node.feature)], below[left].mean, below[left + 1].mean,
                  ranges[left], ranges[left + 1]);
  }
}

}  // namespace pygbt
