// SPDX-License-Identifier: Apache-2.0
#include "binner.h"

#include <utility>

#include "factory.h"
#include "stages.h"

namespace pygbt::device {

void CudaBinner::open(std::int64_t n_rows, std::span<const std::uint32_t> weights, std::span<const KeyColumn> columns,
                      std::size_t most_bytes, const HostSide& host) {
  Stage stage(*device_, "weights");
  host_ = &host;
  n_rows_ = n_rows;
  host_weights_ = weights;
  plan_.emplace(*device_, n_rows, !weights.empty(), columns, most_bytes);
  if (most_bytes > 0) device_->memory().limit(most_bytes);
  if (plan_->weights_stay()) weights_.put(weights);
  stage.end();
  bins_ = std::make_shared<CudaBins>(shared_, n_rows, most_bytes);
}

std::size_t CudaBinner::room(std::span<const KeyColumn> columns) {
  turn_ = plan_->turn(columns);
  return turn_.n;
}

void CudaBinner::load(std::span<const KeyColumn> columns) {
  streamed_.reset();  // nothing is left of the turn before
  columns_.assign(columns.begin(), columns.end());
  sorted_.emplace(*device_);
  keys_.emplace(*device_, turn_.chunk_bytes);
  if (turn_.streamed) {
    streamed_.emplace(*device_, *keys_, columns, n_rows_, host_weights_, turn_.shape, *host_);
    return;
  }
  Stage stage(*device_, "keys");
  std::vector<Items> all;
  for (const KeyColumn& column : columns) all.push_back({0, KeyColumns::items(column, n_rows_)});
  keys_->load(columns, all, *host_);
  stage.end();
}

std::vector<ValueCount> CudaBinner::count_values(std::int64_t enough) {
  Stage stage(*device_, streamed_ ? "passes" : "sort");
  std::vector<ValueCount> counts =
      streamed_ ? streamed_->count(enough)
                : sorted_->sort(*keys_, columns_, host_weights_.empty() ? nullptr : weights_.data());
  stage.end();
  return counts;
}

std::vector<std::vector<std::uint64_t>> CudaBinner::distinct_values(std::span<const std::int32_t> columns) {
  if (streamed_) return streamed_->distinct(columns);
  Stage stage(*device_, "ranks");
  std::vector<std::vector<std::uint64_t>> values = sorted_->distinct(columns);
  stage.end();
  return values;
}

void CudaBinner::values_at(std::span<const RankQuery> queries, std::span<Mass> out) {
  Stage stage(*device_, streamed_ ? "passes" : "ranks");
  if (streamed_)
    streamed_->values_at(queries, out);
  else
    sorted_->values_at(queries, out);
  stage.end();
}

DeviceBinsPtr CudaBinner::finish() {
  device_->finish();
  device_->memory().limit(MemoryUse::kNoLimit);
  return std::move(bins_);
}

std::map<std::string, double> time_stages(bool timed) {
  stages_timed = timed;
  const std::lock_guard lock(stages_mutex);
  return std::exchange(stage_seconds, {});
}

DeviceBinner* make_cuda_binner(int ordinal) { return new CudaBinner(ordinal); }

}  // namespace pygbt::device
