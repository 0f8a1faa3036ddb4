// SPDX-License-Identifier: Apache-2.0
// A set of features.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.h"

namespace pygbt {

class FeatureBits {
 public:
  FeatureBits() = default;
  explicit FeatureBits(std::int32_t n_features) : words_((static_cast<std::size_t>(n_features) + 63) / 64, 0) {}

  bool has(FeatureId feature) const { return ((words_[word(feature)] >> (feature % 64)) & 1u) != 0; }
  void set(FeatureId feature) { words_[word(feature)] |= std::uint64_t{1} << (feature % 64); }

 private:
  static std::size_t word(FeatureId feature) { return static_cast<std::size_t>(feature) / 64; }

  std::vector<std::uint64_t> words_;
};

}  // namespace pygbt
