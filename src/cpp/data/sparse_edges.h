// SPDX-License-Identifier: Apache-2.0
// Edges of sparse columns of few values: one pass over what is stored counts them all. Called by find_edges where all
// rows are on one worker.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/column.h"
#include "data/cuts.h"

namespace pygbt {

// Fills out[f] of the numeric columns it is meant for; [column] whether it did.
std::vector<char> count_sparse_edges(std::span<const ColumnView> columns, std::int64_t n_rows,
                                     std::span<const std::uint32_t> weights, std::int32_t bins, int threads,
                                     std::span<FeatureCuts> out);

}  // namespace pygbt
