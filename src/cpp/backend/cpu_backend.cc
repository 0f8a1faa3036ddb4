// SPDX-License-Identifier: Apache-2.0
// Loading, row drawing and the start of a tree.
#include "backend/cpu_backend.h"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "backend/isa_dispatch.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/rng.h"
#include "math/layout.h"
#include "math/quantise.h"

namespace pygbt {

namespace {
constexpr std::int64_t kRowGrain = 16384;  // rows a task of a row-wise loop handles at least
}

void CpuBackend::load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int n_threads) {
  data_ = &data;
  comm_ = &comm;
  n_threads_ = resolve_threads(n_threads);
  n_targets_ = n_targets;
  n_rows_ = data.n_rows;
  std::int64_t total = static_cast<std::int64_t>(data.total_weight);
  comm.allreduce_sum({&total, 1});
  total_weight_ = static_cast<std::uint64_t>(total);
  bin_offset_.assign(1, 0);
  for (const FeatureCuts& feature : data.cuts->features) bin_offset_.push_back(bin_offset_.back() + feature.n_bins);
  layouts_ = lay_out_blocks(data, bin_offset_);
  const auto cells = static_cast<std::size_t>(n_rows_ * n_targets);
  scores_.assign(cells, 0.0f);
  g_.resize(cells);
  h_.resize(cells);
  max_g_.assign(static_cast<std::size_t>(n_targets), -1.0);
  max_h_.assign(static_cast<std::size_t>(n_targets), -1.0);
}

void CpuBackend::set_scores(std::span<const float> scores) {
  require(scores.size() == scores_.size(), "scores must have one value per row and target");
  std::copy(scores.begin(), scores.end(), scores_.begin());
}

// Rows with weight 0 are never drawn; the others by a hash of their global index.
void CpuBackend::draw_rows(const TreeRequest& request) {
  not_drawn_.clear();
  if (request.subsample >= 1.0 && data_->weights.empty()) {
    nodes_.assign(1, NodeRows{0, n_rows_, 0, true});
    return;
  }
  const auto threshold = static_cast<std::uint64_t>(std::min(request.subsample, 1.0) * 4294967296.0);
  std::vector<std::uint8_t> drawn(static_cast<std::size_t>(n_rows_));
  parallel_ranges(n_threads_, n_rows_, kRowGrain, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t row = begin; row < end; ++row) {
      const auto global = static_cast<std::uint64_t>(data_->first_row + row);
      drawn[static_cast<std::size_t>(row)] =
          data_->weight(row) > 0 && random_bits(request.seed, Draw::kRow, request.iteration, global) < threshold;
    }
  });
  rows_[0].resize(static_cast<std::size_t>(n_rows_));
  std::int64_t n_drawn = 0;
  for (std::int64_t row = 0; row < n_rows_; ++row) {
    if (drawn[static_cast<std::size_t>(row)])
      rows_[0][static_cast<std::size_t>(n_drawn++)] = static_cast<RowId>(row);
    else
      not_drawn_.push_back(static_cast<RowId>(row));
  }
  nodes_.assign(1, NodeRows{0, n_drawn, 0, false});
}

