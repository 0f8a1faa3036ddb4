// SPDX-License-Identifier: Apache-2.0
// How a binary tree is grown: CART's rules (Breiman, Friedman, Olshen, Stone 1984, as rpart computes them) and what
// forests add to them.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

namespace pygbt {

enum class CartCriterion : std::uint8_t { kGini, kEntropy, kTwoing, kSquaredError, kAbsoluteError, kPoisson };
// kAuto: ordered by response where that is exact (two classes, means, rates), else (classes, medians, several targets)
// exhaustive up to kExhaustiveLevels levels in the node, beyond them by each class's share or mean in turn.
enum class NominalSearch : std::uint8_t { kAuto, kOrdered, kExhaustive, kOneVsRest };
// kDirection: missing values take the better side, as part of the search.
enum class MissingRows : std::uint8_t { kSurrogate, kDirection };

inline constexpr int kExhaustiveLevels = 11;  // 1,023 subsets
inline constexpr int kMostExhaustiveLevels = 24;

struct CartOptions {
  CartCriterion criterion = CartCriterion::kGini;
  double min_split = 2.0;   // a node with less is a leaf
  double min_bucket = 1.0;  // a child has at least as much
  bool count_rows = false;  // min_split and min_bucket count rows; else weight
  double cp = -1.0;  // splits whose complexity ends <= cp x risk of the root are not made; < 0: no such rule, and
  // splits that improve nothing are made, too
  std::int32_t max_depth = std::numeric_limits<std::int32_t>::max();
  std::int32_t max_leaves = 0;  // > 0: leaves are split in the order of what they improve
  std::vector<double> class_factor;  // [K] prior / frequency: the true priors of risk and labels
  std::vector<double> split_factor;  // [K] altered priors of the search, with the losses in them
  std::vector<double> losses;  // [K][K] calling a row of class i class j; empty: 1 where i != j
  NominalSearch nominal = NominalSearch::kAuto;
  MissingRows missing = MissingRows::kDirection;
  std::int32_t max_surrogates = 5;
  std::int32_t use_surrogates = 2;  // 2: then the side of the majority; 1: then the row stays; 0: stays at once
  bool surrogates_of_present = false;  // agreement over rows that have the surrogate (the book) instead of all
  std::int32_t max_competitors = 0;
  std::vector<double> feature_cost;  // [feature] divides the improvement; empty: 1
  bool midpoint = true;
  double shrink = 0.0;  // kPoisson: coefficient of variation of the prior of the rates; 0: none

  // Of forests.
  std::int32_t max_features = 0;  // features drawn a node; 0: all
  bool random_thresholds = false;  // one cut a feature, drawn between its extremes in the node
  std::uint64_t seed = 0;
  std::uint32_t tree = 0;  // number of the tree, keys its draws
};

}  // namespace pygbt
