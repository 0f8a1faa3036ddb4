// SPDX-License-Identifier: Apache-2.0
// Rows with scores on the device: the training rows or an evaluation set. Sums of metrics: metric_sums.cu, and by the
// order of the scores rank_sums.cu.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "backend/scored_rows.h"
#include "block.h"
#include "buffer.h"
#include "table.h"

namespace pygbt::device {

// What kernels see of them.
struct RowsView {
  const float* margins = nullptr;  // [row][n_targets]
  const float* labels = nullptr;   // [row][n_labels]
  const std::uint32_t* weights = nullptr;  // [row]; nullptr = all 1
  float* softmax = nullptr;  // [thread of the grid][n_targets], where the link is softmax and values are read
  std::int64_t n_rows = 0;
  std::int32_t n_targets = 1, n_labels = 1;

  PYGBT_KERNEL std::uint32_t weight(std::int64_t row) const { return weights == nullptr ? 1u : weights[row]; }
  PYGBT_KERNEL MetricRow at(std::int64_t row) const {
    const MetricRow found{margins + row * n_targets, softmax == nullptr ? nullptr : softmax + first_row() * n_targets,
                          labels + row * n_labels};
    if (softmax != nullptr) {
      float* const values = softmax + first_row() * n_targets;
      for (std::int32_t k = 0; k < n_targets; ++k) values[k] = found.margins[k];
      apply_link(Link::kSoftmax, values, n_targets);
    }
    return found;
  }
};

class DeviceRows final : public DeviceScoredRows {
 public:
  // The three outlive it. scores: [row][n_targets].
  DeviceRows(Device& device, const Table& table, const Buffer<float>& scores)
      : device_(device), table_(table), scores_(scores) {}

  void scores(std::span<float> out) override;
  const float* device_scores() override;
  void values(Link link, float* out) override;
  ExactLimbs sum(const MetricTermSpec& spec) override;
  RankSums rank_sums(const RowShape& shape, std::int32_t target, RankCurve curve) override;
  std::span<const float> host_margins(std::vector<float>& room) override {
    room.resize(scores_.size());
    scores(room);
    return room;
  }

 private:
  std::int64_t n_rows() const { return table_.n_rows(); }
  std::int32_t n_targets() const {
    return static_cast<std::int32_t>(static_cast<std::int64_t>(scores_.size()) / table_.n_rows());
  }
  // With a row's values in each thread: no more blocks than there is scratch memory for.
  std::int64_t n_blocks(bool reads_softmax) const {
    const Policy& policy = device_.policy();
    const std::int64_t blocks = std::min(policy.n_blocks, (n_rows() + policy.n_threads - 1) / policy.n_threads);
    const auto bytes = static_cast<std::int64_t>(sizeof(float)) * policy.n_threads * n_targets();
    const std::int64_t most = std::max<std::int64_t>(1, static_cast<std::int64_t>(policy.scratch_bytes) / bytes);
    return reads_softmax ? std::min(blocks, most) : blocks;
  }
  // softmax: memory for the values of a row in each thread.
  RowsView view(std::int32_t n_labels, bool reads_softmax, Buffer<float>& softmax) const;
  template <class Kernel>
  void launch(const Kernel& kernel, bool reads_softmax = false, std::size_t shared_bytes = 0) {
    device_.launch(n_blocks(reads_softmax), device_.policy().n_threads, kernel, shared_bytes);
  }

  Device& device_;
  const Table& table_;
  const Buffer<float>& scores_;
};

}  // namespace pygbt::device
