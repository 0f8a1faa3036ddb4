// SPDX-License-Identifier: Apache-2.0
// Wide sums of leaves in the shared memory of a block. Neighbouring rows are often of one leaf, so there are several copies
// of each sum, as many as there is room for up to one a lane: no more lanes of a warp wait for one another than share a
// copy. A sum is two words of 32 bits, the carry from the word that is added first: additions of 64 bits are compare-and-swap
// loops there, a quarter as fast on random cells (probe_atomics.cu).
//
//   words [g low | g high | h low | h high][leaf][copy]
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/types.h"
#include "device.h"

namespace pygbt::device {

struct LeafCells {
  static constexpr std::int32_t kWords = 4;
  static constexpr std::size_t kBytes = kWords * sizeof(std::uint32_t);  // of a sum

  std::uint32_t* words;
  std::int32_t n_leaves;
  std::int32_t n_copies;  // 0: there is no room

  // One leaf more than there are takes what is in none.
  PYGBT_KERNEL LeafCells(std::int32_t leaves, std::size_t bytes)
      : words(shared<std::uint32_t>()), n_leaves(leaves), n_copies(0) {
    const std::size_t one = kBytes * static_cast<std::size_t>(leaves + 1);
    for (std::int32_t n = 1; n <= kLanes && static_cast<std::size_t>(n) * one <= bytes; n *= 2) n_copies = n;
  }
  PYGBT_KERNEL std::int32_t n() const { return (n_leaves + 1) * n_copies; }

  // By the block, as `flush`.
  PYGBT_KERNEL void clear() const {
    for (std::int32_t i = thread(); i < kWords * n(); i += n_threads()) words[i] = 0;
    sync();
  }

  // Modulo 2^64, in whatever order. Lower words first: their old values are on the way while others are sent.
  template <int kN>
  PYGBT_KERNEL void add_to(const std::uint32_t (&leaf)[kN], const Cell (&cell)[kN]) const {
    const auto copies = static_cast<std::uint32_t>(n_copies), stride = static_cast<std::uint32_t>(n());
    const std::uint32_t copy = static_cast<std::uint32_t>(thread()) & (copies - 1);
    std::uint32_t* at[kN];
    std::uint32_t g_before[kN], h_before[kN];
    PYGBT_UNROLL
    for (int u = 0; u < kN; ++u) {
      at[u] = words + leaf[u] * copies + copy;
      g_before[u] = fetch_add(at[u], low(cell[u].g));
      h_before[u] = fetch_add(at[u] + 2 * stride, low(cell[u].h));
    }
    PYGBT_UNROLL
    for (int u = 0; u < kN; ++u) {
      add(at[u] + stride, high(cell[u].g, g_before[u]));
      add(at[u] + 3 * stride, high(cell[u].h, h_before[u]));
    }
  }

  // Adds the sums of the copies to out [leaf][width]. A thread a leaf; each begins with a copy of its own, in another bank.
  PYGBT_KERNEL void flush(Cell* out, std::int32_t width) const {
    sync();
    for (std::int32_t leaf = thread(); leaf < n_leaves; leaf += n_threads()) {
      Cell sum{0, 0};
      for (std::int32_t i = 0; i < n_copies; ++i) {
        const std::int32_t at = leaf * n_copies + ((i + leaf) & (n_copies - 1));
        sum.g += word(at);
        sum.h += word(2 * n() + at);
      }
      Cell& cell = out[std::int64_t{leaf} * width];
      if (sum.g != 0) add_to_memory(&cell.g, sum.g);
      if (sum.h != 0) add_to_memory(&cell.h, sum.h);
    }
    sync();  // before they are cleared
  }

 private:
  PYGBT_KERNEL static std::uint32_t low(std::int64_t value) { return static_cast<std::uint32_t>(value); }
  // And the carry of the lower word.
  PYGBT_KERNEL static std::uint32_t high(std::int64_t value, std::uint32_t low_before) {
    const bool carries = low_before + low(value) < low(value);
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(value) >> 32) + (carries ? 1u : 0u);
  }
  PYGBT_KERNEL std::int64_t word(std::int32_t at) const {
    return static_cast<std::int64_t>(std::uint64_t{words[at + n()]} << 32 | words[at]);
  }
};

}  // namespace pygbt::device
