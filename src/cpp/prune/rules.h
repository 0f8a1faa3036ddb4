// SPDX-License-Identifier: Apache-2.0
// Pruning rules of single trees, each one pass over the nodes. Cases are weights.
#pragma once

#include <cstdint>
#include <vector>

#include "decision/decision_tree.h"
#include "prune/held_out.h"
#include "prune/pruning.h"

namespace pygbt {

// [node] cases times entropy of their classes, in bits.
std::vector<double> entropy_cost(const DecisionTree& tree);

// Minimises sum over leaves of (cases x entropy in bits + alpha), bottom-up; of equal prunings the smallest.
Pruning prune_by_entropy(const DecisionTree& tree, double alpha);

// The smallest of the prunings with the least loss on held-out rows, bottom-up (Quinlan 1987).
Pruning prune_reduced_error(const DecisionTree& tree, const HeldOut& rows);

// Top-down, on the training cases: a node becomes a leaf if its errors + 1/2 <= E + SE, E = errors of its leaves + 1/2
// for each, SE = sqrt(E (N - E) / N) (Quinlan 1987).
Pruning prune_pessimistic(const DecisionTree& tree);

// Bottom-up: a node becomes a leaf if the upper limit of its errors at this confidence is no more than that of its best
// sub-tree + 0.1 (C4.5 without raising branches); exact: as math/added_errors.h has it.
Pruning prune_error_based(const DecisionTree& tree, double confidence, bool exact);

// Pre-pruning as it would have grown, breadth first: a split stays if it does not lower the accuracy on the validation
// rows of the tree so far (cut_ties: only if it raises it); below one that does not stay nothing is looked at.
Pruning prune_by_validation(const DecisionTree& tree, const HeldOut& rows, bool cut_ties);

// Top-down: a split stays if its node lies less deep than max_depth (< 0: any), has at least min_count training rows and
// its question improves by at least min_improvement.
struct SplitLimits {
  double min_improvement = 0.0;
  std::int64_t min_count = 0;
  std::int32_t max_depth = -1;
};
Pruning prune_by_thresholds(const DecisionTree& tree, const SplitLimits& limits);

}  // namespace pygbt
