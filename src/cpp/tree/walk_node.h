// SPDX-License-Identifier: Apache-2.0
// A node as prediction from raw values walks it, in 16 bytes, and which way a value goes. Made by make_model_tree; walked
// on the host and on a device.
#pragma once

#include <cstdint>

#include "base/host_device.h"

namespace pygbt {

// A leaf leads to itself (threshold +inf, missing left), so rows that arrive early just stay.
struct WalkNode {
  double threshold = 0.0;  // categorical: index into the tree's sets
  std::int32_t left = 0;
  std::uint32_t test = 0;  // feature, and the two flags above it

  static constexpr std::uint32_t kMissingLeft = 1u << 31;
  static constexpr std::uint32_t kCategorical = 1u << 30;
  static constexpr std::uint32_t kFeature = kCategorical - 1;
};

struct CategorySet {
  std::int32_t begin = 0;  // first word in Tree::cat_bits
  std::int32_t n_codes = 0;  // codes from here on are missing
};

// Whether a value goes to the right child, left + 1; NaN is missing. sets and words are the tree's. kMissing, kCategorical:
// whether NaN and categories may occur.
template <bool kMissing, bool kCategorical>
PYGBT_HD bool goes_right(const WalkNode& node, double x, const CategorySet* sets, const std::uint32_t* words) {
  const bool missing_left = (node.test & WalkNode::kMissingLeft) != 0;
  if constexpr (kCategorical) {
    if ((node.test & WalkNode::kCategorical) != 0) {
      const CategorySet set = sets[static_cast<std::size_t>(node.threshold)];
      if (!(x < static_cast<double>(set.n_codes))) return !missing_left;  // NaN, or a code training did not have
      const auto code = static_cast<std::uint32_t>(x);
      const std::uint32_t word = words[static_cast<std::size_t>(set.begin) + code / 32];
      return ((word >> (code % 32)) & 1u) == 0;
    }
  }
  const bool above = x > node.threshold;  // false for NaN
  if constexpr (!kMissing) return above;
  return above | ((x != x) & !missing_left);
}

}  // namespace pygbt
