// SPDX-License-Identifier: Apache-2.0
// Columns on the device, as the plan of slots asks for them: see src/cpp/data/slot_plan.h. The host decides, by a few
// rows of each column and the pairs that the device has found.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "base/types.h"
#include "bin_column.h"
#include "buffer.h"
#include "data/slot_plan.h"

namespace pygbt::device {

class JointColumns final : public SlotColumns {
 public:
  // columns: [feature], on the device.
  JointColumns(Device& device, std::span<const Column> columns, std::int64_t n_rows);

  std::vector<std::uint8_t> sample(FeatureId feature) override;
  SlotPairs pairs(FeatureId slot, FeatureId feature) override;
  void join(FeatureId slot, FeatureId feature, std::span<const std::uint8_t> code_of) override;

  // Of a slot: codes that its features share, or the bins of its only one. As long as this object lives.
  Column codes_of(FeatureId slot) const;

 private:
  Device& device_;
  std::span<const Column> columns_;
  std::int64_t n_rows_;
  std::int64_t n_sampled_;
  Buffer<std::int64_t> sampled_rows_;
  FeatureId first_sampled_ = 0;
  std::vector<std::uint8_t> samples_;  // [feature - first_sampled_][n_sampled_]
  Buffer<std::uint32_t> seen_;  // a bit a pair
  Buffer<std::uint8_t> code_of_;
  std::map<FeatureId, Buffer<std::uint8_t>> codes_;  // of slots of several features
};

}  // namespace pygbt::device
