// SPDX-License-Identifier: Apache-2.0
// Binned rows down a tree, and its leaf values to their scores.
#pragma once

#include <cstdint>

#include "block.h"
#include "device.h"
#include "math/layout.h"
#include "math/route.h"
#include "table.h"
#include "tree/binned_tree.h"
#include "tree_work.h"

namespace pygbt::device {

struct WalkKernel {
  const RowId* rows;           // [n]; nullptr = rows 0 .. n - 1
  const std::int64_t* first;   // of them; nullptr = 0
  std::int64_t n;
  const BinnedNode* nodes;
  const std::uint32_t* cat_bits;
  const Column* columns;
  const float* values;  // [leaf][width]
  float* scores;        // [row][n_targets]
  const TreeArguments* tree;
  std::int32_t width, n_targets;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t target = tree->first_leaf_target;
    for (std::int64_t i = (first == nullptr ? 0 : *first) + first_row(); i < n; i += row_step()) {
      const std::int64_t row = rows == nullptr ? i : std::int64_t{rows[i]};
      std::int32_t at = 0;
      while (nodes[at].left >= 0) {
        const BinnedNode& node = nodes[at];
        const Column& column = columns[node.feature];
        const Bin bin = bin_at(column.bins, column.two_byte, row);
        const bool left = node.cat_begin < 0 ? goes_left(bin, node.bin, node.missing_left)
                                             : goes_left(bin, cat_bits + node.cat_begin, node.cat_words);
        at = node.left + (left ? 0 : 1);
      }
      for (std::int32_t k = 0; k < width; ++k)
        scores[row_major(row, target + k, n_targets)] += values[row_major(~nodes[at].left, k, width)];
    }
  }
};

}  // namespace pygbt::device
