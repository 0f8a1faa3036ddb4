// SPDX-License-Identifier: Apache-2.0
// Bins of keys without a branch: a table over equal ranges of keys says how many edges lie below the range, a few
// halving steps count the rest. Built per numeric feature by fill_bins.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "backend/isa_dispatch.h"
#include "base/types.h"
#include "data/cuts.h"
#include "data/keys.h"

namespace pygbt {

template <ValueKey Key>
class BinLookup {
 public:
  explicit BinLookup(const FeatureCuts& cuts) : value_bin_(cuts.n_bins > 1 ? 1u : 0u) {
    const std::size_t n = cuts.edges.size();
    for (const double edge : cuts.edges) edges_.push_back(key_as<Key>(edge));
    first_ = n > 0 ? edges_.front() : Key{0};
    last_ = n > 0 ? edges_.back() : Key{0};
    const std::size_t ranges = std::clamp<std::size_t>(std::bit_ceil(16 * n), 1, kMostRanges);
    const auto span_bits = static_cast<int>(std::bit_width(static_cast<Key>(last_ - first_)));
    shift_ = std::max(0, span_bits - std::countr_zero(ranges));
    below_.assign(static_cast<std::size_t>((last_ - first_) >> shift_) + 1, 0);
    std::size_t most = 0;
    std::size_t edge = 0;
    for (std::size_t r = 0; r < below_.size(); ++r) {
      below_[r] = static_cast<std::uint16_t>(edge);
      while (edge < n && range_of(edges_[edge]) == r) ++edge;
      most = std::max(most, edge - below_[r]);
    }
    steps_from_ = std::bit_floor(most);
    below_.push_back(0);  // slack of the vector loads
    edges_.resize(n + 2 * steps_from_, std::numeric_limits<Key>::max());  // never below any key
  }

  // 0 if missing (or if the training column had no value at all), else 1 + #{edges < value}.
  Bin bin_of(Key key) const {
    std::size_t count = below_[range_of(std::clamp(key, first_, last_))];
    for (std::size_t step = steps_from_; step > 0; step >>= 1) {
      count += edges_[count + step - 1] < key ? step : 0;
    }
    return static_cast<Bin>(key == kMissingKey ? 0u : count + value_bin_);
  }

  BinTable table() const
    requires(sizeof(Key) == 4)
  {
    return {edges_.data(),
            below_.data(),
            first_,
            last_,
            static_cast<std::uint32_t>(shift_),
            static_cast<std::uint32_t>(steps_from_),
            value_bin_};
  }

  void bins_of(const Key* keys, std::int64_t n, Bin* out) const {
    if constexpr (sizeof(Key) == 4) {
      kernels().keys.bins(table(), keys, n, out);
    } else {
      for (std::int64_t i = 0; i < n; ++i) out[i] = bin_of(keys[i]);
    }
  }

 private:
  static constexpr std::size_t kMostRanges = 1 << 16;

  std::size_t range_of(Key key) const { return static_cast<std::size_t>((key - first_) >> shift_); }

  std::vector<Key> edges_;  // ascending, padded
  std::vector<std::uint16_t> below_;  // [range] edges in the ranges before it
  Key first_ = 0;
  Key last_ = 0;
  int shift_ = 0;
  std::size_t steps_from_ = 0;  // largest halving step: 2 * steps_from_ - 1 >= edges of any range
  std::uint32_t value_bin_ = 1;
};

}  // namespace pygbt
