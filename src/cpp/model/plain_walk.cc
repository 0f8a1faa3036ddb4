// SPDX-License-Identifier: Apache-2.0
// A block's columns are converted once to float64, column by column (a float32 column is rounded as in training), and
// each tree walks eight rows at a time so that their loads overlap.
#include "model/plain_walk.h"

#include <cstddef>
#include <limits>

namespace pygbt {
namespace {

constexpr int kLanes = 8;  // rows that walk a tree together

// Leaf index of rows [first, first + lanes) of the block.
template <int lanes, bool kMissing, bool kCategorical>
inline void walk_lanes(const ModelTree& tree, const double* x, std::int32_t* leaf) {
  const WalkNode* nodes = tree.nodes.data();
  std::int32_t at[lanes] = {};
  for (std::int32_t step = 0; step < tree.depth; ++step) {
    std::int32_t moved = 0;
#pragma GCC unroll 8
    for (int i = 0; i < lanes; ++i) {
      const WalkNode& node = nodes[at[i]];
      const std::size_t feature = node.test & WalkNode::kFeature;
      const double value = x[feature * kBlockRows + static_cast<std::size_t>(i)];
      const std::int32_t next =
          node.left + goes_right<kMissing, kCategorical>(node, value, tree.sets.data(), tree.tree.cat_bits.data());
      moved |= next ^ at[i];
      at[i] = next;
    }
    if (moved == 0) break;  // all rows are at leaves: deep, lopsided trees end early
  }
  for (int i = 0; i < lanes; ++i) leaf[i] = tree.leaf[static_cast<std::size_t>(at[i])];
}

template <bool kMissing, bool kCategorical>
void walk_rows(const ModelTree& tree, const double* x, int n_rows, std::int32_t* leaf) {
  int row = 0;
  for (; row + kLanes <= n_rows; row += kLanes) {
    walk_lanes<kLanes, kMissing, kCategorical>(tree, x + row, leaf + row);
  }
  for (; row < n_rows; ++row) walk_lanes<1, kMissing, kCategorical>(tree, x + row, leaf + row);
}

}  // namespace

void walk(const ModelTree& tree, const Block& block, int n_rows, std::int32_t* leaf) {
  const double* x = block.x.get();
  if (!tree.sets.empty()) return walk_rows<true, true>(tree, x, n_rows, leaf);
  if (block.missing) return walk_rows<true, false>(tree, x, n_rows, leaf);
  walk_rows<false, false>(tree, x, n_rows, leaf);
}

void read_values(const ColumnView& column, const FeatureCuts& feature, std::int64_t begin, std::int64_t end,
                 double* out) {
  read_column(column, begin, end, feature.wide, out);
  if (!feature.categorical) return;
  for (std::int64_t i = 0; i < end - begin; ++i) {  // a code that training did not have is missing
    if (out[i] > feature.n_bins - 2) out[i] = std::numeric_limits<double>::quiet_NaN();
  }
}

void fill(Block& block, std::span<const FeatureId> features, const Cuts& cuts, std::span<const ColumnView> columns,
          std::int64_t begin, int n_rows) {
  if (!block.x) block.x = std::make_unique_for_overwrite<double[]>(cuts.features.size() * kBlockRows);
  block.missing = false;
  for (const FeatureId f : features) {
    const FeatureCuts& feature = cuts.features[static_cast<std::size_t>(f)];
    double* x = block.x.get() + static_cast<std::size_t>(f) * kBlockRows;
    read_values(columns[static_cast<std::size_t>(f)], feature, begin, begin + n_rows, x);
    if (feature.categorical) continue;  // the walk of categorical trees always looks for missing values
    bool missing = false;
    for (int i = 0; i < n_rows; ++i) missing |= x[i] != x[i];
    block.missing |= missing;
  }
}

}  // namespace pygbt
