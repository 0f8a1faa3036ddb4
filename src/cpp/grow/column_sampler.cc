// SPDX-License-Identifier: Apache-2.0
#include "grow/column_sampler.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "math/column_draw.h"

namespace pygbt {

ColumnSampler::ColumnSampler(const Params& params, std::int32_t n_features)
    : seed_(params.seed),
      by_tree_(params.colsample_bytree),
      by_level_(params.colsample_bylevel),
      by_node_(params.colsample_bynode) {
  const auto n = static_cast<std::size_t>(n_features);
  require(params.feature_weights.empty() || params.feature_weights.size() == n,
          "feature_weights must have one weight per feature");
  require(params.feature_unit.empty() || params.feature_unit.size() == n,
          "feature_unit must have one unit per feature");
  std::map<std::int32_t, std::vector<FeatureId>> groups;  // by unit id; ascending, so the order of units is fixed
  for (FeatureId f = 0; f < n_features; ++f)
    groups[params.feature_unit.empty() ? f : params.feature_unit[static_cast<std::size_t>(f)]].push_back(f);
  for (const auto& [id, features] : groups) {
    const auto at = static_cast<std::size_t>(id);
    const double rate = at < params.unit_rate.size() ? params.unit_rate[at] : -1.0;
    if (rate < 0.0) {
      common_units_.push_back(static_cast<std::int32_t>(unit_features_.size()));
      unit_features_.push_back(features);
    } else {
      RatedGroup group{{}, rate};
      for (const FeatureId f : features) {
        group.units.push_back(static_cast<std::int32_t>(unit_features_.size()));
        unit_features_.push_back({f});
      }
      rated_groups_.push_back(std::move(group));
    }
  }
  unit_of_.resize(n);
  for (std::size_t unit = 0; unit < unit_features_.size(); ++unit)
    for (const FeatureId f : unit_features_[unit])
      unit_of_[static_cast<std::size_t>(f)] = static_cast<std::int32_t>(unit);
  if (!params.feature_weights.empty()) {
    for (const auto& features : unit_features_) {
      double weight = 0.0;
      for (const FeatureId f : features) weight += params.feature_weights[static_cast<std::size_t>(f)];
      unit_weight_.push_back(weight);
    }
  }
}

// round(rate * n), at least one; of units that have a weight, as long as there are any.
std::size_t ColumnSampler::n_drawn(const std::vector<std::int32_t>& units, double rate) const {
  if (rate >= 1.0 || units.size() <= 1) return units.size();
  const auto wanted = static_cast<std::size_t>(std::max(1.0, std::nearbyint(rate * static_cast<double>(units.size()))));
  if (unit_weight_.empty()) return wanted;
  const auto weighted = static_cast<std::size_t>(std::count_if(units.begin(), units.end(), [&](std::int32_t unit) {
    return unit_weight_[static_cast<std::size_t>(unit)] > 0.0;
  }));
  return std::min(wanted, std::max<std::size_t>(weighted, 1));
}

// The units whose clocks come first, ascending.
std::vector<std::int32_t> ColumnSampler::draw(const std::vector<std::int32_t>& units, double rate, Draw purpose,
                                              std::uint32_t sub) const {
  const std::size_t n = n_drawn(units, rate);
  if (n == units.size()) return units;
  const double* const weights = unit_weight_.empty() ? nullptr : unit_weight_.data();
  std::vector<std::pair<double, std::int32_t>> clocks;
  for (const std::int32_t unit : units)
    clocks.emplace_back(column_clock(seed_, purpose, tree_, unit, sub, weights), unit);
  const auto end = clocks.begin() + static_cast<std::ptrdiff_t>(n);
  std::nth_element(clocks.begin(), end, clocks.end());
  std::vector<std::int32_t> drawn;
  for (auto clock = clocks.begin(); clock != end; ++clock) drawn.push_back(clock->second);
  std::sort(drawn.begin(), drawn.end());
  return drawn;
}

std::vector<FeatureId> ColumnSampler::features_of(const std::vector<std::int32_t>& units) const {
  std::vector<FeatureId> features;
  for (const std::int32_t unit : units) {
    const auto& more = unit_features_[static_cast<std::size_t>(unit)];
    features.insert(features.end(), more.begin(), more.end());
  }
  std::sort(features.begin(), features.end());
  return features;
}

void ColumnSampler::begin_tree(std::uint32_t tree) {
  tree_ = tree;
  level_ = -1;
  tree_units_ = draw(common_units_, by_tree_, Draw::kColumnTree, 0);
  for (std::size_t g = 0; g < rated_groups_.size(); ++g) {
    const RatedGroup& group = rated_groups_[g];
    if (group.rate == 0.0) continue;
    const auto drawn = draw(group.units, group.rate, Draw::kColumnTree, static_cast<std::uint32_t>(g + 1));
    tree_units_.insert(tree_units_.end(), drawn.begin(), drawn.end());
  }
  std::sort(tree_units_.begin(), tree_units_.end());
}

const std::vector<FeatureId>& ColumnSampler::of_level(std::int32_t depth) {
  if (depth != level_) {
    level_ = depth;
    level_units_ = draw(tree_units_, by_level_, Draw::kColumnLevel, static_cast<std::uint32_t>(depth));
    level_features_ = features_of(level_units_);
  }
  return level_features_;
}

NodeDraws::Level ColumnSampler::units_of_level(std::int32_t depth) {
  of_level(depth);
  return {level_units_, static_cast<std::int32_t>(n_drawn(level_units_, by_node_))};
}

const std::vector<FeatureId>& ColumnSampler::for_node(std::int32_t depth, NodeId node) {
  of_level(depth);
  if (by_node_ >= 1.0) return level_features_;
  node_features_ = features_of(draw(level_units_, by_node_, Draw::kColumnNode, static_cast<std::uint32_t>(node)));
  return node_features_;
}

}  // namespace pygbt
