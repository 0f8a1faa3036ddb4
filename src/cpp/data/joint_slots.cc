// SPDX-License-Identifier: Apache-2.0
#include "data/joint_slots.h"

#include <utility>

#include "base/pool.h"
#include "data/slot_plan.h"

namespace pygbt {
namespace {

constexpr std::int64_t kGrain = 1 << 15;

class HostColumns final : public SlotColumns {
 public:
  HostColumns(const Dataset& data, int n_threads)
      : data_(data),
        n_threads_(resolve_threads(n_threads)),
        sample_rows_(sampled_rows(data.n_rows)),
        codes_(static_cast<std::size_t>(data.n_features())) {}

  std::vector<std::uint8_t> sample(FeatureId feature) override {
    std::vector<std::uint8_t> sample;
    sample.reserve(sample_rows_.size());
    const std::uint8_t* const bins = this->bins(feature);
    for (const std::int64_t row : sample_rows_) sample.push_back(bins[row]);
    return sample;
  }

  SlotPairs pairs(FeatureId slot, FeatureId feature) override {
    const std::uint8_t* const codes = codes_of(slot);
    const std::uint8_t* const bins = this->bins(feature);
    std::vector<std::vector<std::uint8_t>> of_worker(static_cast<std::size_t>(n_threads_));
    parallel_ranges(n_threads_, data_.n_rows, kGrain, [&](std::int64_t begin, std::int64_t end, int worker) {
      std::vector<std::uint8_t>& seen = of_worker[static_cast<std::size_t>(worker)];
      seen.resize(SlotPairs::kSize);
      for (std::int64_t row = begin; row < end; ++row) seen[SlotPairs::at(codes[row], bins[row])] = 1;
    });
    SlotPairs all;
    for (const std::vector<std::uint8_t>& seen : of_worker)
      for (std::size_t pair = 0; pair < seen.size(); ++pair) all.seen[pair] |= seen[pair];
    return all;
  }

  void join(FeatureId slot, FeatureId feature, std::span<const std::uint8_t> code_of) override {
    const std::uint8_t* const old = codes_of(slot);
    const std::uint8_t* const bins = this->bins(feature);
    HugeVector<std::uint8_t>& joint = codes_[static_cast<std::size_t>(slot)];
    if (joint.empty()) joint.resize(static_cast<std::size_t>(data_.n_rows));
    std::uint8_t* const codes = joint.data();
    parallel_ranges(n_threads_, data_.n_rows, kGrain, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) codes[row] = code_of[SlotPairs::at(old[row], bins[row])];
    });
  }

  HugeVector<std::uint8_t> take(FeatureId slot) { return std::move(codes_[static_cast<std::size_t>(slot)]); }

 private:
  const std::uint8_t* bins(FeatureId feature) const {
    return data_.bins->columns[static_cast<std::size_t>(feature)].data();
  }
  const std::uint8_t* codes_of(FeatureId slot) const {
    const HugeVector<std::uint8_t>& joint = codes_[static_cast<std::size_t>(slot)];
    return joint.empty() ? bins(slot) : joint.data();
  }

  const Dataset& data_;
  const int n_threads_;
  const std::vector<std::int64_t> sample_rows_;
  std::vector<HugeVector<std::uint8_t>> codes_;  // [first feature of a joint slot][row], of others empty
};

}  // namespace

std::vector<PlannedSlot> plan_slots(const Dataset& data, const std::vector<bool>& held, std::int64_t rows_per_sum,
                                    int n_threads) {
  std::vector<std::int32_t> n_bins;
  for (std::size_t f = 0; f < held.size(); ++f)
    n_bins.push_back(held[f] || data.bins->column_two_byte[f] ? 0 : data.cuts->features[f].n_bins);
  HostColumns columns(data, n_threads);
  std::vector<PlannedSlot> planned;
  for (Slot& slot : SlotPlan(n_bins, data.n_rows, rows_per_sum, columns).make()) {
    const FeatureId first = slot.features.front();
    planned.push_back({std::move(slot), columns.take(first)});
  }
  return planned;
}

}  // namespace pygbt
