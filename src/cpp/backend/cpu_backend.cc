// SPDX-License-Identifier: Apache-2.0
// Loading, row drawing and the start of a tree.
#include "backend/cpu_backend.h"

#include <algorithm>
#include <cmath>

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
  rows_[0].resize(static_cast<std::size_t>(n_rows_));
  rows_[1].resize(static_cast<std::size_t>(n_rows_));
  side_.resize(static_cast<std::size_t>(n_rows_));
  not_drawn_.clear();
  std::int64_t n_drawn = n_rows_;
  if (request.subsample >= 1.0 && data_->weights.empty()) {
    parallel_ranges(n_threads_, n_rows_, kRowGrain, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row)
        rows_[0][static_cast<std::size_t>(row)] = static_cast<RowId>(row);
    });
  } else {
    const auto threshold = static_cast<std::uint64_t>(std::min(request.subsample, 1.0) * 4294967296.0);
    n_drawn = 0;
    parallel_ranges(n_threads_, n_rows_, kRowGrain, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) {
        const auto global = static_cast<std::uint64_t>(data_->first_row + row);
        side_[static_cast<std::size_t>(row)] =
            data_->weight(row) > 0 && random_bits(request.seed, Draw::kRow, request.iteration, global) < threshold;
      }
    });
    for (std::int64_t row = 0; row < n_rows_; ++row) {
      if (side_[static_cast<std::size_t>(row)])
        rows_[0][static_cast<std::size_t>(n_drawn++)] = static_cast<RowId>(row);
      else
        not_drawn_.push_back(static_cast<RowId>(row));
    }
  }
  nodes_.assign(1, NodeRows{0, n_drawn, 0});
}

RootStats CpuBackend::begin_tree(const TreeRequest& request) {
  for (auto& histogram : histograms_)
    if (histogram) spare_.push_back(std::move(histogram));
  histograms_.clear();
  if (request.width != request_.width || request.count_rows != request_.count_rows) spare_.clear();
  request_ = request;
  wide_ = request.wide;
  draw_rows(request);

  const std::int32_t width = request.width;
  const auto cells = static_cast<std::size_t>(n_rows_ * width);
  if (wide_)
    wide_rows_.resize(cells);
  else
    narrow_rows_.resize(cells);
  units_.assign(static_cast<std::size_t>(width), {});
  leaf_units_.assign(static_cast<std::size_t>(width), {});
  const Precision precision = wide_ ? Precision::kWide : Precision::kNarrow;
  const int g_bits = quantiser_bits(precision, false, total_weight_);
  const int h_bits = quantiser_bits(precision, true, total_weight_);
  const int leaf_bits = quantiser_bits(Precision::kLeaf, false, total_weight_);
  const std::int64_t g_limit = (std::int64_t{1} << g_bits) - 1;
  const std::int64_t h_limit = (std::int64_t{1} << h_bits) - 1;

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
      if (wide_)
        kernels().quantise_wide(g + begin, h + begin, end - begin, g_scale, h_scale, g_limit, h_limit,
                                wide_rows_.data() + begin * width + k, width);
      else
        kernels().quantise_narrow(g + begin, h + begin, end - begin, g_scale, h_scale, g_limit, h_limit,
                                  narrow_rows_.data() + begin * width + k, width);
    });
  }

  RootStats root;
  root.units = units_;
  root.leaf_units = leaf_units_;
  root.sums.assign(static_cast<std::size_t>(width), Cell{});
  std::int64_t drawn_weight = 0;
  std::mutex merge;
  parallel_ranges(n_threads_, nodes_[0].count, kRowGrain, [&](std::int64_t begin, std::int64_t end, int) {
    std::vector<Cell> sums(static_cast<std::size_t>(width));
    std::int64_t weights = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      const RowId row = rows_[0][static_cast<std::size_t>(i)];
      const std::int64_t weight = data_->weight(row);
      weights += weight;
      for (std::int32_t k = 0; k < width; ++k) {
        const auto at = static_cast<std::size_t>(row_major(row, k, width));
        const std::int64_t g = wide_ ? wide_rows_[at].g : narrow_rows_[at].g;
        const std::int64_t h = wide_ ? wide_rows_[at].h : narrow_rows_[at].h;
        sums[static_cast<std::size_t>(k)] += Cell{g * weight, h * weight};
      }
    }
    const std::lock_guard lock(merge);
    drawn_weight += weights;
    for (std::int32_t k = 0; k < width; ++k)
      root.sums[static_cast<std::size_t>(k)] += sums[static_cast<std::size_t>(k)];
  });
  comm_->allreduce_sum({reinterpret_cast<std::int64_t*>(root.sums.data()), root.sums.size() * 2});
  root.count = nodes_[0].count;
  comm_->allreduce_sum({&root.count, 1});
  comm_->allreduce_sum({&drawn_weight, 1});
  root.weight = static_cast<double>(drawn_weight) * data_->weight_unit;
  return root;
}

std::vector<Cell> CpuBackend::histogram_of(NodeId node) const { return histogram_at(node).cells; }

std::vector<RowId> CpuBackend::rows_of(NodeId node) const {
  const NodeRows& at = rows_at(node);
  return {rows(at), rows(at) + at.count};
}

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

std::unique_ptr<Backend> make_backend(const std::string& device) {
  if (device == "cpu") return make_cpu_backend();
  if (device == "naive") return make_naive_backend();
  throw Unsupported("device=\"" + device + "\" is not part of this build; use device=\"cpu\"");
}

}  // namespace pygbt
