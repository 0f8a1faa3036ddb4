// SPDX-License-Identifier: Apache-2.0
// How the columns of a table are taken in turns, so that what the device holds stays within a budget: the bins of all
// of them, and what a turn takes. A turn holds the keys of whole columns and sorts them or, where not even one has room,
// reads columns part by part (streamed_columns.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "data/device_bins.h"
#include "runtime.h"
#include "sorted_columns.h"
#include "streamed_columns.h"

namespace pygbt::device {

// The next columns to be taken together.
struct Turn {
  std::size_t n = 1;
  bool streamed = false;
  StreamedColumns::Shape shape;  // of a streamed one
  std::size_t chunk_bytes = 0;  // of what comes from the host at a time
};

class MemoryPlan {
 public:
  // most_bytes: the budget, 0: what is free. Throws OverBudget or OutOfMemory where that is too little.
  MemoryPlan(Device& device, std::int64_t n_rows, bool weighted, std::span<const KeyColumn> columns,
             std::size_t most_bytes);

  bool weights_stay() const { return weights_stay_; }  // on the device, by row, for columns that are sorted
  Turn turn(std::span<const KeyColumn> rest) const;

  static std::size_t bin_bytes(std::int64_t n_rows, std::int32_t n_bins);  // of a column, at most
  // Small arrays of a turn: what kernels are told of its columns, of units and pieces.
  static std::size_t small_bytes(std::size_t n_columns);

 private:
  // Of columns that lie on the device whole.
  struct Whole {
    std::size_t own = 0;
    SortScratch scratch;
    std::size_t bytes() const { return own + scratch.bytes(); }
  };

  Whole whole(const KeyColumn& column) const;
  std::size_t streamed(std::span<const KeyColumn> columns, const StreamedColumns::Shape& shape) const;
  std::size_t least_streamed(const KeyColumn& column) const;
  bool fits(const KeyColumn& column) const;
  Turn whole_turn(std::span<const KeyColumn> rest) const;
  Turn streamed_turn(std::span<const KeyColumn> rest) const;
  std::size_t chunk(std::size_t left) const;

  Device& device_;
  std::int64_t n_rows_;
  bool weighted_;
  bool weights_stay_ = false;
  std::size_t room_ = 0;  // of a turn
  // Of the sort that was asked for last: most columns are alike.
  mutable SortScratch scratch_;
  mutable KeyKind scratch_kind_ = KeyKind::narrow;
  mutable std::int64_t scratch_items_ = -1;
};

}  // namespace pygbt::device
