// SPDX-License-Identifier: Apache-2.0
// Rows with scores on the device: the training rows or an evaluation set.
#pragma once

#include <cstdint>
#include <span>

#include "backend/scored_rows.h"
#include "buffer.h"
#include "table.h"

namespace pygbt::device {

class DeviceRows final : public ScoredRows {
 public:
  // The three outlive it. scores: [row][n_targets].
  DeviceRows(Device& device, const Table& table, const Buffer<float>& scores)
      : device_(device), table_(table), scores_(scores) {}

  void scores(std::span<float> out) override;
  const float* device_scores() override;
  void values(Link link, float* out) override;

 private:
  std::int32_t n_targets() const {
    return static_cast<std::int32_t>(static_cast<std::int64_t>(scores_.size()) / table_.n_rows());
  }
  template <class Kernel>
  void launch(const Kernel& kernel, std::size_t shared_bytes = 0);

  Device& device_;
  const Table& table_;
  const Buffer<float>& scores_;
};

}  // namespace pygbt::device
