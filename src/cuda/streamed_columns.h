// SPDX-License-Identifier: Apache-2.0
// Columns that have no room on the device as a whole: read part by part from where they lie, once a pass. Answers what
// SortedColumns answers, by counting: a pass tells how much weight lies between keys (key_cover.h). All columns that
// are streamed together share their passes, so that a table stored row by row is read once a pass.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "buffer.h"
#include "data/device_bins.h"
#include "key_columns.h"
#include "key_cover.h"

namespace pygbt::device {

class StreamedColumns {
 public:
  static constexpr std::size_t kCellBytes = sizeof(std::uint64_t) + sizeof(KeyCell);

  struct Shape {
    std::int64_t part_rows = 0;  // of a dense column; a multiple of 4
    std::size_t n_cells = 0;     // of a column that is to be sorted, in a pass
  };

  // weights: of the host, [row], or empty: 1 each.
  StreamedColumns(Device& device, KeyColumns& keys, std::span<const KeyColumn> columns, std::int64_t n_rows,
                  std::span<const std::uint32_t> weights, const Shape& shape, const HostSide& host);

  std::vector<ValueCount> count(std::int64_t enough);
  std::vector<std::vector<std::uint64_t>> distinct(std::span<const std::int32_t> columns) const;
  void values_at(std::span<const RankQuery> queries, std::span<Mass> out);

  // Loads part after part of all columns and calls body() for each.
  template <class Body>
  void each_part(Body&& body) {
    std::vector<Source> sources;
    for (std::size_t c = 0; c < columns_.size(); ++c) sources.push_back({columns_[c], c});
    each_part(sources, body);
  }

  static std::int64_t n_parts(std::int64_t n_rows, const Shape& shape) {
    return (n_rows + shape.part_rows - 1) / shape.part_rows;
  }
  static Items items_of(const KeyColumn& column, std::int64_t n_rows, const Shape& shape, std::int64_t part);
  // Of the parts of some columns on the device, and of their weights.
  static std::size_t part_bytes(std::span<const KeyColumn> columns, std::int64_t n_rows, bool weighted,
                                const Shape& shape);

 private:
  // What a pass loads of a column: its keys, or its weights, which are cut as the keys are.
  struct Source {
    KeyColumn column;
    std::size_t of = 0;
  };

  template <class Body>
  void each_part(std::span<const Source> sources, Body&& body) {
    for (std::int64_t part = 0; part < n_parts(n_rows_, shape_); ++part) {
      load(sources, part);
      body();
    }
  }
  void load(std::span<const Source> sources, std::int64_t part);
  void pass(std::span<const std::size_t> active);

  Device& device_;
  KeyColumns& keys_;
  std::vector<KeyColumn> columns_;
  std::int64_t n_rows_;
  std::span<const std::uint32_t> weights_;
  Shape shape_;
  const HostSide& host_;
  std::vector<KeyCover> covers_;  // [column]
  std::vector<std::vector<std::uint32_t>> stored_weights_;  // [column][stored value] of a sparse one
  Buffer<std::uint64_t> uppers_;  // of all columns of a pass, side by side
  Buffer<KeyCell> cells_;
  Buffer<std::byte> given_;
};

}  // namespace pygbt::device
