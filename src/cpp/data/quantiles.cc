// SPDX-License-Identifier: Apache-2.0
#include "data/quantiles.h"

#include <algorithm>
#include <numeric>

namespace pygbt {
namespace {

__extension__ using Wide = __int128;

}  // namespace

QuantilePlan::QuantilePlan(std::int64_t total, std::int32_t bins) : total_(total), bins_(bins) {
  stretches_.push_back({0, total, bins});
  share_out();
}

// One bin for every stretch, the rest by largest remainder (ties: the lower stretch), and the ranks that follow.
// There are always enough: a heavy value gives up at least two ranks of its stretch and takes one bin, and it adds at
// most one stretch (none if it was the last value of its own).
void QuantilePlan::share_out() {
  const auto n = stretches_.size();
  const std::int64_t spare = bins_ - static_cast<std::int64_t>(heavy_.size() + n);
  std::int64_t light = 0;
  for (const Stretch& s : stretches_) light += s.hi - s.lo;
  std::vector<std::int64_t> remainder(n);
  std::int64_t left = spare;
  for (std::size_t i = 0; i < n; ++i) {
    const Wide share = static_cast<Wide>(spare) * (stretches_[i].hi - stretches_[i].lo);
    const auto whole = static_cast<std::int64_t>(share / light);
    remainder[i] = static_cast<std::int64_t>(share % light);
    stretches_[i].bins = 1 + whole;
    left -= whole;
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return remainder[a] > remainder[b]; });
  for (std::int64_t i = 0; i < left; ++i) ++stretches_[order[static_cast<std::size_t>(i)]].bins;

  ranks_.clear();
  for (const Stretch& s : stretches_) {
    for (std::int64_t j = 1; j <= s.bins; ++j) {
      const Wide steps = static_cast<Wide>(j) * (s.hi - s.lo);
      ranks_.push_back(s.lo + static_cast<std::int64_t>((steps + s.bins - 1) / s.bins));
    }
  }
}

bool QuantilePlan::advance(std::span<const Mass> found) {
  ends_.clear();
  std::vector<Stretch> stretches;
  const std::size_t heavy_before = heavy_.size();
  std::size_t at = 0;
  for (const Stretch& s : stretches_) {
    std::int64_t lo = s.lo;
    const std::size_t stop = at + static_cast<std::size_t>(s.bins);
    while (at < stop) {
      const Mass& value = found[at];
      const std::int64_t up_to = value.before + value.weight;
      if (up_to == total_) largest_ = value.key;
      std::size_t next = at + 1;
      while (next < stop && found[next].key == value.key) ++next;
      if (next - at >= 2) {
        heavy_.push_back(value.key);
        if (value.before > lo) stretches.push_back({lo, value.before, 0});
        lo = up_to;
      } else {
        ends_.push_back(value.key);
      }
      at = next;
    }
    if (s.hi > lo) stretches.push_back({lo, s.hi, 0});
  }
  if (heavy_.size() == heavy_before || stretches.empty() || round_ == kMaxRounds) {
    ranks_.clear();
    return false;
  }
  ++round_;
  stretches_ = std::move(stretches);
  share_out();
  return true;
}

std::vector<std::uint64_t> QuantilePlan::edges() const {
  std::vector<std::uint64_t> keys = ends_;
  keys.insert(keys.end(), heavy_.begin(), heavy_.end());
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (!keys.empty() && keys.back() == largest_) keys.pop_back();
  return keys;
}

}  // namespace pygbt
