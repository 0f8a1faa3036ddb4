// SPDX-License-Identifier: Apache-2.0
// A tree of C4.5 or ID3 while it grows and is pruned.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "c45/cases.h"
#include "c45/test.h"
#include "decision/decision_tree.h"

namespace pygbt {

struct GrownNode {
  std::vector<std::int64_t> counts;  // [class] parts
  std::int64_t total = 0;            // parts
  std::int64_t n_rows = 0;           // rows with a part here
  std::int32_t label = 0;  // class of the largest count, the first of equal ones; of no cases: the parent's
  double gain = 0.0;  // of the test, bits
  double estimate = 0.0;  // upper limit of the errors, after pruning
  NodeTest test;
  std::vector<GrownNode> children;  // [branch]; none: a leaf

  bool is_leaf() const { return children.empty(); }
  std::int64_t wrong() const { return total - counts[static_cast<std::size_t>(label)]; }
};

// Counts, label and number of rows of a node with these cases.
void summarise(const C45Problem& problem, std::span<const Case> cases, std::int32_t parent_label, GrownNode& node);

void make_leaf(GrownNode& node);

// The finished tree, level by level.
DecisionTree flatten(const C45Problem& problem, const GrownNode& root);

}  // namespace pygbt
