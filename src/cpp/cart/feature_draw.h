// SPDX-License-Identifier: Apache-2.0
// Features of a node in a drawn order: the k-th draw of a node is a function of (seed, tree, node, k) alone.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

#include "backend/isa_dispatch.h"
#include "backend/kernels.h"
#include "base/rng.h"
#include "base/types.h"
#include "cart/cart_options.h"

namespace pygbt {

// Key of the child of a node: the path from the root, mixed (splitmix64, Steele et al. 2014).
inline std::uint64_t child_key(std::uint64_t key, std::uint32_t side) {
  std::uint64_t z = key * 2 + side + 0x9E3779B97F4A7C15ull;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
  return z ^ (z >> 31);
}

class FeatureDraw {
 public:
  explicit FeatureDraw(std::int32_t n_features)
      : order_(static_cast<std::size_t>(n_features)), swapped_(static_cast<std::size_t>(n_features)) {
    std::iota(order_.begin(), order_.end(), 0);
  }

  void begin(const CartOptions& options, std::uint64_t node_key) {
    while (drawn_ > 0) {  // back to the order of the columns
      --drawn_;
      std::swap(order_[drawn_], order_[swapped_[drawn_]]);
    }
    options_ = &options;
    key_ = node_key;
  }
  bool more() const { return drawn_ < order_.size(); }
  FeatureId next() {
    if (drawn_ % kAhead == 0) draw_ahead(static_cast<std::uint32_t>(drawn_));
    const std::uint64_t left = order_.size() - drawn_;
    const std::size_t at = drawn_ + static_cast<std::size_t>((std::uint64_t{bits_[drawn_ % kAhead]} * left) >> 32);
    const FeatureId feature = order_[at];
    order_[at] = order_[drawn_];
    order_[drawn_] = feature;
    swapped_[drawn_++] = static_cast<std::uint32_t>(at);
    return feature;
  }

 private:
  static constexpr std::size_t kAhead = kDrawsAhead;

  void draw_ahead(std::uint32_t first) {
    const std::uint32_t counter[3] = {static_cast<std::uint32_t>(key_), static_cast<std::uint32_t>(key_ >> 32),
                                      options_->tree};
    std::uint32_t key[2];
    random_key(options_->seed, Draw::kTreeFeature, key);
    draw_ahead_(counter, first, key, bits_.data());
  }

  decltype(Kernels::draw_ahead) draw_ahead_ = kernels().draw_ahead;
  std::vector<FeatureId> order_;  // the drawn ones first
  std::vector<std::uint32_t> swapped_;  // [draw] what it changed places with
  std::size_t drawn_ = 0;
  const CartOptions* options_ = nullptr;
  std::uint64_t key_ = 0;
  std::array<std::uint32_t, kAhead> bits_{};
};

}  // namespace pygbt
