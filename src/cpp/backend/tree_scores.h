// SPDX-License-Identifier: Apache-2.0
// Trees over binned rows: see add_tree_scores in backend.h.
#pragma once

#include <cstdint>

#include "data/dataset.h"
#include "math/route.h"
#include "tree/binned_tree.h"

namespace pygbt {

// Leaf of one row, by walking.
inline std::int32_t leaf_of(const BinnedTree& tree, const Dataset& data, std::int64_t row) {
  const BinnedNode* node = tree.nodes.data();
  while (node->left >= 0) {
    const Bin bin = data.column(node->feature).at(row);
    const bool left = node->cat_begin < 0 ? goes_left(bin, node->bin, node->missing_left)
                                          : goes_left(bin, tree.cat_bits.data() + node->cat_begin, node->cat_words);
    node = tree.nodes.data() + node->left + (left ? 0 : 1);
  }
  return ~node->left;
}

}  // namespace pygbt
