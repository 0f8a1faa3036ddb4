// SPDX-License-Identifier: Apache-2.0
// Tables that say where a 32-bit key lies (data/keys.h), as plain data for the kernels that are compiled once per
// instruction set (isa/keys.inc). Filled by data/bin_lookup and data/key_grid; key 0 = missing.
#pragma once

#include <cstdint>

#include "base/types.h"

namespace pygbt {

// Bin of a key, see BinLookup.
struct BinTable {
  const std::uint32_t* edges = nullptr;  // ascending, padded by steps_from keys that no key exceeds
  const std::uint16_t* below = nullptr;  // [range] edges in the ranges before it, and one element of slack
  std::uint32_t first = 0;
  std::uint32_t last = 0;
  std::uint32_t shift = 0;       // range = (key clamped to first .. last - first) >> shift
  std::uint32_t steps_from = 0;  // largest halving step within a range, a power of two, or 0
  std::uint32_t value_bin = 1;   // bin of the lowest value
};

// Cell of a key, see KeyGrid.
struct GridTable {
  const std::uint32_t* prefixes = nullptr;  // [prefix] first cell << kGridShiftBits | key bits below a cell
  std::uint32_t low = 0;
  std::uint32_t high = 0;
  std::uint32_t prefix_shift = 0;
  std::uint32_t first_prefix = 0;
};
inline constexpr std::uint32_t kGridShiftBits = 6;

// Keys wanted from a grid: those of cells with a slot, but not the slot's pivot.
struct WantedKeys {
  GridTable grid;
  const std::uint16_t* slots = nullptr;   // [cell] 0 = of no interest; one element of slack
  const std::uint32_t* pivots = nullptr;  // [slot]
};

struct KeyKernels {
  void (*bins)(const BinTable& table, const std::uint32_t* keys, std::int64_t n, Bin* out);
  void (*cells)(const GridTable& table, const std::uint32_t* keys, std::int64_t n, std::uint32_t* out);
  // Copies the wanted keys in order, returns how many; `out` has room for n.
  std::int64_t (*keep)(const WantedKeys& wanted, const std::uint32_t* keys, std::int64_t n, std::uint32_t* out);
};

}  // namespace pygbt
