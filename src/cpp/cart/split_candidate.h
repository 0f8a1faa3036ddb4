// SPDX-License-Identifier: Apache-2.0
// A question that a search found, over codes, with its total order.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "base/types.h"
#include "decision/coded_table.h"

namespace pygbt {

struct SplitCandidate {
  static constexpr double kNone = -std::numeric_limits<double>::infinity();

  double goodness = kNone;     // improvement / cost of the feature; decides
  double improvement = kNone;  // score of the two sides less that of the node, in units of the integers
  FeatureId feature = -1;
  bool nominal = false;
  bool missing_left = false;    // kDirection: where the missing cases went
  bool perfect = false;          // both sides are pure, so no question improves more; not always noticed
  bool has_missing = false;     // there were some
  Code low = 0, high = 0;       // numeric: codes on both sides of the cut that the node has
  std::uint8_t low_child = 0;   // numeric: where codes up to `low` go; only surrogates say 1
  double drawn = 0.0;           // random_thresholds over exact codes: the threshold itself
  bool is_drawn = false;
  std::vector<std::int8_t> branches;  // nominal: [category] 0, 1, or -1: not in the node

  bool found() const { return feature >= 0; }
  // Larger goodness first, then the earlier feature; cuts of one feature come in order, the first of equal ones stays.
  bool better_than(const SplitCandidate& other) const {
    if (!other.found()) return found();
    return goodness > other.goodness || (goodness == other.goodness && feature < other.feature);
  }
  // Child of a code, or -1 where it is missing or not in the node.
  std::int32_t child(Code code) const {
    if (code == kMissingCode) return -1;
    if (nominal) return branches[code - 1];
    return code <= low ? low_child : 1 - low_child;
  }
};

}  // namespace pygbt
