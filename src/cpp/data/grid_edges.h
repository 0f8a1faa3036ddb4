// SPDX-License-Identifier: Apache-2.0
// Edges of tables of many rows in two passes over them: the first counts keys by the cells of a KeyGrid, the second
// keeps the keys of those cells that hold a rank of the QuantilePlan. Called by find_edges.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/column.h"
#include "data/cuts.h"
#include "data/keys.h"

namespace pygbt {

// Fills out[f] for those f of `wanted` that the grid suits, and returns the others: columns whose values crowd so much
// that too many keys would have to be kept. Every row counts once. At most `bins` value bins.
template <ValueKey Key>
std::vector<std::size_t> grid_edges(std::span<const ColumnView> columns, std::span<const std::size_t> wanted,
                                    std::int64_t n_rows, std::int32_t bins, int n_threads, std::span<FeatureCuts> out);

extern template std::vector<std::size_t> grid_edges<std::uint32_t>(std::span<const ColumnView>,
                                                                   std::span<const std::size_t>, std::int64_t,
                                                                   std::int32_t, int, std::span<FeatureCuts>);
extern template std::vector<std::size_t> grid_edges<std::uint64_t>(std::span<const ColumnView>,
                                                                   std::span<const std::size_t>, std::int64_t,
                                                                   std::int32_t, int, std::span<FeatureCuts>);

}  // namespace pygbt
