// SPDX-License-Identifier: Apache-2.0
// Reduced-error pruning of a boosted model: tree by tree, a sub-tree that does not improve the loss of held-out rows,
// the margins of all other trees kept, becomes a leaf with the cover-weighted mean of its leaves.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "data/column.h"
#include "data/dataset.h"
#include "model/model.h"

namespace pygbt {

struct BoostedRows {
  std::span<const ColumnView> columns;  // [feature] raw values
  const Dataset& data;  // labels, weights and margins of the same rows; its bins are not read
  int n_threads = 0;
};

// metric: "" for the loss of the objective, or a metric that adds up over rows. Sums are exact: the same model on any
// number of threads. Throws InvalidArgument for labels or metrics that do not fit the objective.
Model prune_boosted(const Model& model, const BoostedRows& rows, const std::string& metric);

// `tree` with every node marked in `cut` as a leaf of value [node][width], nodes in their old order.
Tree cut_boosted(const Tree& tree, std::span<const std::uint8_t> cut, std::span<const float> value);

}  // namespace pygbt
