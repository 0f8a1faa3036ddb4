// SPDX-License-Identifier: Apache-2.0
// Prediction from raw columns: const, without locks or state, safe from many threads on one Model. The scores are
// the float32 sums of training: starting margin, then the trees in order. Equals prediction from bins, bit for bit.
#pragma once

#include <cstdint>
#include <span>

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

enum class Output : std::uint8_t { kMargin, kValue };  // kValue: the link of the loss on the margins

// out [row][n_outputs]. Throws InvalidArgument where columns, margins or iterations do not fit the model.
void predict_scores(const Model& model, const PredictInput& input, Output output, std::span<float> out);

// Leaf index of each row in each tree of the iterations, out [row][tree].
void predict_leaves(const Model& model, const PredictInput& input, std::span<std::int32_t> out);

}  // namespace pygbt
