// SPDX-License-Identifier: Apache-2.0
// A tree over bins: what the grow loop makes and what adds scores to binned rows. to_tree / to_bins translate
// to and from thresholds through the Cuts.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.h"
#include "data/cuts.h"
#include "tree/tree.h"

namespace pygbt {

struct BinnedNode {
  std::int32_t left = -1;         // first child (right = left + 1); < 0: leaf ~left
  FeatureId feature = -1;
  Bin bin = 0;                    // numeric: bins 1 .. bin go left
  bool missing_left = false;
  std::int32_t cat_begin = -1;    // categorical: first word of its bit set over bins (bit 0 = missing_left)
  std::int32_t cat_words = 0;
  float gain = 0.0f;
  double cover = 0.0;
  std::int64_t count = 0;
};

struct BinnedTree {
  std::int32_t width = 1;
  std::int32_t target = 0;
  std::vector<BinnedNode> nodes;
  std::vector<std::uint32_t> cat_bits;
  std::vector<float> leaf_value;   // [n_leaves][width]

  std::int32_t n_leaves() const { return static_cast<std::int32_t>((nodes.size() + 1) / 2); }
};

Tree to_tree(const BinnedTree& tree, const Cuts& cuts);
// Throws InvalidArgument where a threshold is not an edge of `cuts` (a tree grown on other edges).
BinnedTree to_bins(const Tree& tree, const Cuts& cuts);

}  // namespace pygbt
