// SPDX-License-Identifier: Apache-2.0
// What a pruning rule says of every node, and the two ways to apply one: bottom-up (a node is judged with its best
// pruned sub-tree) and top-down (below a node that becomes a leaf nothing is looked at).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decision/decision_tree.h"

namespace pygbt {

// Why a node is what it is. The order is that of pygbt/tree/pruning.py.
enum class Verdict : std::uint8_t {
  kSplit,           // keeps its question
  kLeaf,            // was a leaf
  kBelow,           // below a node that became a leaf
  kNoWorse,         // became a leaf: as a leaf it is no worse than its sub-tree
  kLowers,          // ... its split lowers the validation accuracy
  kDoesNotRaise,    // ... its split does not raise the validation accuracy
  kTooDeep,         // ... it lies at the largest depth
  kTooFew,          // ... it has too few rows
  kTooLittle,       // ... its split improves too little
};

constexpr bool becomes_leaf(Verdict verdict) { return verdict >= Verdict::kNoWorse; }

struct Pruning {
  std::vector<Verdict> verdict;  // [node]
  // [node] what was compared: the node as a leaf, and with its question (bottom-up: its best sub-tree; top-down: as the
  // rule says). Equal at leaves; NaN where nothing was compared.
  std::vector<double> as_leaf, with_split;

  explicit Pruning(const DecisionTree& tree);
};

// A node becomes a leaf if as_leaf[node] <= stays[node] + what its children cost at best + slack. stays [node]: what a
// node costs in any case while it is split (rows that go to no child); empty: nothing.
Pruning prune_bottom_up(const DecisionTree& tree, std::span<const double> as_leaf, std::span<const double> stays,
                        double slack);

// judge(node, pruning) gives kSplit or why an inner node becomes a leaf, and may note what it compared.
template <class Judge>
Pruning prune_top_down(const DecisionTree& tree, Judge&& judge) {
  Pruning out(tree);
  for (std::size_t i = 0; i < out.verdict.size(); ++i) {  // parents come first
    const bool gone = out.verdict[i] == Verdict::kBelow;
    if (!gone && tree.first_child[i] >= 0) out.verdict[i] = judge(static_cast<NodeId>(i), out);
    if (!gone && out.verdict[i] == Verdict::kSplit) continue;
    for (std::int32_t c = 0; c < tree.n_children[i]; ++c)
      out.verdict[static_cast<std::size_t>(tree.first_child[i] + c)] = Verdict::kBelow;
  }
  return out;
}

}  // namespace pygbt
