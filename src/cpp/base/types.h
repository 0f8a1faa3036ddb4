// SPDX-License-Identifier: Apache-2.0
// Every scalar alias of the engine, with its unit and range.
#pragma once

#include <cstdint>

#include "base/host_device.h"

namespace pygbt {

using RowId = std::uint32_t;      // row of one Dataset, < 2^32 - 1
using FeatureId = std::int32_t;   // column of a Dataset
using NodeId = std::int32_t;      // node of one tree, root = 0, children of i are left(i) and left(i) + 1
using Bin = std::uint16_t;        // 0 = missing, 1.. = value bins (numeric) or category code + 1

// Exact products of 64-bit sums (ranks, fixed-point totals).
__extension__ using Int128 = __int128;
__extension__ using UInt128 = unsigned __int128;

inline constexpr Bin kMissingBin = 0;
inline constexpr NodeId kNoNode = -1;

// Sum of quantised gradients and hessians: the only thing the engine ever adds up.
// Units: 1 / scale of the gradient quantiser. Integers commute, so any order gives the same cell.
struct Cell {
  std::int64_t g = 0;
  std::int64_t h = 0;

  PYGBT_HD Cell& operator+=(const Cell& other) {
    g += other.g;
    h += other.h;
    return *this;
  }
  PYGBT_HD Cell& operator-=(const Cell& other) {
    g -= other.g;
    h -= other.h;
    return *this;
  }
  friend PYGBT_HD Cell operator+(Cell a, const Cell& b) { return a += b; }
  friend PYGBT_HD Cell operator-(Cell a, const Cell& b) { return a -= b; }
  friend bool operator==(const Cell&, const Cell&) = default;
};

// Packed cell of a node of at most 65,536 rows of 16-bit gradients: (g << 32) + h, h in [0, 2^32). Sums of packed cells
// are packed cells of the sums.
inline constexpr Cell unpack(std::uint64_t packed) {
  return {static_cast<std::int64_t>(packed) >> 32, static_cast<std::int64_t>(packed & 0xffffffffu)};
}

}  // namespace pygbt
