// SPDX-License-Identifier: Apache-2.0
// The rules by which a tree grows, node by node: which nodes may be cut, which leaf is cut first, how monotone bounds pass
// to children. The grow loop and devices that grow whole trees by themselves go by them.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "base/types.h"
#include "math/gain.h"

namespace pygbt {

enum class GrowOrder : std::uint8_t {
  kLevels,  // all nodes of a level at a time, the best of them where the leaves run out
  kBestFirst,  // the leaf with the largest gain
  kSymmetric,  // levels, one cut for all nodes of a level, all or none
};

struct GrowLimits {
  GrowOrder order = GrowOrder::kLevels;
  std::int32_t max_depth = 0;  // 0 = none
  std::int64_t max_leaves = 0;  // 0 = none
  std::int64_t min_child_samples = 1;
  double min_child_weight = 0.0;
  bool looks_ahead = true;  // not where a node draws its columns: the draw depends on which leaf is cut when
  bool operator==(const GrowLimits&) const = default;

  PYGBT_HD bool deepest(std::int32_t depth) const { return max_depth > 0 && depth >= max_depth; }
  // Leaves that may still come on top of n_leaves.
  PYGBT_HD std::int64_t budget(std::int64_t n_leaves) const {
    return max_leaves > 0 ? max_leaves - n_leaves : std::int64_t{1} << 62;
  }
};

// hessian(k): real hessian sum of the node's target k.
template <class Hessian>
PYGBT_HD bool can_split(const GrowLimits& limits, std::int32_t depth, std::int64_t count, std::int32_t width,
                        Hessian&& hessian) {
  if (limits.deepest(depth)) return false;
  if (limits.order == GrowOrder::kSymmetric) return true;
  if (count < 2 * limits.min_child_samples || count < 2) return false;
  double most = 0.0;
  for (std::int32_t k = 0; k < width; ++k) most = hessian(k) > most ? hessian(k) : most;
  return most >= limits.min_child_weight;
}

// Which of two leaves is cut first: larger gain, then the earlier one in the tree.
PYGBT_HD bool cut_before(double gain_a, NodeId in_tree_a, double gain_b, NodeId in_tree_b) {
  return gain_a != gain_b ? gain_a > gain_b : in_tree_a < in_tree_b;
}

// The best cut of a node where it is on a feature that no tree has used, once it has paid the price of that; it must still
// gain more than `least`.
struct PricedCut {
  double gain = 0.0;
  bool valid = false;
  PYGBT_HD PricedCut(double full_gain, double price, double least)
      : gain(full_gain - price), valid(full_gain - price > least) {}
  // Whether the best cut on the features in use is taken instead.
  PYGBT_HD bool gives_way(bool is_known, double known_gain) const { return is_known && (!valid || known_gain > gain); }
};

// Best-first growth makes children of so many leaves at most before they are known to be cut: those that come next.
inline constexpr std::int32_t kLeavesAhead = 8;

// Leaves to expand beside the one that is cut now: of the others n_bare have no children yet, n_expanded have.
PYGBT_HD std::int64_t leaves_ahead(const GrowLimits& limits, std::int64_t n_leaves, std::int64_t n_expanded,
                                   std::int64_t n_bare) {
  if (!limits.looks_ahead) return 0;
  std::int64_t most = kLeavesAhead - 1 - n_expanded;
  if (limits.budget(n_leaves) - 1 < most) most = limits.budget(n_leaves) - 1;
  return most < 0 ? 0 : most < n_bare ? most : n_bare;
}

// Range of a leaf value.
struct Interval {
  double lower = 0.0;
  double upper = 0.0;
};

PYGBT_HD double within(double value, const Interval& range) { return clamp(value, range.lower, range.upper); }

// Ranges of the children of a node cut on a feature with direction +1 / -1 (0: inherited). The children's own values,
// within the node's range, are kept apart by their midpoint: every leaf on one side stays on its side of it.
PYGBT_HD void part_interval(const Interval& node, int direction, double left_value, double right_value, Interval& left,
                            Interval& right) {
  left = right = node;
  if (direction == 0) return;
  const double middle = 0.5 * within(left_value, node) + 0.5 * within(right_value, node);
  Interval& below = direction > 0 ? left : right;
  Interval& above = direction > 0 ? right : left;
  below.upper = middle < below.upper ? middle : below.upper;
  above.lower = above.lower < middle ? middle : above.lower;
}

// Mean of the leaf values below a node, and how many there are; of a node from its children's.
struct LeafMean {
  double mean = 0.0;
  double n_leaves = 1.0;
};
PYGBT_HD LeafMean mean_of(const LeafMean& left, const LeafMean& right) {
  const double n = left.n_leaves + right.n_leaves;
  return {(left.mean * left.n_leaves + right.mean * right.n_leaves) / n, n};
}

}  // namespace pygbt
