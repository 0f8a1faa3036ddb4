// SPDX-License-Identifier: Apache-2.0
// Edges and bins of a table on this device, and where they stay: the seam of data/device_bins.h.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "buffer.h"
#include "data/device_bins.h"
#include "key_columns.h"
#include "memory_plan.h"
#include "sorted_columns.h"
#include "streamed_columns.h"
#include "table.h"

namespace pygbt::device {

// A device that tables share, and who uses its queue.
struct SharedDevice {
  explicit SharedDevice(int ordinal) : device(ordinal) {}
  Device device;
  std::mutex mutex;
};

class CudaBins final : public DeviceBins {
 public:
  // most_bytes: budget of tables that are made of it, 0 = none.
  CudaBins(std::shared_ptr<SharedDevice> device, std::int64_t n_rows, std::size_t most_bytes)
      : device_(std::move(device)), n_rows_(n_rows), most_bytes_(most_bytes) {}

  ~CudaBins() override;

  // Room for the next features, each with so many bins: [feature], to be filled.
  std::vector<std::uint8_t*> add(std::span<const std::int32_t> n_bins);

  std::int64_t n_rows() const { return n_rows_; }
  const std::vector<Column>& columns() const { return columns_; }  // [feature], on the device

  void read(FeatureId feature, void* out) const override;
  DeviceBinsPtr take(std::span<const RowId> rows) const override;

 private:
  std::shared_ptr<SharedDevice> device_;
  std::int64_t n_rows_;
  std::size_t most_bytes_;
  std::vector<Buffer<std::uint8_t>> memory_;
  std::vector<Column> columns_;
};

class CudaBinner final : public DeviceBinner {
 public:
  explicit CudaBinner(int ordinal)
      : shared_(std::make_shared<SharedDevice>(ordinal)), device_(&shared_->device), weights_(*device_) {}

  void open(std::int64_t n_rows, std::span<const std::uint32_t> weights, std::span<const KeyColumn> columns,
            std::size_t most_bytes, const HostSide& host) override;
  std::size_t room(std::span<const KeyColumn> columns) override;
  void load(std::span<const KeyColumn> columns) override;
  std::vector<ValueCount> count_values(std::int64_t enough) override;
  std::vector<std::vector<std::uint64_t>> distinct_values(std::span<const std::int32_t> columns) override;
  void values_at(std::span<const RankQuery> queries, std::span<Mass> out) override;
  void bin(std::span<const FeatureCuts> cuts) override;  // binning.cu
  DeviceBinsPtr finish() override;

 private:
  std::shared_ptr<SharedDevice> shared_;  // nobody else's until `finish`
  Device* device_;
  const HostSide* host_ = nullptr;
  std::int64_t n_rows_ = 0;
  std::span<const std::uint32_t> host_weights_;  // [row], empty: 1 each
  Buffer<std::uint32_t> weights_;  // the same on the device, if they stay there
  std::optional<MemoryPlan> plan_;
  std::shared_ptr<CudaBins> bins_;

  // What is there of a turn.
  Turn turn_;
  std::vector<KeyColumn> columns_;
  std::optional<KeyColumns> keys_;
  std::optional<SortedColumns> sorted_;
  std::optional<StreamedColumns> streamed_;
};

}  // namespace pygbt::device
