// SPDX-License-Identifier: Apache-2.0
// The trees of a round at the same time, one thread each: on a small table a tree takes some hundred microseconds, of
// which threads that share it spend much on finding together.
#include <algorithm>
#include <utility>

#include "backend/cpu_backend.h"

namespace pygbt {

namespace {
constexpr std::int64_t kBesideRows = 1 << 15;  // larger tables keep the threads of one tree busy
}  // namespace

CpuBackend::CpuBackend(const CpuBackend& main, std::shared_ptr<Shared> shared)
    : data_(main.data_),
      comm_(main.comm_),
      n_targets_(main.n_targets_),
      n_rows_(main.n_rows_),
      tile_rows_(main.tile_rows_ * main.n_tiles_),
      n_tiles_(1),
      total_weight_(main.total_weight_),
      bin_offset_(main.bin_offset_),
      feature_parts_(main.feature_parts_),
      block_features_(main.block_features_),
      layouts_(main.layouts_),
      shared_(std::move(shared)),
      is_beside_(true) {}

std::vector<Backend*> CpuBackend::beside(const TreeRequest& first) {
  const std::int32_t n_trees = first.trees_after + 1;
  if (is_beside_ || n_threads_ < 2 || n_trees < n_threads_ || n_rows_ > kBesideRows || comm_->size() > 1) return {};
  if (first.width != 1 || first.wide || !keeps_narrow()) return {};
  finish_pending();
  request_ = first;
  wide_ = false;
  packable_ = data_->weights.empty();
  in_order_ = true;
  while (beside_.size() < static_cast<std::size_t>(n_threads_))
    beside_.push_back(std::unique_ptr<CpuBackend>(new CpuBackend(*this, shared_)));
  // Roots are made here and end there: as many come back.
  for (const auto& other : beside_) {
    for (auto& histogram : other->histograms_)
      if (histogram) other->spare_.push_back(std::move(histogram));
    other->histograms_.clear();
    while (!other->spare_.empty() && spare_.size() < static_cast<std::size_t>(n_trees)) {
      spare_.push_back(std::move(other->spare_.back()));
      other->spare_.pop_back();
    }
  }
  draw_rows(first);
  for (std::int32_t k = 0; k < n_trees; ++k) target_extremes(first.first_target + k);
  make_round_roots();
  std::vector<Backend*> out;
  for (const auto& other : beside_) out.push_back(other.get());
  return out;
}

}  // namespace pygbt
