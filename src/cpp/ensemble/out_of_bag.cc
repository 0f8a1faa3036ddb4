// SPDX-License-Identifier: Apache-2.0
// Chunks of rows that stay in the cache while one tree after the other, whose nodes then do, takes those it left out.
#include "ensemble/out_of_bag.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/error.h"
#include "base/pool.h"
#include "model/plain_walk.h"
#include "tree/walk_node.h"

namespace pygbt {
namespace {

constexpr std::int64_t kChunk = 1024;  // rows
constexpr std::size_t kLanes = 8;      // rows that walk a tree together, so that their loads overlap

// [tree][row / 64] bit row % 64: the tree left the row out.
class DrawnBits {
 public:
  DrawnBits(const ForestTrainer& trainer, std::int64_t n_rows, int n_threads)
      : words_((static_cast<std::size_t>(n_rows) + 63) / 64),
        bits_(static_cast<std::size_t>(trainer.n_trees()) * words_, 0) {
    parallel_for(n_threads, trainer.n_trees(), [&](std::int64_t tree, int) {
      std::vector<std::uint32_t> drawn;
      trainer.counts(static_cast<std::int32_t>(tree), drawn);
      for (std::size_t row = 0; row < drawn.size(); ++row)
        bits_[static_cast<std::size_t>(tree) * words_ + row / 64] |= std::uint64_t{drawn[row] == 0} << (row % 64);
    });
  }
  bool left_out(std::size_t tree, std::int64_t row) const {
    const auto at = static_cast<std::size_t>(row);
    return (bits_[tree * words_ + at / 64] >> (at % 64) & 1u) != 0;
  }

 private:
  std::size_t words_;
  std::vector<std::uint64_t> bits_;
};

// Leaves of up to kLanes rows; x: their values, [feature].
template <bool kCategorical>
void walk_lanes(const ModelTree& tree, const double* const* x, std::size_t lanes, std::int32_t* leaf) {
  std::int32_t at[kLanes] = {};
  for (std::int32_t step = 0; step < tree.depth; ++step) {
    std::int32_t moved = 0;
    for (std::size_t i = 0; i < lanes; ++i) {
      const WalkNode& node = tree.nodes[static_cast<std::size_t>(at[i])];
      const double value = x[i][node.test & WalkNode::kFeature];
      const std::int32_t next =
          node.left + goes_right<true, kCategorical>(node, value, tree.sets.data(), tree.tree.cat_bits.data());
      moved |= next ^ at[i];
      at[i] = next;
    }
    if (moved == 0) break;
  }
  for (std::size_t i = 0; i < lanes; ++i) leaf[i] = tree.leaf[static_cast<std::size_t>(at[i])];
}

}  // namespace

LeftOut out_of_bag(const Model& model, const ForestTrainer& trainer, std::span<const ColumnView> columns,
                   std::int64_t n_rows, int n_threads) {
  const std::vector<FeatureCuts>& features = model.cuts().features;
  const std::size_t m = features.size(), width = static_cast<std::size_t>(model.n_outputs());
  require(columns.size() == m && n_rows == trainer.n_rows() && model.n_trees() == trainer.n_trees(),
          "out-of-bag rows: rows, columns and trees are those of training");
  const int threads = resolve_threads(n_threads);
  const DrawnBits drawn(trainer, n_rows, threads);
  LeftOut out{std::vector<double>(static_cast<std::size_t>(n_rows) * width, 0.0),
              std::vector<std::int32_t>(static_cast<std::size_t>(n_rows), 0)};
  parallel_for(threads, (n_rows + kChunk - 1) / kChunk, [&](std::int64_t chunk, int) {
    const std::int64_t begin = chunk * kChunk, end = std::min(n_rows, begin + kChunk);
    std::vector<double> values(static_cast<std::size_t>(kChunk) * m), column(static_cast<std::size_t>(kChunk));
    for (std::size_t f = 0; f < m; ++f) {  // [row][feature]
      read_values(columns[f], features[f], begin, end, column.data());
      for (std::size_t i = 0; i < static_cast<std::size_t>(end - begin); ++i) values[i * m + f] = column[i];
    }
    std::vector<std::int64_t> rows;
    for (std::size_t t = 0; t < model.trees().size(); ++t) {
      const ModelTree& tree = *model.trees()[t];
      rows.clear();
      for (std::int64_t row = begin; row < end; ++row)
        if (drawn.left_out(t, row)) rows.push_back(row);
      for (std::size_t first = 0; first < rows.size(); first += kLanes) {
        const std::size_t lanes = std::min(kLanes, rows.size() - first);
        const double* x[kLanes];
        std::int32_t leaf[kLanes];
        for (std::size_t i = 0; i < lanes; ++i) x[i] = &values[static_cast<std::size_t>(rows[first + i] - begin) * m];
        if (tree.sets.empty())
          walk_lanes<false>(tree, x, lanes, leaf);
        else
          walk_lanes<true>(tree, x, lanes, leaf);
        for (std::size_t i = 0; i < lanes; ++i) {
          const auto row = static_cast<std::size_t>(rows[first + i]);
          ++out.n_trees[row];
          const float* value = &tree.tree.leaf_value[static_cast<std::size_t>(leaf[i]) * width];
          for (std::size_t k = 0; k < width; ++k) out.sums[row * width + k] += static_cast<double>(value[k]);
        }
      }
    }
  });
  return out;
}

}  // namespace pygbt
