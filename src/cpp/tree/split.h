// SPDX-License-Identifier: Apache-2.0
// A cut of one node as a value with a total order: gain, then feature, then bin, then missing-left.
#pragma once

#include <cstdint>
#include <vector>

#include "base/host_device.h"
#include "base/types.h"

namespace pygbt {

struct Split {
  double gain = 0.0;             // loss reduction; a Split without a feature is "no split"
  FeatureId feature = -1;
  Bin bin = 0;  // numeric: value bins 1 .. bin go left; categorical: position in the search order, for ties only
  bool missing_left = false;
  bool categorical = false;
  std::vector<std::uint32_t> left_bins;  // categorical: bit b set = bin b goes left; bit 0 = missing_left
  std::vector<Cell> left;  // [width] sums of the left child, missing rows included when they go left

  bool valid() const { return feature >= 0; }
};

// True if (gain, feature, bin, missing_left) of `a` comes before that of `b`: larger gain, then the smaller
// feature and bin, then missing-left. Any order of candidates gives the same winner.
PYGBT_HD bool better(double gain_a, FeatureId feature_a, Bin bin_a, bool left_a, double gain_b, FeatureId feature_b,
                     Bin bin_b, bool left_b) {
  if (gain_a != gain_b) return gain_a > gain_b;
  if (feature_a != feature_b) return feature_a < feature_b;
  if (bin_a != bin_b) return bin_a < bin_b;
  return left_a && !left_b;
}

inline bool better(const Split& a, const Split& b) {
  if (a.valid() != b.valid()) return a.valid();
  return better(a.gain, a.feature, a.bin, a.missing_left, b.gain, b.feature, b.bin, b.missing_left);
}

}  // namespace pygbt
