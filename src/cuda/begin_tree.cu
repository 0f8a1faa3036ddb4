// SPDX-License-Identifier: Apache-2.0
// The rows of a tree and their integers.
#include "base/rng.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "move_rows.h"
#include "quantise_rows.h"

namespace pygbt::device {

namespace {

// All rows, in their order.
struct CountUpKernel {
  RowId* rows;
  std::int64_t n;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n; row += row_step()) rows[row] = static_cast<RowId>(row);
  }
};

// The rows as one item, to be drawn from.
struct AllRowsKernel {
  Pieces tiles;
  std::int64_t n_rows;
  std::int32_t buffer;
  PieceSize size;

  PYGBT_KERNEL void operator()() const {
    if (thread() == 0) tiles.items[0] = {0, n_rows, 0, buffer};
    tiles.cut(1, size);
  }
};

// Rows that are drawn go left. Rows with weight 0 never are; the others by a hash of their global index.
struct DrawSide {
  const std::uint32_t* weights;
  const TreeArguments* tree;
  std::uint64_t seed, threshold, first_row;

  PYGBT_KERNEL const DrawSide& of(std::int32_t /*item*/) const { return *this; }
  PYGBT_KERNEL RowId key(RowId row) const { return row; }
  PYGBT_KERNEL bool left(RowId row) const {
    if (weights != nullptr && weights[row] == 0) return false;
    return random_bits(seed, Draw::kRow, tree->iteration, first_row + row) < threshold;
  }
};

}  // namespace

// Rows that are drawn to the front of rows_[0], those that are not behind them. Their number stays on the device.
const std::int64_t* CudaBackend::draw_rows() {
  constexpr std::int32_t from = 1;
  launch_rows(n_rows_, CountUpKernel{rows_[from].data(), n_rows_});
  const double share = request_.subsample < 1.0 ? request_.subsample : 1.0;
  const DrawSide side{table_.weights(), tree_.data(), request_.seed, static_cast<std::uint64_t>(share * 4294967296.0),
                      static_cast<std::uint64_t>(data_->first_row)};
  const Pieces tiles = tiles_.make(1);
  device_.launch(1, device_.policy().n_threads, AllRowsKernel{tiles, n_rows_, from, tile_pieces()},
                 warps() * sizeof(std::int64_t));
  move_rows(tiles, 1, side, 0);
  return moves_.left_counts.data();
}

RootStats CudaBackend::begin_tree(const TreeRequest& request) {
  for (auto& histogram : histograms_)
    if (histogram) spare_.push_back(std::move(histogram));
  histograms_.clear();
  const TreeArguments arguments{request.iteration, request.first_target, first_leaf_target(request)};
  tree_.put(std::span(&arguments, 1));
  drawn_sums_.make_zero(static_cast<std::size_t>(request.width));
  start_tree(request, Nothing{}, Nothing{});
  const std::vector<DrawnSums> sums = drawn_sums_.get();
  drawn_sums_.clear();
  const std::int64_t n_drawn = draws_all() ? n_rows_ : moves_.left_counts.get()[0];
  nodes_.assign(1, NodeRows{0, n_drawn, 0});
  RootStats stats;
  const Precision precision = request.wide ? Precision::kWide : Precision::kNarrow;
  for (std::int32_t k = 0; k < request.width; ++k) {
    stats.units.push_back(units(request.first_target + k, precision));
    const DrawnSums& sum = sums[static_cast<std::size_t>(k)];
    stats.sums.push_back({sum.g, sum.h});
  }
  for (std::int32_t k = 0; k < leaf_width(request); ++k)
    stats.leaf_units.push_back(units(first_leaf_target(request) + k, Precision::kLeaf));
  units_ = stats.units;
  stats.count = n_drawn;
  stats.weight = static_cast<double>(sums[0].weight) * data_->weight_unit;
  return stats;
}

}  // namespace pygbt::device