// Quantises the gradients of the tree's targets, puts those of the drawn rows in order, and adds them up.
template <class Gradient>
RootStats CpuBackend::quantise(const TreeRequest& request) {
  const std::int32_t width = request.width;
  const Precision precision = wide_ ? Precision::kWide : Precision::kNarrow;
  const int g_bits = quantiser_bits(precision, false, total_weight_);
  const int h_bits = quantiser_bits(precision, true, total_weight_);
  const int leaf_bits = quantiser_bits(Precision::kLeaf, false, total_weight_);
  const std::int64_t g_limit = (std::int64_t{1} << g_bits) - 1;
  const std::int64_t h_limit = (std::int64_t{1} << h_bits) - 1;
  const NodeRows& root = nodes_[0];
  const bool gather = in_order_ && !root.consecutive;  // by row into [1], then beside the drawn rows into [0]
  HugeVector<std::uint8_t>& by_row = gradients_[gather ? 1 : 0];
  by_row.resize(static_cast<std::size_t>(n_rows_ * gradient_bytes()));
  auto* const out = reinterpret_cast<Gradient*>(by_row.data());

  for (std::int32_t k = 0; k < width; ++k) {
    const std::int32_t target = request.first_target + k;
    target_extremes(target);
    const double max_g = max_g_[static_cast<std::size_t>(target)];
    const double max_h = max_h_[static_cast<std::size_t>(target)];
    const double g_scale = quantiser_scale(max_g, g_bits);
    const double h_scale = quantiser_scale(max_h, h_bits);
    units_[static_cast<std::size_t>(k)] = {data_->weight_unit / g_scale, data_->weight_unit / h_scale};
    leaf_units_[static_cast<std::size_t>(k)] = {data_->weight_unit / quantiser_scale(max_g, leaf_bits),
                                                data_->weight_unit / quantiser_scale(max_h, leaf_bits)};
    const float* g = g_.data() + target_major(target, 0, n_rows_);
    const float* h = h_.data() + target_major(target, 0, n_rows_);
    parallel_ranges(n_threads_, n_rows_, kRowGrain, [&](std::int64_t begin, std::int64_t end, int) {
      if constexpr (std::is_same_v<Gradient, WideGradient>)
        kernels().quantise_wide(g + begin, h + begin, end - begin, g_scale, h_scale, g_limit, h_limit,
                                out + begin * width + k, width);
      else
        kernels().quantise_narrow(g + begin, h + begin, end - begin, g_scale, h_scale, g_limit, h_limit,
                                  out + begin * width + k, width);
    });
  }

  if (gather) gradients_[0].resize(static_cast<std::size_t>(root.count * gradient_bytes()));
  auto* const ordered = reinterpret_cast<Gradient*>(gradients_[0].data());
  RootStats stats;
  stats.sums.assign(static_cast<std::size_t>(width), Cell{});
  std::int64_t drawn_weight = 0;
  std::mutex merge;
  parallel_ranges(n_threads_, root.count, kRowGrain, [&](std::int64_t begin, std::int64_t end, int) {
    std::vector<Cell> sums(static_cast<std::size_t>(width));
    std::int64_t weights = 0;
    const RowId* ids = rows(root);
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t row = row_at(root, ids, i);
      const std::int64_t weight = data_->weight(row);
      weights += weight;
      for (std::int32_t k = 0; k < width; ++k) {
        const Gradient& gradient = out[row_major(row, k, width)];
        sums[static_cast<std::size_t>(k)] += Cell{gradient.g * weight, gradient.h * weight};
      }
      if (gather) ordered[i] = out[row];
    }
    const std::lock_guard lock(merge);
    drawn_weight += weights;
    for (std::int32_t k = 0; k < width; ++k)
      stats.sums[static_cast<std::size_t>(k)] += sums[static_cast<std::size_t>(k)];
  });
  comm_->allreduce_sum({reinterpret_cast<std::int64_t*>(stats.sums.data()), stats.sums.size() * 2});
  stats.count = root.count;
  comm_->allreduce_sum({&stats.count, 1});
  comm_->allreduce_sum({&drawn_weight, 1});
  stats.weight = static_cast<double>(drawn_weight) * data_->weight_unit;
  stats.units = units_;
  stats.leaf_units = leaf_units_;
  return stats;
}

RootStats CpuBackend::begin_tree(const TreeRequest& request) {
  for (auto& histogram : histograms_)
    if (histogram) spare_.push_back(std::move(histogram));
  histograms_.clear();
  request_ = request;
  wide_ = request.wide;
  packable_ = !wide_ && data_->weights.empty();
  in_order_ = request.width == 1;
  units_.assign(static_cast<std::size_t>(request.width), {});
  leaf_units_.assign(static_cast<std::size_t>(request.width), {});
  draw_rows(request);
  return wide_ ? quantise<WideGradient>(request) : quantise<NarrowGradient>(request);
}

std::vector<RowId> CpuBackend::rows_of(NodeId node) const {
  const NodeRows& at = rows_at(node);
  std::vector<RowId> out(static_cast<std::size_t>(at.count));
  const RowId* ids = rows(at);
  for (std::int64_t i = 0; i < at.count; ++i) out[static_cast<std::size_t>(i)] = static_cast<RowId>(row_at(at, ids, i));
  return out;
}

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

std::unique_ptr<Backend> make_backend(const std::string& device) {
  if (device == "cpu") return make_cpu_backend();
  if (device == "naive") return make_naive_backend();
  throw Unsupported("device=\"" + device + "\" is not part of this build; use device=\"cpu\"");
}

}  // namespace pygbt
