// SPDX-License-Identifier: Apache-2.0
// The plan of slots: which features share a code. Greedy, in the order of the features, with a few slots open: a feature
// joins the slot whose number of codes it multiplies least, as estimated from a sample of rows and then counted exactly.
// Where the rows lie is the business of SlotColumns. A header alone: the module of a device makes plans of its own.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <utility>
#include <vector>

#include "data/slots.h"

namespace pygbt {

// Which (code, bin) pairs occur, a byte each: [code][kMostBins].
struct SlotPairs {
  static constexpr std::int32_t kMostCodes = 256;
  static constexpr std::int32_t kMostBins = 128;  // a feature with more leaves no room for another
  static constexpr std::size_t kSize = static_cast<std::size_t>(kMostCodes) * kMostBins;

  static constexpr std::size_t at(std::uint8_t code, std::uint8_t bin) {
    return static_cast<std::size_t>(code) * kMostBins + bin;
  }

  std::vector<std::uint8_t> seen = std::vector<std::uint8_t>(kSize, 0);
};

// The columns of features with at most SlotPairs::kMostBins bins, and codes of those that share one. A slot is known by
// its first feature; until another one has joined, its codes are that feature's bins.
class SlotColumns {
 public:
  virtual ~SlotColumns() = default;
  virtual std::vector<std::uint8_t> sample(FeatureId feature) = 0;  // bins of some rows, the same ones of every feature
  virtual SlotPairs pairs(FeatureId slot, FeatureId feature) = 0;  // of the slot's codes and the feature's bins
  // The slot's codes become code_of[SlotPairs::at(code, bin of the feature)].
  virtual void join(FeatureId slot, FeatureId feature, std::span<const std::uint8_t> code_of) = 0;
};

// Rows to sample, ascending.
inline std::vector<std::int64_t> sampled_rows(std::int64_t n_rows) {
  constexpr std::int64_t kMostRows = 4096;
  const std::int64_t n = std::min(n_rows, kMostRows);
  std::vector<std::int64_t> rows;
  for (std::int64_t i = 0; i < n; ++i) rows.push_back(n_rows * i / n);
  return rows;
}

class SlotPlan {
 public:
  // n_bins: [feature], 0 = no slot for it. rows_per_sum: a join saves an addition a row and costs sums over codes a
  // histogram; how many rows a table must have for each.
  SlotPlan(std::span<const std::int32_t> n_bins, std::int64_t n_rows, std::int64_t rows_per_sum, SlotColumns& columns)
      : n_bins_(n_bins), n_rows_(n_rows), rows_per_sum_(rows_per_sum), columns_(columns) {}

  // In the order of their first features. Depends on the rows alone.
  std::vector<Slot> make() {
    for (std::size_t at = 0; at < n_bins_.size(); ++at) {
      const std::int32_t n_bins = n_bins_[at];
      if (n_bins == 0) continue;
      const auto feature = static_cast<FeatureId>(at);
      std::vector<std::uint8_t> sample;
      if (n_bins <= SlotPairs::kMostBins && n_rows_ >= rows_per_sum_) sample = columns_.sample(feature);
      const std::int32_t sampled_bins = distinct(sample);
      const bool may_join = !sample.empty() && worth(sampled_bins - 1);  // sums that any join makes of it, at least
      if (may_join && join(feature, sample)) continue;
      slots_.push_back({{feature}, n_bins, {}});
      if (!may_join) continue;
      if (open_.size() == kOpenSlots) close_fullest();
      open_.push_back({slots_.size() - 1, 0, std::move(sample), sampled_bins});
    }
    return std::move(slots_);
  }

 private:
  static constexpr std::size_t kOpenSlots = 8;
  static constexpr std::size_t kMostFeatures = 256;  // of a slot: constant columns would join without end
  static constexpr std::size_t kSampleStep = 256;  // rows between two looks at the number of combinations

  struct OpenSlot {
    std::size_t slot = 0;
    std::int64_t sums = 0;  // that its marginals take
    std::vector<std::uint8_t> sample;  // codes of the sampled rows
    std::int32_t sampled_codes = 1;  // different ones
  };

  // Pairs of a slot's codes and a feature's bins.
  struct PairCounts {
    std::int32_t n = 0;
    std::array<std::int32_t, SlotPairs::kMostCodes> of_code{};
    std::array<std::int32_t, SlotPairs::kMostBins> of_bin{};

    void add(std::size_t code, std::size_t bin) {
      ++n;
      ++of_code[code];
      ++of_bin[bin];
    }
  };

  struct Growth {
    double factor = 1.0;  // of the slot's number of codes
    std::size_t open = 0;
    PairCounts sampled;
  };

  // Additions that the marginals of the slot take when the pairs are its codes: the bin of a feature that most of them
  // have takes none. More pairs cannot make them fewer.
  static std::int64_t marginal_sums(const Slot& slot, const PairCounts& pairs) {
    std::int64_t sums = pairs.n - *std::max_element(pairs.of_bin.begin(), pairs.of_bin.end());
    for (std::size_t i = 0; i < slot.features.size(); ++i) {
      std::array<std::int32_t, SlotPairs::kMostBins> of_bin{};
      for (std::size_t code = 0; code < static_cast<std::size_t>(slot.n_codes); ++code)
        of_bin[slot.bin(code, i)] += pairs.of_code[code];
      sums += pairs.n - *std::max_element(of_bin.begin(), of_bin.end());
    }
    return sums;
  }

