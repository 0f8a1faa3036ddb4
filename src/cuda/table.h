// SPDX-License-Identifier: Apache-2.0
// The bins of a Dataset on the device, in two layouts, and the rows' labels and weights.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.h"
#include "bin_column.h"
#include "buffer.h"
#include "data/dataset.h"
#include "groups.h"

namespace pygbt::device {

// What the search for cuts must know of a feature.
struct Feature {
  std::int64_t offset = 0;  // its bin 0 in a histogram
  std::int32_t n_bins = 0;
  bool categorical = false;
};

PYGBT_HD std::int32_t words_of(const Feature& feature) { return (feature.n_bins + 31) / 32; }  // of a set of its bins

class Table {
 public:
  explicit Table(Device& device);

  // groups: whether histograms will be made of it.
  void load(const Dataset& data, bool groups = true);

  std::int64_t n_rows() const { return n_rows_; }
  std::int64_t n_bins() const { return bin_offset_.back(); }
  const std::vector<std::int64_t>& bin_offset() const { return bin_offset_; }  // [feature + 1]
  std::int32_t n_features() const { return static_cast<std::int32_t>(bin_offset_.size()) - 1; }
  std::int32_t most_bins() const { return most_bins_; }  // of a feature
  bool categorical(FeatureId f) const { return host_features_[static_cast<std::size_t>(f)].categorical; }
  bool any_categorical() const { return any_categorical_; }

  const Column* columns() const { return columns_.data(); }  // on the device, [feature]
  const Feature* features() const { return features_.data(); }  // on the device, [feature]
  const Groups& groups() const { return groups_; }
  const float* labels() const { return labels_.data(); }  // [row][n_labels]
  const std::uint32_t* weights() const { return weighted_ ? weights_.data() : nullptr; }  // [row]; nullptr = all 1

 private:
  std::vector<Column> load_columns(const Dataset& data);

  Device& device_;
  std::int64_t n_rows_ = 0;
  bool weighted_ = false;
  bool any_categorical_ = false;
  std::int32_t most_bins_ = 0;
  std::vector<std::int64_t> bin_offset_;
  std::vector<Feature> host_features_;
  Buffer<std::uint8_t> column_bins_;
  Buffer<Column> columns_;
  Buffer<Feature> features_;
  Groups groups_;
  Buffer<float> labels_;
  Buffer<std::uint32_t> weights_;
};

}  // namespace pygbt::device
