// SPDX-License-Identifier: Apache-2.0
// The test of a node, on codes, and cases divided by it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "c45/cases.h"

namespace pygbt {

struct NodeTest {
  FeatureId feature = -1;
  std::int32_t n_branches = 0;
  Code cut = 0;  // numeric: codes 1 .. cut go to branch 0, larger ones to branch 1
  double threshold = 0.0, lower = 0.0, upper = 0.0;  // numeric: its value; the node's values around the cut
  std::vector<std::int32_t> branch_of;  // nominal: [category] branch, or -1: counts as missing

  // -1: not known.
  std::int32_t branch(Code code) const {
    if (code == kMissingCode) return -1;
    if (cut > 0) return code <= cut ? 0 : 1;
    return branch_of[code - 1];
  }
};

// Cases of every branch: parts of the span that was divided, or of `shared` where cases are in several branches.
struct Division {
  std::vector<std::span<Case>> branches;
  std::vector<Case> shared;
};

// Memory of a thread.
struct DivideScratch {
  std::vector<Case> cases;
  std::vector<std::int32_t> branch;
};

// Reorders the cases by branch. A case without an answer goes down every branch, in proportion to the known cases
// there: the parts add up to the case exactly (cumulative sums are rounded down), parts of 0 are dropped. Where no case
// is known, all go down the first branch.
Division divide(const C45Problem& problem, const NodeTest& test, std::span<Case> cases, DivideScratch& scratch);

}  // namespace pygbt
