// SPDX-License-Identifier: Apache-2.0
// The obvious prediction: raw values down the thresholds of a tree. It serves few rows and models that do not fit the
// packed layout, and is the oracle of model/forest.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "data/column.h"
#include "data/cuts.h"
#include "model/model_tree.h"

namespace pygbt {

inline constexpr int kBlockRows = 64;

// Values of a block, [feature][kBlockRows]; only the features that the trees test are filled.
struct Block {
  std::unique_ptr<double[]> x;
  bool missing = false;   // some value is NaN
};

// Rows [begin, end) of a column as the trees compare them: float64, rounded as in training, NaN = missing.
void read_values(const ColumnView& column, const FeatureCuts& feature, std::int64_t begin, std::int64_t end,
                 double* out);

void fill(Block& block, std::span<const FeatureId> features, const Cuts& cuts, std::span<const ColumnView> columns,
          std::int64_t begin, int n_rows);

// Leaf index of each row of the block.
void walk(const ModelTree& tree, const Block& block, int n_rows, std::int32_t* leaf);

}  // namespace pygbt
