// SPDX-License-Identifier: Apache-2.0
// A tree of a Model: the Tree itself and the same splits packed for the walk of prediction. Made once when the
// tree joins a model, then immutable and shared by every Model that holds it (slices, copies, checkpoints).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tree/tree.h"

namespace pygbt {

// A node in 16 bytes. A leaf leads to itself (threshold +inf, missing left), so rows that arrive early just stay.
struct WalkNode {
  double threshold = 0.0;   // categorical: index into `sets`
  std::int32_t left = 0;
  std::uint32_t test = 0;   // feature, and the two flags above it

  static constexpr std::uint32_t kMissingLeft = 1u << 31;
  static constexpr std::uint32_t kCategorical = 1u << 30;
  static constexpr std::uint32_t kFeature = kCategorical - 1;
};

struct CategorySet {
  std::int32_t begin = 0;   // first word in Tree::cat_bits
  std::int32_t n_codes = 0;  // codes from here on are missing
};

struct ModelTree {
  Tree tree;
  std::vector<WalkNode> nodes;
  std::vector<std::int32_t> leaf;      // [node] leaf index, 0 at inner nodes
  std::vector<CategorySet> sets;
  std::vector<FeatureId> features;     // that the tree tests, ascending
  std::int32_t depth = 0;              // edges from the root to the deepest leaf
};

using TreePtr = std::shared_ptr<const ModelTree>;

// The tree must be sound: grown by this engine, or passed by validate_tree.
TreePtr make_model_tree(Tree tree);

}  // namespace pygbt
