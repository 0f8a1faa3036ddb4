// SPDX-License-Identifier: Apache-2.0
// Bins row by row, for histograms, of features that are mostly one bin: a row lists the bins that differ. The usual bin
// of a feature is never stored or added up: its sum is what the others leave of the sum over all rows.
//
//   row    codes, in groups of 8 (x = padding)                   cells of a histogram buffer, by code
//    0     [ 9 301 388 x x x x x ]                               [ 0 .. 7  | 8             | feature 0     | feature 1 ..
//    1     none                                                    padding   sum over rows   all but usual
//    2     [ 12 20 90 214 300 301 388 412 ] [ 530 x x x x x x x ]
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/huge_pages.h"
#include "base/types.h"

namespace pygbt {

class Dataset;

inline constexpr std::int32_t kCodeGroup = 8;  // added as a whole: few different numbers of groups, few wrong branches
inline constexpr std::int32_t kTotalCode = kCodeGroup;  // cell of the sum over rows; below: cells of the padding
inline constexpr std::int32_t kFirstCode = kTotalCode + 1;

struct SparseFeature {
  FeatureId feature = 0;
  Bin usual = 0;
  std::int32_t n_bins = 1;
  std::int32_t first_code = 0;  // of bin 0, or of bin 1 if bin 0 is the usual one

  std::int32_t code(std::int32_t bin) const { return first_code + bin - (bin > static_cast<std::int32_t>(usual)); }
  Bin bin(std::int32_t code) const {
    const std::int32_t at = code - first_code;
    return static_cast<Bin>(at + (at >= static_cast<std::int32_t>(usual)));
  }
};

struct SparseBlock {
  std::vector<SparseFeature> features;
  std::int32_t n_codes = kFirstCode;  // at most 65536
  HugeVector<std::uint32_t> begins;  // [row + 1] first group
  HugeVector<std::uint16_t> codes;  // [group][code]

  std::int64_t n_groups() const { return begins.back(); }
  // Calls visit(feature, bin) for what a row lists: for tests.
  template <class Visit>
  void visit(std::int64_t row, Visit&& visit) const {
    const auto at = static_cast<std::size_t>(row), size = std::size_t{kCodeGroup};
    for (std::size_t i = begins[at] * size; i < begins[at + 1] * size; ++i) {
      if (codes[i] < kFirstCode) continue;
      const auto next =
          std::upper_bound(features.begin(), features.end(), std::int32_t{codes[i]},
                           [](std::int32_t code, const SparseFeature& of) { return code < of.first_code; });
      visit(*(next - 1), (next - 1)->bin(codes[i]));
    }
  }
};

// Fills the sparse blocks of `data` from its columns; true for the features they hold. [feature]
std::vector<bool> fill_sparse_blocks(int n_threads, Dataset& data);

}  // namespace pygbt
