// SPDX-License-Identifier: Apache-2.0
// A tree of a Model: the Tree itself and the same splits packed for the walk of prediction. Made once when the
// tree joins a model, then immutable and shared by every Model that holds it (slices, copies, checkpoints).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tree/deep_tree.h"
#include "tree/tree.h"
#include "tree/walk_node.h"

namespace pygbt {

// Trees with more of both are walked by many rows together (model/deep_rows); model/forest is as fast for others.
inline constexpr std::int32_t kShallowLeaves = 256;
inline constexpr std::int32_t kShallowDepth = 11;

struct ModelTree {
  Tree tree;
  std::vector<WalkNode> nodes;
  std::vector<std::int32_t> leaf;      // [node] leaf index, 0 at inner nodes
  std::vector<CategorySet> sets;
  std::vector<FeatureId> features;     // that the tree tests, ascending
  std::int32_t depth = 0;              // edges from the root to the deepest leaf
  std::unique_ptr<const DeepTree> deep;  // of a large tree, else nullptr
};

using TreePtr = std::shared_ptr<const ModelTree>;

// The tree must be sound: grown by this engine, or passed by validate_tree.
TreePtr make_model_tree(Tree tree);

}  // namespace pygbt
