// SPDX-License-Identifier: Apache-2.0
// A training table of the classical trees: every column as codes. Code 0 is missing; code c >= 1 of a numeric column is
// its c-th distinct value, ascending (exact), or its c-th bin (a Dataset's); of a nominal column, category c - 1. What
// searches codes is exact over distinct values and a histogram over bins: one search, two tables. An exact table may
// leave columns of float32 where they lie: codes are then made whenever they are read.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/types.h"
#include "data/column.h"
#include "data/dataset.h"
#include "data/keys.h"
#include "decision/code_values.h"

namespace pygbt {

using Code = std::uint32_t;
inline constexpr Code kMissingCode = 0;

// Codes [row] of float32 values in place: their keys, or, of two values, 1 and 2.
struct InPlace {
  const char* first;
  std::int64_t stride;  // bytes from row to row
  float value(std::size_t row) const { return detail::load<float>(first + static_cast<std::int64_t>(row) * stride); }
};
struct KeysInPlace : InPlace {
  std::uint32_t operator[](std::size_t row) const { return key_of(value(row)); }
};
struct TwoInPlace : InPlace {
  float lesser;
  std::uint8_t operator[](std::size_t row) const {
    const float x = value(row);
    return static_cast<std::uint8_t>((x == x ? 1 : 0) + (x > lesser ? 1 : 0));
  }
};

struct CodedColumn {
  bool nominal = false;
  bool wide = false;  // a float64 column: cuts are not rounded to float32
  bool has_missing = false;
  std::int32_t n_codes = 1;  // code 0 included
  std::uint8_t width = 1;  // bytes a code: 1, 2 or 4
  const void* data = nullptr;  // [row]
  std::vector<std::uint8_t> owned;  // what `data` points at, unless a Dataset has it
  // Numeric: [code - 1] largest value of a code; with exact codes its only one. A Dataset's last bin has none.
  CodeValues value;
  // In place, and `data` is null: with four bytes a code the code is the key of the value (data/keys.h; `value` is
  // empty), with one byte there are at most two values, the lesser of which is `lesser`.
  const char* in_place = nullptr;  // float32 of row 0
  std::int64_t stride = 0;  // bytes from row to row
  float lesser = 0.0f;

  bool keyed() const { return in_place != nullptr && width == sizeof(Code); }
  KeysInPlace keys_in_place() const { return {{in_place, stride}}; }
  TwoInPlace two_in_place() const { return {{in_place, stride}, lesser}; }
  // The largest value of a code of a numeric column.
  double number(Code code) const { return keyed() ? value_of(code) : value[code - 1]; }
  Code at(std::int64_t row) const {
    const auto i = static_cast<std::size_t>(row);
    if (in_place != nullptr) return keyed() ? keys_in_place()[i] : two_in_place()[i];
    if (width == 1) return static_cast<const std::uint8_t*>(data)[i];
    if (width == 2) return static_cast<const std::uint16_t*>(data)[i];
    return static_cast<const std::uint32_t*>(data)[i];
  }
};

// Calls visit(const T* codes) with the type of the codes of a column that is not in place.
template <class Visit>
decltype(auto) visit_codes(const CodedColumn& column, Visit&& visit) {
  if (column.width == 1) return visit(static_cast<const std::uint8_t*>(column.data));
  if (column.width == 2) return visit(static_cast<const std::uint16_t*>(column.data));
  return visit(static_cast<const std::uint32_t*>(column.data));
}

// Calls visit(codes) with what gives codes[row] of any column.
template <class Visit>
decltype(auto) visit_column(const CodedColumn& column, Visit&& visit) {
  if (column.keyed()) return visit(column.keys_in_place());
  if (column.in_place != nullptr) return visit(column.two_in_place());
  return visit_codes(column, visit);
}

struct CodedTable {
  std::int64_t n_rows = 0;
  bool exact = true;  // codes are distinct values
  std::vector<CodedColumn> columns;  // [feature]
  std::shared_ptr<const Dataset> binned;  // keeps the codes of a table over bins
  std::shared_ptr<const void> values;  // keeps the columns in place

  std::int32_t n_features() const { return static_cast<std::int32_t>(columns.size()); }
};

// Distinct values as codes. n_categories [feature], ignored for numeric columns. in_place: dense columns of float32 with
// two values, or with more than 65,535, stay where they are, which the caller keeps: for one tree, that asks visit_column.
// Throws InvalidArgument for infinite values, or more than 2^32 - 2 rows.
CodedTable make_coded_table(std::span<const ColumnView> columns, std::span<const std::int32_t> n_categories,
                            std::int64_t n_rows, int n_threads, bool in_place = false);

// The bins of a Dataset as codes, not copied.
CodedTable coded_bins(std::shared_ptr<const Dataset> data);

// Where values x <= cut go low: between the values of two codes that follow each other in a node, low < high.
// midpoint: the largest number of the column's type below the middle, so that x < middle <=> x <= cut (as CART asks);
// else the lower value itself (as C4.5 and the booster ask). Over bins: the edge midway between the two, or the lower
// one's.
struct ValueCut {
  double threshold = 0.0;
  double lower = 0.0, upper = 0.0;  // the two values
};
ValueCut cut_between(const CodedTable& table, FeatureId feature, Code low, Code high, bool midpoint);

}  // namespace pygbt
