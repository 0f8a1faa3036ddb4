// SPDX-License-Identifier: Apache-2.0
// Order-preserving integer keys of the values of a column: key(a) < key(b) <=> a < b, -0.0 = +0.0, NaN = key 0 (below
// every value). 32-bit keys for columns that float32 holds exactly, 64-bit keys for wide ones. Edges and bins are found
// on keys, by integers alone.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>
#include <cstring>
#include <limits>

#include "base/host_device.h"
#include "data/column.h"

namespace pygbt {

template <class Key>
concept ValueKey = std::same_as<Key, std::uint32_t> || std::same_as<Key, std::uint64_t>;

template <ValueKey Key>
inline constexpr int kKeyBits = std::numeric_limits<Key>::digits;

inline constexpr std::uint32_t kMissingKey = 0;

PYGBT_HD std::uint32_t key_of(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value + 0.0f);  // + 0.0 turns -0.0 into +0.0
  const auto sign = static_cast<std::uint32_t>(static_cast<std::int32_t>(bits) >> 31);
  const std::uint32_t key = bits ^ (sign | 0x80000000u);
  return value == value ? key : 0u;
}

PYGBT_HD std::uint64_t key_of(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value + 0.0);
  const auto sign = static_cast<std::uint64_t>(static_cast<std::int64_t>(bits) >> 63);
  const std::uint64_t key = bits ^ (sign | 0x8000000000000000u);
  return value == value ? key : 0u;
}

inline double value_of(std::uint32_t key) {
  return std::bit_cast<float>((key & 0x80000000u) != 0 ? key ^ 0x80000000u : ~key);
}

inline double value_of(std::uint64_t key) {
  return std::bit_cast<double>((key & 0x8000000000000000u) != 0 ? key ^ 0x8000000000000000u : ~key);
}

// The key of a double read as the column's training type: rounded to float32 first for 32-bit keys.
template <ValueKey Key>
PYGBT_HD Key key_as(double value) {
  if constexpr (sizeof(Key) == 4) return key_of(static_cast<float>(value));
  return static_cast<Key>(key_of(value));
}

namespace detail {

template <class T>
T load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);  // rows of a strided array need not be aligned
  return value;
}

template <ValueKey Key, class T>
PYGBT_HD Key key_from(T value) {
  if constexpr (sizeof(Key) == 4 && std::same_as<T, float>) {
    return key_of(value);
  } else {
    return key_as<Key>(static_cast<double>(value));
  }
}

template <ValueKey Key, class T>
void keys_of(const char* first, std::int64_t stride, std::int64_t n, Key* out) {
  if (stride == static_cast<std::int64_t>(sizeof(T))) {
    for (std::int64_t i = 0; i < n; ++i) {
      out[i] = key_from<Key>(load<T>(first + i * static_cast<std::int64_t>(sizeof(T))));
    }
    // Chunks of several columns are read in turn, too short for the hardware to see that each column is a stream.
    constexpr std::int64_t kLine = 64;
    const std::int64_t bytes = n * static_cast<std::int64_t>(sizeof(T));
    for (std::int64_t at = 0; at < bytes; at += kLine) __builtin_prefetch(first + bytes + at, 0, 2);
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) out[i] = key_from<Key>(load<T>(first + i * stride));
}

}  // namespace detail

// Calls visit(T{}) with the C++ type of the column's elements; bool is read as uint8 holding 0 or 1.
template <class Visit>
PYGBT_HD void visit_type(ColumnType type, Visit&& visit) {
  switch (type) {
    case ColumnType::f32:
      return visit(float{});
    case ColumnType::f64:
      return visit(double{});
    case ColumnType::i8:
      return visit(std::int8_t{});
    case ColumnType::i16:
      return visit(std::int16_t{});
    case ColumnType::i32:
      return visit(std::int32_t{});
    case ColumnType::i64:
      return visit(std::int64_t{});
    case ColumnType::u8:
    case ColumnType::boolean:
      return visit(std::uint8_t{});
    case ColumnType::u16:
      return visit(std::uint16_t{});
    case ColumnType::u32:
      return visit(std::uint32_t{});
    case ColumnType::u64:
      return visit(std::uint64_t{});
  }
}

// Keys of the items [begin, end) of a numeric column: its rows, or the stored values of a sparse column.
template <ValueKey Key>
void read_keys(const ColumnView& column, std::int64_t begin, std::int64_t end, Key* out) {
  visit_type(column.type, [&]<class T>(T) {
    const std::int64_t stride = column.sparse_rows == nullptr ? column.stride : static_cast<std::int64_t>(sizeof(T));
    detail::keys_of<Key, T>(column.data + begin * stride, stride, end - begin, out);
  });
}

}  // namespace pygbt
