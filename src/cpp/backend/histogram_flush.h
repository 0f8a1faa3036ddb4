// SPDX-License-Identifier: Apache-2.0
// From the buffer of a block [code] to the histogram of a node [feature][bin]: a copy where a slot is one feature,
// marginal sums where it is joint. Cells are packed (see isa/histogram_packed.inc), pairs, or counts of rows.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "backend/histogram_layout.h"
#include "backend/kernels.h"
#include "base/types.h"

namespace pygbt {

// Adds modulo 2^64: exact for the difference of two cells that has few enough rows.
inline std::uint64_t pack(const Cell& cell) {
  return (static_cast<std::uint64_t>(cell.g) << 32) + static_cast<std::uint64_t>(cell.h);
}

template <class To, class From>
To convert_cell(const From& cell) {
  if constexpr (std::is_same_v<To, From>)
    return cell;
  else if constexpr (std::is_same_v<To, Cell>)
    return unpack(cell);
  else if constexpr (std::is_same_v<From, Cell>)
    return pack(cell);
  else
    return static_cast<To>(cell);  // counts
}

// Packed cells of targets that lie side by side.
template <int kLanes>
struct LaneCells {
  std::uint64_t words[kLanes];

  LaneCells& operator+=(const LaneCells& other) {
    for (int lane = 0; lane < kLanes; ++lane) words[lane] += other.words[lane];
    return *this;
  }
  LaneCells& operator-=(const LaneCells& other) {
    for (int lane = 0; lane < kLanes; ++lane) words[lane] -= other.words[lane];
    return *this;
  }
};

// One target of a slot, or several: the To at histogram[bin * to_stride] becomes (`fresh`) or grows by the sum of its
// codes' buffer[code * from_stride].
template <class To, class From, class Element>
void flush_slot(const SlotLayout& slot, const From* buffer, std::int64_t from_stride, Element* histogram,
                std::int64_t to_stride, bool fresh) {
  const auto at = [&](std::int64_t bin) -> To& { return *reinterpret_cast<To*>(histogram + bin * to_stride); };
  const auto put = [&](std::int64_t bin, const From& sum) {
    if (fresh)
      at(bin) = convert_cell<To>(sum);
    else
      at(bin) += convert_cell<To>(sum);
  };
  const From* from = buffer + slot.offset * from_stride;
  if (slot.marginals.empty()) {
    if constexpr (std::is_same_v<From, Element>) {
      if (fresh && from_stride == 1 && to_stride == 1) {
        std::memcpy(static_cast<void*>(histogram + slot.bin), from,
                    static_cast<std::size_t>(slot.n_codes) * sizeof(To));
        return;
      }
    }
    for (std::int64_t code = 0; code < slot.n_codes; ++code) put(slot.bin + code, from[code * from_stride]);
    return;
  }
  From total{};
  for (std::int64_t code = 0; code < slot.n_codes; ++code) total += from[code * from_stride];
  for (const Marginal& marginal : slot.marginals) {
    if (fresh)
      for (std::int64_t bin = marginal.first; bin < marginal.last; ++bin) at(bin) = To{};
    From before[kPackedBins + 1];  // running sums: one long loop, where a loop a bin would mispredict its end
    before[0] = From{};
    const std::size_t n = marginal.codes.size();
    for (std::size_t i = 0; i < n; ++i) {
      before[i + 1] = before[i];
      before[i + 1] += from[marginal.codes[i] * from_stride];
    }
    for (const Marginal::Part& part : marginal.parts) {
      From sum = before[part.end];
      sum -= before[part.begin];
      put(part.bin, sum);
    }
    total -= before[n];
    put(marginal.rest, total);
    total += before[n];
  }
}

// The same of all slots of a block.
template <class From, class To>
void flush_block(const BlockLayout& block, const From* buffer, std::int64_t from_stride, To* histogram,
                 std::int64_t to_stride, bool fresh) {
  for (const SlotLayout& slot : block.slots) flush_slot<To>(slot, buffer, from_stride, histogram, to_stride, fresh);
}

// All kLanes targets of the buffer: a cache line of the histogram is written once.
template <int kLanes>
void flush_lanes(const BlockLayout& block, const std::uint64_t* buffer, std::uint64_t* histogram,
                 std::int64_t to_stride, bool fresh) {
  using Lanes = LaneCells<kLanes>;
  for (const SlotLayout& slot : block.slots)
    flush_slot<Lanes>(slot, reinterpret_cast<const Lanes*>(buffer), 1, histogram, to_stride, fresh);
}

// Clears the cells of all codes, [code][width].
template <class Element>
void clear_block(const BlockLayout& block, Element* buffer, std::int64_t width) {
  for (const SlotLayout& slot : block.slots) std::fill_n(buffer + slot.offset * width, slot.n_codes * width, Element{});
}

}  // namespace pygbt
