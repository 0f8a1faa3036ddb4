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

struct CountUpKernel {
  RowId* rows;
  std::int64_t n;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n; row += row_step()) rows[row] = static_cast<RowId>(row);
  }
};

// Rows that are drawn go left. Rows with weight 0 never are; the others by a hash of their global index.
struct DrawSide {
  const std::uint32_t* weights;
  std::uint64_t seed, threshold, first_row;
  std::uint32_t iteration;

  PYGBT_KERNEL bool operator()(std::int32_t /*item*/, RowId row) const {
    if (weights != nullptr && weights[row] == 0) return false;
    return random_bits(seed, Draw::kRow, iteration, first_row + row) < threshold;
  }
};

// Integers of one target of the drawn rows, and their sums weighted: g, h, weight.
template <class Gradient>
struct QuantiseKernel {
  QuantisedRows target;
  const RowId* rows;  // [n] drawn
  std::int64_t n;
  Gradient* out;      // [place of the row] or, of several targets, [row][width]
  std::int32_t k, width;
  std::int64_t* sums;  // [3], zero before

  PYGBT_KERNEL void operator()() const {
    std::int64_t g = 0, h = 0, weight = 0;
    for (std::int64_t i = first_row(); i < n; i += row_step()) {
      const RowId row = rows[i];
      const Cell cell = target.plain(row);
      Gradient& gradient = out[width == 1 ? i : row_major(row, k, width)];
      gradient.g = static_cast<decltype(gradient.g)>(cell.g);
      gradient.h = static_cast<decltype(gradient.h)>(cell.h);
      const std::int64_t w = target.weight(row);
      g += w * cell.g;
      h += w * cell.h;
      weight += w;
    }
    auto* const scratch = shared<std::int64_t>();
    g = block_sum(g, scratch);
    h = block_sum(h, scratch);
    weight = block_sum(weight, scratch);
    if (thread() != 0) return;
    add(sums, g);
    add(sums + 1, h);
    add(sums + 2, weight);
  }
};

}  // namespace

QuantisedRows CudaBackend::quantised_rows(std::int32_t target, const Quantiser& scales) const {
  const std::int64_t first = target_major(target, 0, n_rows_);
  return {g_.data() + first, h_.data() + first, table_.weights(), scales};
}

void CudaBackend::draw_rows(const TreeRequest& request) {
  for (auto& rows : rows_) rows.make(n_rows_);
  const bool all = request.subsample >= 1.0 && table_.weights() == nullptr;
  const std::int32_t from = all ? 0 : 1;
  launch_rows(n_rows_, CountUpKernel{rows_[from].data(), n_rows_});
  nodes_.assign(1, NodeRows{0, n_rows_, 0});
  if (all || n_rows_ == 0) return;
  const auto threshold = static_cast<std::uint64_t>((request.subsample < 1.0 ? request.subsample : 1.0) * 4294967296.0);
  const DrawSide side{table_.weights(), request.seed, threshold, static_cast<std::uint64_t>(data_->first_row),
                      request.iteration};
  rows_at(0).count = move_rows(std::vector<RowRun>{{0, n_rows_, 0, from}}, side, 0)[0];
}

template <class Gradient>
RootStats CudaBackend::quantise(const TreeRequest& request) {
  const Precision precision = request.wide ? Precision::kWide : Precision::kNarrow;
  const NodeRows root = rows_at(0);
  auto* const out = reinterpret_cast<Gradient*>(
      gradients_[0].make(n_rows_ * request.width * static_cast<std::int64_t>(sizeof(Gradient))));
  gradients_[1].make(in_order_ ? gradients_[0].size() : 0);
  const auto width = static_cast<std::size_t>(request.width);
  sums_.make_zero(3 * width);
  RootStats stats;
  for (std::int32_t k = 0; k < request.width; ++k) {
    const std::int32_t target = request.first_target + k;
    target_extremes(target);
    const Quantiser scales = quantiser(target, precision);
    const Quantiser leaf_scales = quantiser(target, Precision::kLeaf);
    stats.units.push_back({data_->weight_unit / scales.g_scale, data_->weight_unit / scales.h_scale});
    stats.leaf_units.push_back({data_->weight_unit / leaf_scales.g_scale, data_->weight_unit / leaf_scales.h_scale});
    launch_rows(root.count,
                QuantiseKernel<Gradient>{quantised_rows(target, scales), rows_[0].data(), root.count, out, k,
                                         request.width, sums_.data() + 3 * k},
                warps() * sizeof(std::int64_t));
  }
  units_ = stats.units;
  const std::vector<std::int64_t> sums = sums_.get();
  for (std::size_t k = 0; k < width; ++k) stats.sums.push_back({sums[3 * k], sums[3 * k + 1]});
  stats.count = root.count;
  stats.weight = static_cast<double>(sums[2]) * data_->weight_unit;
  return stats;
}

RootStats CudaBackend::begin_tree(const TreeRequest& request) {
  for (auto& histogram : histograms_)
    if (histogram) spare_.push_back(std::move(histogram));
  histograms_.clear();
  request_ = request;
  in_order_ = request.width == 1;
  draw_rows(request);
  return request.wide ? quantise<WideGradient>(request) : quantise<NarrowGradient>(request);
}

}  // namespace pygbt::device
