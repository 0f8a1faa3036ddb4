// SPDX-License-Identifier: Apache-2.0
#include "grow/column_sampler.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "base/rng.h"
#include "math/explog.h"

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
  if (!params.feature_weights.empty()) {
    for (const auto& features : unit_features_) {
      double weight = 0.0;
      for (const FeatureId f : features) weight += params.feature_weights[static_cast<std::size_t>(f)];
      unit_weight_.push_back(weight);
    }
  }
}

// round(rate * n) units without replacement, at least one: the smallest of -log(u) / weight (exponential clocks), which
// draws in proportion to the weights; units of weight 0 come last.
std::vector<std::int32_t> ColumnSampler::draw(const std::vector<std::int32_t>& units, double rate,
                                              std::uint32_t purpose, std::uint32_t sub) const {
  if (rate >= 1.0 || units.size() <= 1) return units;
  const auto wanted = static_cast<std::size_t>(std::max(1.0, std::nearbyint(rate * static_cast<double>(units.size()))));
  std::vector<std::pair<double, std::int32_t>> clocks;
  for (const std::int32_t unit : units) {
    const std::uint32_t bits =
        random_bits(seed_, static_cast<Draw>(purpose), tree_, static_cast<std::uint64_t>(unit), sub);
    double clock = static_cast<double>(bits);
    if (!unit_weight_.empty()) {
      const double weight = unit_weight_[static_cast<std::size_t>(unit)];
      clock = weight > 0.0 ? -log_f64((static_cast<double>(bits) + 1.0) * 0x1p-32) / weight : 1e300;
    }
    clocks.emplace_back(clock, unit);
  }
  std::sort(clocks.begin(), clocks.end());
  std::vector<std::int32_t> drawn;
  for (std::size_t i = 0; i < wanted; ++i)
    if (clocks[i].first < 1e300 || drawn.empty()) drawn.push_back(clocks[i].second);
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
  tree_units_ = draw(common_units_, by_tree_, static_cast<std::uint32_t>(Draw::kColumnTree), 0);
  for (std::size_t g = 0; g < rated_groups_.size(); ++g) {
    const RatedGroup& group = rated_groups_[g];
    if (group.rate == 0.0) continue;
    const auto drawn =
        draw(group.units, group.rate, static_cast<std::uint32_t>(Draw::kColumnTree), static_cast<std::uint32_t>(g + 1));
    tree_units_.insert(tree_units_.end(), drawn.begin(), drawn.end());
  }
  std::sort(tree_units_.begin(), tree_units_.end());
}

const std::vector<FeatureId>& ColumnSampler::for_node(std::int32_t depth, NodeId node) {
  if (depth != level_) {
    level_ = depth;
    level_units_ =
        draw(tree_units_, by_level_, static_cast<std::uint32_t>(Draw::kColumnLevel), static_cast<std::uint32_t>(depth));
    level_features_ = features_of(level_units_);
  }
  if (by_node_ >= 1.0) return level_features_;
  node_features_ = features_of(
      draw(level_units_, by_node_, static_cast<std::uint32_t>(Draw::kColumnNode), static_cast<std::uint32_t>(node)));
  return node_features_;
}

}  // namespace pygbt
