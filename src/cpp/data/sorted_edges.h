// SPDX-License-Identifier: Apache-2.0
// Edges of tables of few rows: the keys of a column fit a cache, so they are sorted. Called by find_edges.
#pragma once

#include <cstdint>
#include <span>

#include "data/column.h"
#include "data/cuts.h"
#include "data/keys.h"

namespace pygbt {

inline constexpr std::int64_t kSortRows = 1 << 17;  // tables with more rows are counted

// Fills out[f] for each f of `wanted`; Key is the key of those columns. At most `bins` value bins.
template <ValueKey Key>
void sort_edges(std::span<const ColumnView> columns, std::span<const std::size_t> wanted, std::int64_t n_rows,
                std::span<const std::uint32_t> weights, std::int32_t bins, int n_threads, std::span<FeatureCuts> out);

extern template void sort_edges<std::uint32_t>(std::span<const ColumnView>, std::span<const std::size_t>, std::int64_t,
                                               std::span<const std::uint32_t>, std::int32_t, int,
                                               std::span<FeatureCuts>);
extern template void sort_edges<std::uint64_t>(std::span<const ColumnView>, std::span<const std::size_t>, std::int64_t,
                                               std::span<const std::uint32_t>, std::int32_t, int,
                                               std::span<FeatureCuts>);

}  // namespace pygbt
