// SPDX-License-Identifier: Apache-2.0
// The whole path of prunings that minimise cost + alpha x leaves, for costs of nodes that add up over leaves (risk, or
// cases times entropy): the alpha from which on each node is a leaf.
#pragma once

#include <span>
#include <vector>

#include "decision/decision_tree.h"
#include "prune/pruning.h"

namespace pygbt {

// [node] the alpha at which an inner node's sub-tree collapses: its own link or its parent's, if that is weaker;
// -infinity at leaves. The smallest optimal pruning for alpha has as leaves the nodes whose value is <= alpha and
// whose ancestors' are not. Values that differ by rounding alone are equal. O(n log n).
std::vector<double> link_strength(const DecisionTree& tree, std::span<const double> cost);

// The pruning at alpha; compared are cost + alpha x leaves of a node as a leaf and of its best sub-tree.
Pruning prune_by_strength(const DecisionTree& tree, std::span<const double> cost, std::span<const double> strength,
                          double alpha);

// The distinct values of inner nodes, from large to small.
std::vector<double> path_alphas(const DecisionTree& tree, std::span<const double> strength);

// Sums over the leaves of the pruning at every alpha (descending): of a node as a leaf, and while it is split (empty:
// nothing). out [alpha].
std::vector<double> path_sums(const DecisionTree& tree, std::span<const double> strength,
                              std::span<const double> alphas, std::span<const double> as_leaf,
                              std::span<const double> stays);

}  // namespace pygbt
