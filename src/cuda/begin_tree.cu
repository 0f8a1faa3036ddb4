// SPDX-License-Identifier: Apache-2.0
// The rows of a tree and their integers.
#include "backend/kernels.h"
#include "base/rng.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/layout.h"
#include "move_rows.h"

namespace pygbt::device {

namespace {

// All rows, in their order.
struct CountUpKernel {
  RowId* rows;
  std::int64_t n;
  std::int64_t* n_drawn;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n; row += row_step()) rows[row] = static_cast<RowId>(row);
    if (first_row() == 0) *n_drawn = n;
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

  PYGBT_KERNEL bool operator()(std::int32_t /*item*/, RowId row) const {
    if (weights != nullptr && weights[row] == 0) return false;
    return random_bits(seed, Draw::kRow, tree->iteration, first_row + row) < threshold;
  }
};

// Integers of one target of the drawn rows, and their sums weighted.
template <class Gradient>
struct QuantiseKernel {
  QuantisedTargets targets;
  const TreeArguments* tree;
  const RowId* rows;  // [*n] drawn
  const std::int64_t* n;
  Gradient* out;      // [place of the row] or, of several targets, [row][width]
  std::int32_t k, width;
  DrawnSums* sums;  // zero before

  PYGBT_KERNEL void operator()() const {
    constexpr Precision kPrecision = sizeof(Gradient) == sizeof(NarrowGradient) ? Precision::kNarrow : Precision::kWide;
    const QuantisedRows target = targets.rows(tree->first_target + k, kPrecision);
    DrawnSums mine;
    for (std::int64_t i = first_row(); i < *n; i += row_step()) {
      const RowId row = rows[i];
      const Cell cell = target.plain(row);
      Gradient& gradient = out[width == 1 ? i : row_major(row, k, width)];
      gradient.g = static_cast<decltype(gradient.g)>(cell.g);
      gradient.h = static_cast<decltype(gradient.h)>(cell.h);
      const std::int64_t w = target.weight(row);
      mine.g += w * cell.g;
      mine.magnitude += w * (cell.g < 0 ? -cell.g : cell.g);
      mine.h += w * cell.h;
      mine.weight += w;
    }
    add_up(mine, shared<std::int64_t>(), sums);
  }
};

}  // namespace

// Rows that are drawn to the front of rows_[0], those that are not behind them. Their number stays on the device.
const std::int64_t* CudaBackend::draw_rows() {
  for (auto& rows : rows_) rows.make(n_rows_);
  const bool all = request_.subsample >= 1.0 && table_.weights() == nullptr;
  const std::int32_t from = all ? 0 : 1;
  launch_rows(n_rows_, CountUpKernel{rows_[from].data(), n_rows_, n_drawn_.make(std::size_t{1})});
  if (all) return n_drawn_.data();
  const double share = request_.subsample < 1.0 ? request_.subsample : 1.0;
  const DrawSide side{table_.weights(), tree_.data(), request_.seed, static_cast<std::uint64_t>(share * 4294967296.0),
                      static_cast<std::uint64_t>(data_->first_row)};
  const Pieces tiles = tiles_.make(1);
  device_.launch(1, device_.policy().n_threads, AllRowsKernel{tiles, n_rows_, from, tile_pieces()},
                 warps() * sizeof(std::int64_t));
  move_rows(tiles, 1, side, 0);
  return moves_.left_counts.data();
}

template <class Gradient>
void CudaBackend::quantise(const std::int64_t* n_drawn) {
  auto* const out = reinterpret_cast<Gradient*>(
      gradients_[0].make(n_rows_ * request_.width * static_cast<std::int64_t>(sizeof(Gradient))));
  gradients_[1].make(in_order_ ? gradients_[0].size() : 0);
  drawn_sums_.make_zero(static_cast<std::size_t>(request_.width));
  for (std::int32_t k = 0; k < request_.width; ++k)
    launch_rows(n_rows_,
                QuantiseKernel<Gradient>{quantised_targets(), tree_.data(), rows_[0].data(), n_drawn, out, k,
                                         request_.width, drawn_sums_.data() + k},
                warps() * sizeof(std::int64_t));
}

// Queues the draw and the integers of the tree that was asked for; returns where the number of drawn rows is.
const std::int64_t* CudaBackend::start_tree(const TreeRequest& request) {
  request_ = request;
  in_order_ = request.width == 1;
  const std::int64_t* const n_drawn = draw_rows();
  if (request.wide)
    quantise<WideGradient>(n_drawn);
  else
    quantise<NarrowGradient>(n_drawn);
  return n_drawn;
}

RootStats CudaBackend::begin_tree(const TreeRequest& request) {
  for (auto& histogram : histograms_)
    if (histogram) spare_.push_back(std::move(histogram));
  histograms_.clear();
  const TreeArguments arguments{request.iteration, request.first_target, 0, 0.0};
  tree_.put(std::span(&arguments, 1));
  std::int64_t n_drawn = 0;
  const std::int64_t* const there = start_tree(request);
  const std::vector<DrawnSums> sums = drawn_sums_.get();
  device_.to_host(&n_drawn, there, sizeof n_drawn);
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
