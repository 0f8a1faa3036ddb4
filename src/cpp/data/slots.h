// SPDX-License-Identifier: Apache-2.0
// Bins row by row, for histograms: blocks of slots. A slot is one feature, or several that share one code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/huge_pages.h"
#include "base/types.h"

namespace pygbt {

inline constexpr std::int32_t kBlockSlots = 16;  // 16 slots x 256 codes x 8-byte cells = 32 KiB

struct Slot {
  std::vector<FeatureId> features;  // ascending
  std::int32_t n_codes = 0;  // codes 0 .. n_codes - 1 occur in the rows; n_bins of the feature where it is alone
  std::vector<Bin> bins;  // [code][feature] of a joint slot; empty: one feature, whose bin is the code

  bool joint() const { return !bins.empty(); }
  Bin bin(std::size_t code, std::size_t i) const {  // of features[i]
    return joint() ? bins[code * features.size() + i] : static_cast<Bin>(code);
  }
};

// Slots that a histogram kernel visits together, so that their cells stay in L1: rows of `stride` codes.
struct BinBlock {
  std::vector<Slot> slots;  // at most kBlockSlots
  std::int32_t stride = 0;  // codes from row to row: slots, in one-byte blocks up to whole 32-bit words (padding 0)
  bool two_byte = false;  // features with more than 256 bins
  HugeVector<std::uint8_t> bytes;  // [row][stride] of uint8 or uint16

  std::int32_t n_slots() const { return static_cast<std::int32_t>(slots.size()); }
  std::size_t code_at(std::int64_t row, std::size_t slot) const {
    const std::size_t at = static_cast<std::size_t>(row * stride) + slot;
    return two_byte ? reinterpret_cast<const std::uint16_t*>(bytes.data())[at] : bytes[at];
  }
};

}  // namespace pygbt
