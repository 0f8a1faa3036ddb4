// SPDX-License-Identifier: Apache-2.0
// Error-based pruning with sub-tree raising (Quinlan 1993, chapter 4).
#pragma once

#include <span>

#include "c45/cases.h"
#include "c45/grown_node.h"
#include "math/added_errors.h"

namespace pygbt {

class ErrorBasedPruning {
 public:
  explicit ErrorBasedPruning(const C45Problem& problem)
      : problem_(problem), added_(problem.settings.confidence, problem.settings.exact_deviate) {}

  // Sets the estimate of a leaf.
  void estimate_leaf(GrownNode& node) const;

  // A node whose children are pruned becomes a leaf, or its largest branch, or stays; sets its estimate. The cases are
  // those of the node; they are reordered.
  void prune(GrownNode& node, std::span<Case> cases, DivideScratch& scratch) const;

 private:
  double leaf_errors(std::int64_t total, std::int64_t wrong) const;

  // Estimated errors of the sub-tree, as it is, for these cases.
  double estimate(const GrownNode& node, std::span<Case> cases, DivideScratch& scratch) const;

  // Gives the sub-tree these cases and prunes it again.
  void reroute(GrownNode& node, std::span<Case> cases, std::int32_t parent_label, DivideScratch& scratch) const;

  const C45Problem& problem_;
  AddedErrors added_;
};

}  // namespace pygbt
