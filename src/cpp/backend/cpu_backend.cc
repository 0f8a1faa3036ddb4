// SPDX-License-Identifier: Apache-2.0
// Loading, row drawing and the start of a tree.
#include "backend/cpu_backend.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "backend/isa_dispatch.h"
#include "base/error.h"
#include "base/pool.h"
#include "base/rng.h"
#include "math/layout.h"
#include "math/quantise.h"

namespace pygbt {

namespace {
constexpr std::int64_t kTileRows = 4096;  // rows of a tile at least: fewer are not worth a task
constexpr std::int64_t kOnlyTileRows = 2048;  // of the only tile of a thread
constexpr std::int64_t kSideWord = 64;    // tiles begin where words of their sides do
}  // namespace

void CpuBackend::load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int n_threads) {
  data_ = &data;
  comm_ = &comm;
  n_threads_ = resolve_threads(n_threads);
  n_targets_ = n_targets;
  n_rows_ = data.n_rows;
  // A few tiles a thread, equally large.
  const std::int64_t few = std::clamp<std::int64_t>(n_rows_ / kOnlyTileRows, 1, n_threads_);
  const std::int64_t wanted = std::clamp<std::int64_t>(n_rows_ / kTileRows, few, std::int64_t{4} * n_threads_);
  n_tiles_ = std::max(wanted, (n_rows_ + kPackedRows - 1) / kPackedRows);
  const std::int64_t even = (n_rows_ + n_tiles_ - 1) / n_tiles_;
  tile_rows_ = std::max((even + kSideWord - 1) / kSideWord, std::int64_t{1}) * kSideWord;  // a worker may have no rows
  n_tiles_ = (n_rows_ + tile_rows_ - 1) / tile_rows_;
  std::int64_t total = static_cast<std::int64_t>(data.total_weight);
  comm.allreduce_sum({&total, 1});
  total_weight_ = static_cast<std::uint64_t>(total);
  bin_offset_.assign(1, 0);
  for (const FeatureCuts& feature : data.cuts->features) bin_offset_.push_back(bin_offset_.back() + feature.n_bins);
  feature_parts_ = FeatureParts(bin_offset_);
  layouts_ = lay_out_blocks(data, bin_offset_);
  block_features_ = features_by_block(data);
  const auto cells = static_cast<std::size_t>(n_rows_ * n_targets);
  scores_.assign(cells, 0.0f);
  g_.resize(cells);
  h_.resize(cells);
  max_g_.assign(static_cast<std::size_t>(n_targets), -1.0);
  max_h_.assign(static_cast<std::size_t>(n_targets), -1.0);
  narrow_.assign(static_cast<std::size_t>(n_targets), NarrowTarget{});
  beside_.clear();
  forget_round();
}

void CpuBackend::set_scores(std::span<const float> scores) {
  require(scores.size() == scores_.size(), "scores must have one value per row and target");
  pending_.values.clear();
  std::copy(scores.begin(), scores.end(), scores_.begin());
}

void CpuBackend::start_scores(std::span<const float> of_target) {
  pending_.values.clear();
  fill_rows(of_target, scores_);
}

std::span<const float> CpuBackend::scores() {
  finish_pending();
  return scores_;
}

// Rows with weight 0 are never drawn; the others by a hash of their global index.
void CpuBackend::draw_rows(const TreeRequest& request) {
  const auto tiles = static_cast<std::size_t>(n_tiles_);
  segments_.assign(tiles, Segment{});
  not_drawn_.clear();
  if (request.subsample >= 1.0 && data_->weights.empty()) {
    for (std::size_t t = 0; t < tiles; ++t)
      segments_[t].count = static_cast<std::uint32_t>(rows_of_tile(static_cast<std::int64_t>(t)));
    nodes_.assign(1, NodeRows{n_rows_, true, false});
    return;
  }
  const auto threshold = static_cast<std::uint64_t>(std::min(request.subsample, 1.0) * 4294967296.0);
  rows_.resize(static_cast<std::size_t>(n_rows_));
  std::vector<std::vector<RowId>> others(tiles);
  parallel_for(n_threads_, n_tiles_, [&](std::int64_t tile, int) {
    const std::int64_t begin = tile * tile_rows_;
    RowId* next = rows_.data() + begin;
    for (std::int64_t row = begin; row < begin + rows_of_tile(tile); ++row) {
      const auto global = static_cast<std::uint64_t>(data_->first_row + row);
      if (data_->weight(row) > 0 && random_bits(request.seed, Draw::kRow, request.iteration, global) < threshold)
        *next++ = static_cast<RowId>(row);
      else
        others[static_cast<std::size_t>(tile)].push_back(static_cast<RowId>(row));
    }
    segments_[static_cast<std::size_t>(tile)].count = static_cast<std::uint32_t>(next - (rows_.data() + begin));
  });
  std::int64_t n_drawn = 0;
  for (const Segment& segment : segments_) n_drawn += segment.count;
  for (const auto& rows : others) not_drawn_.insert(not_drawn_.end(), rows.begin(), rows.end());
  nodes_.assign(1, NodeRows{n_drawn, false, false});
}

CellUnits CpuBackend::units_of(std::int32_t target, Precision precision) {
  target_extremes(target);
  const QuantiseTask scales = quantise_task(target, precision, 0, 0);
  return {data_->weight_unit / scales.g_scale, data_->weight_unit / scales.h_scale};
}

