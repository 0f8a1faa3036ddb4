// SPDX-License-Identifier: Apache-2.0
// What the search for a cut reads beside histograms.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/types.h"

namespace pygbt {

// Units of the integers: real gradient = integer * g_unit, likewise h (weight unit included).
struct CellUnits {
  double g = 1.0;
  double h = 1.0;
  bool operator==(const CellUnits&) const = default;
};

// What the search for a cut must obey; constant while a tree grows.
struct SplitRules {
  double reg_lambda = 1.0;
  double reg_alpha = 0.0;
  double max_delta_step = 0.0;         // 0 = unlimited
  double min_child_weight = 1.0;       // per child: the largest hessian sum of any of the tree's targets
  std::int64_t min_child_samples = 1;  // per child, rows
  double min_split_gain = 0.0;
  std::int32_t max_cat_to_onehot = 4;
  std::int32_t max_cat_threshold = 64;
  double cat_smooth = 10.0;
  double cat_l2 = 10.0;
  double min_category_hessian = 0.0;  // partition splits: categories with less (all targets) go with the missing rows
  std::vector<std::int8_t> monotone;  // [feature] -1, 0, +1; empty = none
  std::vector<CellUnits> target_factors;  // [width] on gradients and hessians in the search alone; empty = 1

  bool operator==(const SplitRules&) const = default;

  // Units that the search reads.
  CellUnits units_of(std::size_t target, const CellUnits& units) const {
    if (target_factors.empty()) return units;
    return {units.g * target_factors[target].g, units.h * target_factors[target].h};
  }
  std::int8_t monotone_of(FeatureId f) const {
    return monotone.empty() ? std::int8_t{0} : monotone[static_cast<std::size_t>(f)];
  }
  bool counts_needed() const { return min_child_samples > 1; }
};

}  // namespace pygbt
