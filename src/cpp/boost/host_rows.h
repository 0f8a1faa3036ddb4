// SPDX-License-Identifier: Apache-2.0
// Scores of a data set on the host, summed by the threads of the pool. Called by metrics.
#pragma once

#include <span>

#include "backend/scored_rows.h"
#include "comm/communicator.h"
#include "data/dataset.h"

namespace pygbt {

class HostRows final : public ScoredRows {
 public:
  // All outlive it. margins: [row][n_targets].
  HostRows(std::span<const float> margins, const Dataset& data, Communicator& comm, int n_threads)
      : margins_(margins), data_(data), comm_(comm), n_threads_(n_threads) {}

  ExactLimbs sum(const MetricTermSpec& spec) override;
  RankSums rank_sums(const RowShape& shape, std::int32_t target, RankCurve curve) override;
  std::span<const float> host_margins(std::vector<float>&) override { return margins_; }

 private:
  MetricRow row_at(const RowShape& shape, std::int64_t row, const float* values) const {
    return {margins_.data() + row * shape.n_targets, values, data_.labels.data() + row * shape.n_labels};
  }

  std::span<const float> margins_;
  const Dataset& data_;
  Communicator& comm_;
  int n_threads_;
};

}  // namespace pygbt
