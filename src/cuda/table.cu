// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <algorithm>

#include "binner.h"
#include "device.h"

namespace pygbt::device {

namespace {

std::int64_t up_to(std::int64_t x, std::int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

constexpr std::int64_t kAlignment = 16;  // of columns

}  // namespace

Table::Table(Device& device)
    : device_(device),
      column_bins_(device),
      columns_(device),
      features_(device),
      groups_(device),
      labels_(device),
      weights_(device) {}

void Table::load(const Dataset& data, bool groups) {
  n_rows_ = data.n_rows;
  bin_offset_.assign(1, 0);
  host_features_.clear();
  any_categorical_ = false;
  most_bins_ = 0;
  for (const FeatureCuts& cuts : data.cuts->features) {
    host_features_.push_back({bin_offset_.back(), cuts.n_bins, cuts.categorical});
    bin_offset_.push_back(bin_offset_.back() + cuts.n_bins);
    any_categorical_ = any_categorical_ || cuts.categorical;
    most_bins_ = std::max(most_bins_, cuts.n_bins);
  }
  features_.put(host_features_);
  labels_.put(data.labels);
  weighted_ = !data.weights.empty();
  weights_.put(data.weights);
  const std::vector<Column> columns = load_columns(data);
  columns_.put(columns);
  if (groups) groups_.load(columns, bin_offset_, n_rows_);
}

std::vector<Column> Table::load_columns(const Dataset& data) {
  if (data.device_bins != nullptr)  // found here: they stay where they are
    return static_cast<const CudaBins&>(*data.device_bins).columns();
  std::vector<Column> columns;
  std::vector<std::int64_t> offsets;
  std::int64_t bytes = 0;
  for (FeatureId f = 0; f < n_features(); ++f) {
    const bool two_byte = data.column(f).two_byte;
    offsets.push_back(bytes);
    columns.push_back({nullptr, two_byte});
    bytes += up_to(n_rows_ * (two_byte ? 2 : 1), kAlignment);
  }
  std::uint8_t* const first = column_bins_.make(bytes);
  for (FeatureId f = 0; f < n_features(); ++f) {
    const auto at = static_cast<std::size_t>(f);
    columns[at].bins = first + offsets[at];
    const std::int64_t size = n_rows_ * (columns[at].two_byte ? 2 : 1);
    if (size > 0) device_.to_device(first + offsets[at], data.column(f).data, static_cast<std::size_t>(size));
  }
  return columns;
}

}  // namespace pygbt::device