// Quantises the gradients of the tree's targets, puts those of the drawn rows in order, and adds them up.
template <class Gradient>
RootStats CpuBackend::quantise(const TreeRequest& request) {
  const std::int32_t width = request.width;
  const Precision precision = wide_ ? Precision::kWide : Precision::kNarrow;
  const NodeRows& root = nodes_[0];
  const bool gather = in_order_ && !root.consecutive;  // by row first, then beside the drawn rows
  std::vector<RowSums> row_sums;  // [width] over all rows
  if (!wide_ && in_order_) {
    row_sums.push_back(narrow_target(request.first_target).sums);
    take_narrow(request.first_target, gradients_);
  } else {
    gradients_.resize(static_cast<std::size_t>(n_rows_ * gradient_bytes()));
    if (!wide_ && keeps_narrow()) {
      row_sums = interleave_narrow(request.first_target, width, reinterpret_cast<NarrowGradient*>(gradients_.data()));
    } else {
      for (std::int32_t k = 0; k < width; ++k) {
        target_extremes(request.first_target + k);
        row_sums.push_back(quantise_target(request.first_target + k, precision, gradients_.data(), k, width));
      }
    }
  }

  RootStats stats;
  std::vector<Cell> all(static_cast<std::size_t>(width));  // sums over all rows
  for (std::int32_t k = 0; k < leaf_width(request); ++k)
    stats.leaf_units.push_back(units_of(first_leaf_target(request) + k, Precision::kLeaf));
  for (std::int32_t k = 0; k < width; ++k) {
    stats.units.push_back(units_of(request.first_target + k, precision));
    const auto at = static_cast<std::size_t>(k);
    all[at] = {row_sums[at].g, row_sums[at].h};
  }
  units_ = stats.units;

  std::int64_t drawn_weight = n_rows_;
  if (root.consecutive) {
    stats.sums = all;
  } else {
    stats.sums.assign(static_cast<std::size_t>(width), Cell{});
    drawn_weight = 0;
    auto* const by_row = reinterpret_cast<Gradient*>(gradients_.data());
    std::mutex merge;
    parallel_for(n_threads_, n_tiles_, [&](std::int64_t tile, int) {
      std::vector<Cell> sums(static_cast<std::size_t>(width));
      std::int64_t weights = 0;
      const std::int64_t begin = tile * tile_rows_;
      for (std::int64_t i = begin; i < begin + segments_[static_cast<std::size_t>(tile)].count; ++i) {
        const auto row = static_cast<std::int64_t>(rows_[static_cast<std::size_t>(i)]);
        const std::int64_t weight = data_->weight(row);
        weights += weight;
        for (std::int32_t k = 0; k < width; ++k) {
          const Gradient& gradient = by_row[row_major(row, k, width)];
          sums[static_cast<std::size_t>(k)] += Cell{gradient.g * weight, gradient.h * weight};
        }
        if (gather) by_row[i] = by_row[row];  // i <= row: rows ascend
      }
      const std::lock_guard lock(merge);
      drawn_weight += weights;
      for (std::size_t k = 0; k < sums.size(); ++k) stats.sums[k] += sums[k];
    });
  }
  comm_->allreduce_sum({reinterpret_cast<std::int64_t*>(stats.sums.data()), stats.sums.size() * 2});
  stats.count = root.count;
  comm_->allreduce_sum({&stats.count, 1});
  comm_->allreduce_sum({&drawn_weight, 1});
  stats.weight = static_cast<double>(drawn_weight) * data_->weight_unit;
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
  finish_pending();  // its marks make room for those of this tree
  draw_rows(request);
  for (std::int32_t k = 1; k <= request.trees_after; ++k) target_extremes(request.first_target + k);
  if (!is_beside_) make_round_roots();
  const std::int64_t most = request.max_nodes > 0 ? request.max_nodes : std::numeric_limits<std::uint32_t>::max() - 1;
  mark_type_ = most < 0xff ? 0 : (most < 0xffff ? 1 : 2);
  marks_.resize(static_cast<std::size_t>(n_rows_) << mark_type_);
  if (!not_drawn_.empty()) std::fill(marks_.begin(), marks_.end(), std::uint8_t{0});
  return wide_ ? quantise<WideGradient>(request) : quantise<NarrowGradient>(request);
}

std::vector<RowId> CpuBackend::rows_of(NodeId node) const {
  const NodeRows& at = rows_at(node);
  std::vector<RowId> out(static_cast<std::size_t>(at.count));
  if (at.marked) {
    std::size_t n = 0;
    for (std::int64_t row = 0; row < n_rows_; ++row)
      if (mark_of(row) == static_cast<std::uint32_t>(node) + 1) out[n++] = static_cast<RowId>(row);
    return out;
  }
  std::size_t n = 0;
  visit_pieces(node, 0, at.count, [&](const Piece& piece) {
    for (std::int64_t i = 0; i < piece.n; ++i) out[n++] = static_cast<RowId>(piece.row(i));
  });
  return out;
}

std::unique_ptr<Backend> make_cpu_backend() { return std::make_unique<CpuBackend>(); }

}  // namespace pygbt
