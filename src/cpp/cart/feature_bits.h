// SPDX-License-Identifier: Apache-2.0
// A set of features.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"

namespace pygbt {

class FeatureBits {
 public:
  FeatureBits() = default;
  explicit FeatureBits(std::int32_t n_features) : words_((static_cast<std::size_t>(n_features) + 63) / 64, 0) {}

  bool has(FeatureId feature) const { return has(words_.data(), feature); }
  void set(FeatureId feature) { set(words_.data(), feature); }
  std::span<const std::uint64_t> words() const { return words_; }

  // The same of words that lie elsewhere.
  static bool has(const std::uint64_t* words, FeatureId feature) {
    return ((words[word(feature)] >> (feature % 64)) & 1u) != 0;
  }
  static void set(std::uint64_t* words, FeatureId feature) {
    words[word(feature)] |= std::uint64_t{1} << (feature % 64);
  }

 private:
  static std::size_t word(FeatureId feature) { return static_cast<std::size_t>(feature) / 64; }

  std::vector<std::uint64_t> words_;
};

}  // namespace pygbt
