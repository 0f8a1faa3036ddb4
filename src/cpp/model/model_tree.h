// SPDX-License-Identifier: Apache-2.0
// A tree of a Model: the Tree itself and the same splits packed for the walk of prediction. Made once when the
// tree joins a model, then immutable and shared by every Model that holds it (slices, copies, checkpoints).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "tree/tree.h"
#include "tree/walk_node.h"

namespace pygbt {

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