  static std::int32_t distinct(const std::vector<std::uint8_t>& codes) {
    std::array<std::uint8_t, SlotPairs::kMostCodes> seen{};
    for (const std::uint8_t code : codes) seen[code] = 1;
    return std::accumulate(seen.begin(), seen.end(), 0);
  }

  bool worth(std::int64_t sums) const { return sums * rows_per_sum_ <= n_rows_; }

  bool join(FeatureId feature, const std::vector<std::uint8_t>& sample) {
    std::vector<Growth> growths;  // of the open slots that may take the feature
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (slots_[open_[i].slot].features.size() == kMostFeatures) continue;
      const PairCounts pairs = sampled_pairs(open_[i].sample, sample);
      if (pairs.n > SlotPairs::kMostCodes) continue;
      growths.push_back({static_cast<double>(pairs.n) / open_[i].sampled_codes, i, pairs});
    }
    std::sort(growths.begin(), growths.end(), [](const Growth& a, const Growth& b) {
      return std::pair(a.factor, a.open) < std::pair(b.factor, b.open);
    });
    std::size_t full = open_.size();
    for (const Growth& growth : growths) {
      OpenSlot& open = open_[growth.open];
      const bool may_pay = worth(marginal_sums(slots_[open.slot], growth.sampled) - open.sums);
      if (may_pay && join_exactly(feature, sample, open)) return true;
      if (full == open_.size() && slots_[open.slot].n_codes > SlotPairs::kMostCodes / 2) full = growth.open;
    }
    // A slot more than half full that could not take a feature is closed, which bounds the number of exact counts.
    if (full < open_.size()) open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(full));
    return false;
  }

  // Those of the sample or, if they are too many, some of them.
  PairCounts sampled_pairs(const std::vector<std::uint8_t>& codes, const std::vector<std::uint8_t>& bins) {
    PairCounts pairs;
    std::size_t end = 0;
    while (end < codes.size() && pairs.n <= SlotPairs::kMostCodes) {
      const std::size_t begin = std::exchange(end, std::min(codes.size(), end + kSampleStep));
      for (std::size_t i = begin; i < end; ++i)
        if (std::exchange(sampled_.seen[SlotPairs::at(codes[i], bins[i])], std::uint8_t{1}) == 0)
          pairs.add(codes[i], bins[i]);
    }
    for (std::size_t i = 0; i < end; ++i) sampled_.seen[SlotPairs::at(codes[i], bins[i])] = 0;
    return pairs;
  }

  bool join_exactly(FeatureId feature, const std::vector<std::uint8_t>& sample, OpenSlot& open) {
    Slot& slot = slots_[open.slot];
    const FeatureId first = slot.features.front();
    const std::vector<std::uint8_t> seen = columns_.pairs(first, feature).seen;
    PairCounts pairs;
    for (std::size_t pair = 0; pair < SlotPairs::kSize; ++pair)
      if (seen[pair] != 0) pairs.add(pair / SlotPairs::kMostBins, pair % SlotPairs::kMostBins);
    const std::int64_t sums = marginal_sums(slot, pairs);
    if (pairs.n > SlotPairs::kMostCodes || !worth(sums - open.sums)) return false;

    Slot joint;
    joint.features = slot.features;
    joint.features.push_back(feature);
    std::vector<std::uint8_t> code_of(SlotPairs::kSize);
    for (std::size_t pair = 0; pair < SlotPairs::kSize; ++pair) {
      if (!seen[pair]) continue;
      code_of[pair] = static_cast<std::uint8_t>(joint.n_codes++);
      for (std::size_t i = 0; i < slot.features.size(); ++i)
        joint.bins.push_back(slot.bin(pair / SlotPairs::kMostBins, i));
      joint.bins.push_back(static_cast<Bin>(pair % SlotPairs::kMostBins));
    }
    columns_.join(first, feature, code_of);
    for (std::size_t i = 0; i < sample.size(); ++i) open.sample[i] = code_of[SlotPairs::at(open.sample[i], sample[i])];
    open.sampled_codes = distinct(open.sample);
    open.sums = sums;
    slot = std::move(joint);
    return true;
  }

  void close_fullest() {
    open_.erase(std::max_element(open_.begin(), open_.end(), [&](const OpenSlot& a, const OpenSlot& b) {
      return slots_[a.slot].n_codes < slots_[b.slot].n_codes;
    }));
  }

  std::span<const std::int32_t> n_bins_;
  std::int64_t n_rows_;
  std::int64_t rows_per_sum_;
  SlotColumns& columns_;
  std::vector<Slot> slots_;
  std::vector<OpenSlot> open_;
  SlotPairs sampled_;
};

}  // namespace pygbt
