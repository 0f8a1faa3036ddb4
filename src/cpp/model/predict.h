// SPDX-License-Identifier: Apache-2.0
// Prediction from raw columns: const, without locks or state, safe from many threads on one Model. The scores are
// the float32 sums of training: starting margin, then the trees in order. Equals prediction from bins, bit for bit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/column.h"
#include "model/model.h"

namespace pygbt {

struct PredictInput {
  std::int64_t n_rows = 0;
  std::span<const ColumnView> columns;   // [feature]
  std::span<const float> base_margin;    // [row][n_outputs], replaces the base score; empty = base score
  std::int32_t begin = 0;                // iterations [begin, end)
  std::int32_t end = 0;
  int n_threads = 0;
  bool plain = false;                    // walk the thresholds even where the packed forest would serve (tests)
};

// A call that has been checked: what its tasks share.
struct PredictPlan {
  std::size_t first_tree = 0, n_trees = 0;
  std::vector<FeatureId> features;  // that the trees test, ascending
  int n_threads = 1;
};

enum class Output : std::uint8_t { kMargin, kValue };  // kValue: the link of the loss on the margins

// Check a call and the size of its output; they throw as the two below.
PredictPlan plan_scores(const Model& model, const PredictInput& input, std::span<const float> out);
PredictPlan plan_leaves(const Model& model, const PredictInput& input, std::span<const std::int32_t> out);

// out [row][n_outputs]. Throws InvalidArgument where columns, margins or iterations do not fit the model.
void predict_scores(const Model& model, const PredictInput& input, Output output, std::span<float> out);

// Leaf index of each row in each tree of the iterations, out [row][tree].
void predict_leaves(const Model& model, const PredictInput& input, std::span<std::int32_t> out);

}  // namespace pygbt
