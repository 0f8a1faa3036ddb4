// SPDX-License-Identifier: Apache-2.0
// Values as they lie, and a tile of rows as codes in shared memory (backend/walker.h says what a code is).
//
// Codes lie in words of 4 bytes, [plane / codes of a word][row of the tile]: whatever planes the lanes of a warp read,
// each of them reads a bank of its own. A test holds the place of its plane, to which a row adds its own.
#pragma once

#include <cstdint>
#include <cstring>
#include <limits>

#include "backend/walker.h"
#include "device.h"
#include "math/as_trained.h"

namespace pygbt::device {

struct Rows {
  const char* data = nullptr;
  std::int64_t n = 0;
  const WalkColumn* columns = nullptr;       // [feature of the forest]
  const double* category_values = nullptr;
  const std::int32_t* category_codes = nullptr;
  bool by_row = false;
};

struct Features {
  const WalkFeature* features = nullptr;
  const float* narrow = nullptr;
  const double* exact = nullptr;
  std::int32_t n = 0;
  std::int32_t n_thresholds = 0;  // of all features
};

// Rows of a strided array need not be aligned.
template <class T>
PYGBT_KERNEL T load(const char* at, bool aligned) {
  if (aligned) return *reinterpret_cast<const T*>(at);
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

template <class To>
PYGBT_KERNEL To load_as(ColumnType type, const char* at, bool aligned) {
  switch (type) {
    case ColumnType::f32:
      return static_cast<To>(load<float>(at, aligned));
    case ColumnType::f64:
      return static_cast<To>(load<double>(at, aligned));
    // By way of float64, as the host reads them: integers beyond 2^53 are rounded twice.
    case ColumnType::i8:
      return static_cast<To>(static_cast<double>(load<std::int8_t>(at, true)));
    case ColumnType::i16:
      return static_cast<To>(static_cast<double>(load<std::int16_t>(at, aligned)));
    case ColumnType::i32:
      return static_cast<To>(static_cast<double>(load<std::int32_t>(at, aligned)));
    case ColumnType::i64:
      return static_cast<To>(static_cast<double>(load<std::int64_t>(at, aligned)));
    case ColumnType::u16:
      return static_cast<To>(static_cast<double>(load<std::uint16_t>(at, aligned)));
    case ColumnType::u32:
      return static_cast<To>(static_cast<double>(load<std::uint32_t>(at, aligned)));
    case ColumnType::u64:
      return static_cast<To>(static_cast<double>(load<std::uint64_t>(at, aligned)));
    default:
      return static_cast<To>(static_cast<double>(load<std::uint8_t>(at, true)));
  }
}

// Code of a category, or -1 for missing and unknown ones.
PYGBT_KERNEL std::int32_t category_at(const Rows& rows, const WalkColumn& column, std::int32_t n_categories,
                                      const char* at) {
  std::int32_t code = -1;
  if (column.codes) {
    code = load<std::int32_t>(at, column.aligned);
  } else {
    const double value = load_as<double>(column.type, at, column.aligned);
    const double* const values = rows.category_values + column.category;
    const std::int32_t rank = rank_of(values, column.n_categories, value);
    if (rank < column.n_categories && values[rank] == value) code = rows.category_codes[column.category + rank];
  }
  return code < n_categories ? code : -1;
}

// Value of a row as the trees' thresholds meet it: NaN is missing.
PYGBT_KERNEL double value_at(const Rows& rows, const WalkColumn& column, const WalkFeature& feature, std::int64_t row) {
  const char* const at = rows.data + column.offset + row * column.stride;
  if (feature.n_categories < 0) return as_trained(load_as<double>(column.type, at, column.aligned), feature.wide);
  const std::int32_t code = category_at(rows, column, feature.n_categories, at);
  return code < 0 ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(code);
}

// `pitch` rows, a power of two.
template <class Code>
struct CodeTile {
  static constexpr std::uint32_t kOfWord = 4 / sizeof(Code);
  static constexpr Code kMissingRight = static_cast<Code>(~Code{0});
  static constexpr int kBatch = 4;  // values that a thread searches for at a time

  Code* codes;
  std::uint32_t pitch;

  PYGBT_KERNEL static std::uint32_t place(std::uint32_t plane, std::uint32_t pitch) {
    return plane / kOfWord * pitch * kOfWord + plane % kOfWord;
  }
  PYGBT_KERNEL static std::uint32_t lane(std::uint32_t row) { return row * kOfWord; }

  PYGBT_KERNEL void put(std::int32_t plane, std::uint32_t row, Code code) const {
    if (plane >= 0) codes[place(static_cast<std::uint32_t>(plane), pitch) + lane(row)] = code;
  }

  // Rows [first, first + n) of the table, by all threads of the block; `area`: shared, for the thresholds where they
  // have room. Whoever reads the codes waits first.
  PYGBT_KERNEL void fill(const Rows& rows, const Features& features, std::int64_t first, std::int32_t n, float* area,
                         std::uint32_t area_bytes) const {
    const float* narrow = features.narrow;
    if (static_cast<std::uint32_t>(features.n_thresholds) * sizeof(float) <= area_bytes) {
      for (std::int32_t i = thread(); i < features.n_thresholds; i += n_threads()) area[i] = features.narrow[i];
      narrow = area;
      sync();
    }
    // Where rows lie together a thread takes a column, and its neighbour the next one.
    const int lanes = !rows.by_row ? 1 : features.n < n_threads() ? features.n : n_threads();
    const int step = n_threads() / lanes;
    if (thread() >= lanes * step) return;
    for (std::int32_t f = thread() % lanes; f < features.n; f += lanes) {
      const WalkColumn column = rows.columns[f];
      const WalkFeature feature = features.features[f];
      const char* const data = rows.data + column.offset + first * column.stride;
      if (feature.n_categories >= 0) {
        for (std::int32_t row = thread() / lanes; row < n; row += step) {
          const std::int32_t code = category_at(rows, column, feature.n_categories, data + row * column.stride);
          put(feature.plane[0], static_cast<std::uint32_t>(row), static_cast<Code>(code < 0 ? 0 : code + 1));
        }
      } else if (column.exact) {
        fill_column<double>(column, feature, features.exact, data, n, thread() / lanes, step);
      } else {
        fill_column<float>(column, feature, narrow, data, n, thread() / lanes, step);
      }
    }
  }

 private:
  template <class T>
  PYGBT_KERNEL void fill_column(const WalkColumn& column, const WalkFeature& feature, const T* thresholds,
                                const char* data, std::int32_t n, std::int32_t begin, std::int32_t step) const {
    for (std::int32_t row = begin; row < n; row += kBatch * step) {
      T values[kBatch];
      std::int32_t ranks[kBatch];
      for (int i = 0; i < kBatch; ++i) {  // beyond the end: the last of the thread's again
        const std::int32_t at = row + i * step < n ? row + i * step : row;
        values[i] = load_as<T>(column.type, data + at * column.stride, column.aligned);
      }
      ranks_of<kBatch>(thresholds + feature.thresholds, feature.n_thresholds, values, ranks);
      for (int i = 0; i < kBatch; ++i) {
        if (row + i * step >= n) break;
        const bool missing = values[i] != values[i];
        const auto at = static_cast<std::uint32_t>(row + i * step);
        const auto code = static_cast<Code>(ranks[i]);
        put(feature.plane[0], at, missing ? kMissingRight : code);
        put(feature.plane[1], at, missing ? Code{0} : code);
      }
    }
  }
};

}  // namespace pygbt::device
