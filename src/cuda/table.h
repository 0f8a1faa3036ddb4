// SPDX-License-Identifier: Apache-2.0
// The bins of a Dataset on the device, in two layouts, and the rows' labels and weights.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.h"
#include "buffer.h"
#include "data/dataset.h"

namespace pygbt::device {

// Bins of one feature: [row] uint8 or uint16. Read by the partition and by walks down a tree.
struct Column {
  const std::uint8_t* bins = nullptr;
  bool two_byte = false;
};

// What histograms and the search for cuts must know of a feature.
struct Feature {
  std::int64_t offset = 0;  // its bin 0 in a histogram
  std::int64_t place = 0;  // the same where every feature has an odd number of places: see n_places()
  std::int32_t n_bins = 0;
  std::int32_t usual = -1;  // the bin that most rows have, -1 = none; known on the device only
  bool categorical = false;

  // In shared memory, so that equal bins of neighbouring features lie in different banks.
  PYGBT_HD std::int32_t n_places() const { return n_bins | 1; }
};

PYGBT_HD std::int32_t words_of(const Feature& feature) { return (feature.n_bins + 31) / 32; }  // of a set of its bins

// Features [first, first + n) whose histograms a block adds up together: their bins row by row, as wide as the widest
// needs, in 32-bit words. A row has a power of two of them, so that it lies in one sector of device memory, or in few.
struct Group {
  static constexpr std::int32_t kMostWords = 32;

  const std::uint32_t* words = nullptr;  // [row][n_words], of each the feature of the lowest byte or half first
  bool two_byte = false;
  std::int32_t first = 0;
  std::int32_t n = 0;
  std::int32_t n_words = 1;  // a thread each
  std::int64_t n_places = 0;  // of all of them
  std::uint32_t skips = 0;  // 1: some feature has a usual bin; known on the device only

  PYGBT_HD std::int32_t in_word() const { return two_byte ? 2 : 4; }  // features
};

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
  const Group* groups() const { return groups_.data(); }  // on the device, [group]
  const std::vector<Group>& host_groups() const { return host_groups_; }
  // Places of a part of a group's words, of so many, at most.
  std::int64_t most_places(const Group& group, std::int32_t n_parts) const;
  const float* labels() const { return labels_.data(); }  // [row][n_labels]
  const std::uint32_t* weights() const { return weighted_ ? weights_.data() : nullptr; }  // [row]; nullptr = all 1

 private:
  void load_columns(const Dataset& data);
  void find_usual_bins();
  void make_groups();

  Device& device_;
  std::int64_t n_rows_ = 0;
  bool weighted_ = false;
  bool any_categorical_ = false;
  std::int32_t most_bins_ = 0;
  std::vector<std::int64_t> bin_offset_;
  std::vector<Feature> host_features_;
  std::vector<Group> host_groups_;
  Buffer<std::uint8_t> column_bins_;
  Buffer<std::uint32_t> group_words_;
  Buffer<Column> columns_;
  Buffer<Feature> features_;
  Buffer<Group> groups_;
  Buffer<float> labels_;
  Buffer<std::uint32_t> weights_;
};

PYGBT_HD Bin bin_at(const std::uint8_t* bins, bool two_byte, std::int64_t at) {
  return two_byte ? reinterpret_cast<const std::uint16_t*>(bins)[at] : bins[at];
}

}  // namespace pygbt::device
