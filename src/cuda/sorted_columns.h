// SPDX-License-Identifier: Apache-2.0
// The values of columns in ascending order, with their cumulative weights: what the plan of the edges asks of a column.
// Held for all columns that are loaded, so that a question about all of them is one launch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "buffer.h"
#include "data/device_bins.h"
#include "key_columns.h"
#include "parcel.h"
#include "units.h"

namespace pygbt::device {

// Items of weight 0 count as missing; those come first. A sparse column has `fill_weight` rows more of the key `fill`.
struct SortedColumn {
  const std::byte* keys = nullptr;  // [n] ascending, uint64 if wide, else uint32
  const std::int64_t* weights = nullptr;  // [n] of the item and those before it; nullptr: each weighs 1
  std::int64_t n = 0;
  std::uint64_t fill = 0;
  std::int64_t fill_weight = 0;
  std::int64_t n_missing = 0;
  std::int64_t weight = 0;  // of all items
  std::int64_t before_fill = 0;  // weight of the items below it
  std::int64_t at_fill = 0;  // of those equal to it
  bool wide = false;
};

// Bytes that sorts of whole columns use one after the other, each buffer as large as any of them wants.
struct SortScratch {
  std::size_t sort = 0;  // the sort's own
  std::size_t keys = 0, weights = 0;  // of a column whose rows weigh

  std::size_t bytes() const { return sort + keys + weights; }
  void raise(const SortScratch& other) {
    sort = std::max(sort, other.sort);
    keys = std::max(keys, other.keys);
    weights = std::max(weights, other.weights);
  }
};

class SortedColumns {
 public:
  explicit SortedColumns(Device& device)
      : device_(device),
        keys_(device),
        spare_keys_(device),
        scratch_(device),
        masked_(device),
        given_(device),
        asked_(device),
        weights_(device),
        sorted_weights_(device),
        spare_weights_(device),
        tile_sums_(device),
        running_(device) {}

  // Those of the loaded columns that are to be sorted. weights: on the device, by row, or nullptr.
  std::vector<ValueCount> sort(const KeyColumns& loaded, std::span<const KeyColumn> columns,
                               const std::uint32_t* weights);
  std::vector<std::vector<std::uint64_t>> distinct(std::span<const std::int32_t> columns);
  void values_at(std::span<const RankQuery> queries, std::span<Mass> out);

  // Of a column on the device, answers included, and of what the sorts of all of them share.
  static std::size_t bytes(const Device& device, const KeyColumn& column, std::int64_t n_rows, bool weighted);
  static SortScratch scratch(Device& device, const KeyColumn& column, std::int64_t n_rows, bool weighted);

 private:
  struct SegmentGroup;
  struct Layout;

  std::vector<std::size_t> segments_first(const KeyColumns& loaded) const;
  Layout lay_out(const KeyColumns& loaded, std::size_t key_bytes, std::int64_t n_places, bool weighted);
  void sort_segments_of(const std::uint32_t* weights, Layout& layout);
  void sort_large(const LoadedColumn& column, std::byte* keys, const std::uint32_t* weights,
                  std::uint32_t* out_weights);
  // Completes what is known of the columns and counts their values. column_ranks.cu, as are `distinct` and `values_at`.
  void measure(const Units& units, SortedColumn* columns, std::int64_t* distinct);

  Device& device_;
  Buffer<std::byte> keys_, spare_keys_, scratch_, masked_, given_, asked_;
  Buffer<std::uint32_t> weights_, sorted_weights_, spare_weights_;  // of one column; of all, side by side
  Buffer<std::int64_t> tile_sums_, running_;
  std::vector<std::int32_t> place_;  // [loaded column] among the sorted ones, -1 = none
  std::vector<SortedColumn> host_;  // [sorted column]
  std::vector<std::int64_t> distinct_;  // [sorted column] values of its items
  Parcel::Part<SortedColumn> columns_;
  Parcel::Part<std::int64_t> first_, items_;
  UnitPlan plan_{Policy{}, {}};
};

}  // namespace pygbt::device
