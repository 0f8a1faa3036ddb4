// SPDX-License-Identifier: Apache-2.0
// Monotone bounds on leaf values that are residual quantiles. Called by queue_tree.cu.
#pragma once

#include <cstdint>
#include <limits>

#include "block.h"
#include "device.h"
#include "frontier.h"
#include "leaf_rows.h"
#include "math/grow_rules.h"
#include "math/layout.h"

namespace pygbt::device {

// Residual quantiles of a target, pulled into ranges in which no constrained cut is violated, level by level as
// enforce_monotone does it on the host (grow/constraints); then times the learning rate. A thread a node; one block.
struct MonotoneLeavesKernel {
  Frontier tree;
  GrownOnDevice grown;
  const TreeArguments* arguments;
  LeafMean* below;  // [node in the tree]
  Interval* ranges;  // [node in the tree] range of the leaf values below
  std::int32_t k;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t n = tree.state->n_in_tree;
    std::int32_t depth = 0;
    PYGBT_ROLL
    while (any_at(depth, n)) ++depth;
    PYGBT_ROLL
    for (std::int32_t level = depth - 1; level >= 0; --level) {
      at_level(level, n, [&](std::int32_t at, const BinnedNode& node) {
        if (node.left < 0)
          below[at] = {static_cast<double>(value(node)), 1.0};
        else
          below[at] = mean_of(below[node.left], below[node.left + 1]);
      });
    }
    if (thread() == 0 && n > 0)
      ranges[0] = {-std::numeric_limits<double>::infinity(), std::numeric_limits<double>::infinity()};
    sync();
    PYGBT_ROLL
    for (std::int32_t level = 0; level < depth; ++level) {
      at_level(level, n, [&](std::int32_t at, const BinnedNode& node) {
        if (node.left < 0)
          take(value(node), ranges[at]);
        else
          part_interval(ranges[at], tree.monotone[node.feature], below[node.left].mean, below[node.left + 1].mean,
                        ranges[node.left], ranges[node.left + 1]);
      });
    }
  }

  PYGBT_KERNEL float& value(const BinnedNode& leaf) const {
    return grown.leaf_values[row_major(~leaf.left, k, tree.leaf_width)];
  }
  PYGBT_KERNEL void take(float& quantile, const Interval& range) const {
    quantile = learnt(quantile, within(static_cast<double>(quantile), range), arguments->learning_rate);
  }
  PYGBT_KERNEL std::int32_t depth_of(std::int32_t at) const { return tree.nodes[tree.in_tree[at]].depth; }
  PYGBT_KERNEL bool any_at(std::int32_t depth, std::int32_t n) const {
    std::int64_t n_at = 0;
    PYGBT_ROLL
    for (std::int32_t at = thread(); at < n; at += n_threads()) n_at += depth_of(at) == depth;
    return block_sum(n_at, shared<std::int64_t>()) > 0;
  }
  // Does `one` for all nodes of a level, and waits for it.
  template <class One>
  PYGBT_KERNEL void at_level(std::int32_t level, std::int32_t n, One&& one) const {
    PYGBT_ROLL
    for (std::int32_t at = thread(); at < n; at += n_threads())
      if (depth_of(at) == level) one(at, grown.nodes[at]);
    sync();
  }
};

}  // namespace pygbt::device
