// SPDX-License-Identifier: Apache-2.0
// What the trees of a forest that did not draw a row say about it (Breiman 2001).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/column.h"
#include "ensemble/forest.h"
#include "model/model.h"

namespace pygbt {

struct LeftOut {
  std::vector<double> sums;  // [row][n_outputs] of leaf values, trees in order
  std::vector<std::int32_t> n_trees;  // [row] that left it out
};

// model: the trees of the trainer; columns: its rows, as the model reads them.
LeftOut out_of_bag(const Model& model, const ForestTrainer& trainer, std::span<const ColumnView> columns,
                   std::int64_t n_rows, int n_threads);

}  // namespace pygbt
