// SPDX-License-Identifier: Apache-2.0
// Exact weighted quantile edges of numeric columns. They depend on the multiset of (value, weight) of each column only:
// not on row order, chunks, threads or workers; a row of weight 2 counts as two rows. Called by make_dataset.
#pragma once

#include <cstdint>
#include <span>

#include "comm/communicator.h"
#include "data/column.h"
#include "data/cuts.h"

namespace pygbt {

// How the values of the ranks are found; all ways give the same edges. `best` sorts few rows and counts many, on a grid
// where rows weigh the same and lie on one worker; the grid leaves to `radix` the columns that do not suit it.
enum class EdgeSearch : std::uint8_t { best, sort, grid, radix };

// Fills out[i] for each columns[i] that is not categorical. `weights` are fixed-point [n_rows] or empty (1 each).
// At most max_bin - 1 value bins: every distinct value its own bin where they suffice, else the bins of QuantilePlan.
void find_edges(std::span<const ColumnView> columns, std::int64_t n_rows, std::span<const std::uint32_t> weights,
                std::int32_t max_bin, Communicator& comm, int n_threads, std::span<FeatureCuts> out,
                EdgeSearch search = EdgeSearch::best);

}  // namespace pygbt
