// SPDX-License-Identifier: Apache-2.0
#include "binner.h"

#include <algorithm>
#include <utility>

#include "factory.h"
#include "stages.h"

namespace pygbt::device {

void CudaBinner::open(std::int64_t n_rows, std::span<const std::uint32_t> weights) {
  Stage stage(*device_, "weights");
  n_rows_ = n_rows;
  weighted_ = !weights.empty();
  weights_.put(weights);
  stage.end();
  bins_ = std::make_shared<CudaBins>(shared_, n_rows);
}

std::size_t CudaBinner::room(std::span<const KeyColumn> columns) const {
  const Policy& policy = device_->policy();
  const auto most = std::min(policy.key_bytes,
                             static_cast<std::size_t>(static_cast<double>(device_->free_bytes()) * policy.key_share));
  std::size_t bytes = 0, scratch = 0, n = 0;
  for (const KeyColumn& column : columns) {
    bytes += KeyColumns::bytes(column, n_rows_);
    if (column.sorted) {
      bytes += SortedColumns::bytes(column, n_rows_, weighted_);
      scratch = std::max(scratch, SortedColumns::scratch_bytes(column, n_rows_, weighted_));
    }
    if (bytes + scratch > most) break;
    ++n;
  }
  return std::max<std::size_t>(n, 1);
}

void CudaBinner::load(std::span<const KeyColumn> columns, const HostSide& host) {
  Stage stage(*device_, "keys");
  columns_.assign(columns.begin(), columns.end());
  keys_.load(columns, n_rows_, host);
  stage.end();
}

std::vector<ValueCount> CudaBinner::count_values() {
  Stage stage(*device_, "sort");
  std::vector<ValueCount> counts = sorted_.sort(keys_, columns_, weighted_ ? weights_.data() : nullptr);
  stage.end();
  return counts;
}

std::vector<std::vector<std::uint64_t>> CudaBinner::distinct_values(std::span<const std::int32_t> columns) {
  Stage stage(*device_, "ranks");
  std::vector<std::vector<std::uint64_t>> values = sorted_.distinct(columns);
  stage.end();
  return values;
}

void CudaBinner::values_at(std::span<const RankQuery> queries, std::span<Mass> out) {
  Stage stage(*device_, "ranks");
  sorted_.values_at(queries, out);
  stage.end();
}

DeviceBinsPtr CudaBinner::finish() {
  device_->finish();
  return std::move(bins_);
}

std::map<std::string, double> time_stages(bool timed) {
  stages_timed = timed;
  const std::lock_guard lock(stages_mutex);
  return std::exchange(stage_seconds, {});
}

DeviceBinner* make_cuda_binner(int ordinal) { return new CudaBinner(ordinal); }

}  // namespace pygbt::device
