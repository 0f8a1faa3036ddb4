// SPDX-License-Identifier: Apache-2.0
// Greedy, in the order of the features, with a few slots open: a feature joins the slot whose number of codes it
// multiplies least, as estimated from a sample of rows and then counted exactly.
#include "data/joint_slots.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "base/pool.h"

namespace pygbt {
namespace {

constexpr std::int32_t kMostCodes = 256;
constexpr std::int32_t kMostBins = 128;      // a feature with more leaves no room for another
constexpr std::size_t kOpenSlots = 8;
constexpr std::int64_t kSampleRows = 4096;
constexpr std::int64_t kSampleStep = 256;    // rows between two looks at the number of combinations
constexpr std::int64_t kGrain = 1 << 15;
constexpr std::int64_t kRowsPerMarginal = 32;  // see Planner::worth

// Which (code, bin) pairs occur: byte code * kMostBins + bin.
using Pairs = std::vector<std::uint8_t>;
constexpr std::size_t kPairs = static_cast<std::size_t>(kMostCodes) * kMostBins;

std::size_t pair_of(std::uint8_t code, std::uint8_t bin) { return static_cast<std::size_t>(code) * kMostBins + bin; }

// Additions that the marginals of a slot take: the most frequent bin of a feature takes none (see Marginal).
std::int64_t marginal_sums(const Slot& slot) {
  std::int64_t sums = 0;
  for (std::size_t i = 0; i < slot.features.size(); ++i) {
    std::array<std::int32_t, kMostBins> n_codes{};
    for (std::size_t code = 0; code < static_cast<std::size_t>(slot.n_codes); ++code) ++n_codes[slot.bin(code, i)];
    sums += slot.n_codes - *std::max_element(n_codes.begin(), n_codes.end());
  }
  return sums;
}

std::int32_t distinct(const std::vector<std::uint8_t>& codes) {
  std::array<std::uint8_t, kMostCodes> seen{};
  for (const std::uint8_t code : codes) seen[code] = 1;
  return std::accumulate(seen.begin(), seen.end(), 0);
}

struct OpenSlot {
  std::size_t planned = 0;  // index of the PlannedSlot
  std::int64_t sums = 0;    // marginal_sums
  std::vector<std::uint8_t> sample;  // codes of the sampled rows
  std::int32_t sampled_codes = 1;    // different ones
};

class Planner {
 public:
  Planner(const Dataset& data, const std::vector<bool>& held, int n_threads)
      : data_(data), held_(held), n_threads_(resolve_threads(n_threads)) {
    const std::int64_t n = std::min(data.n_rows, kSampleRows);
    for (std::int64_t i = 0; i < n; ++i) sample_rows_.push_back(data.n_rows * i / n);
  }

  std::vector<PlannedSlot> run() {
    for (FeatureId f = 0; f < data_.n_features(); ++f) {
      const auto at = static_cast<std::size_t>(f);
      if (data_.bins->column_two_byte[at] || held_[at]) continue;
      const std::int32_t n_bins = data_.cuts->features[at].n_bins;
      std::vector<std::uint8_t> sample;
      const bool candidate = n_bins <= kMostBins && data_.n_rows > 0;
      if (candidate) {
        for (const std::int64_t row : sample_rows_)
          sample.push_back(data_.bins->columns[at][static_cast<std::size_t>(row)]);
        if (join(f, sample)) continue;
      }
      planned_.push_back({{{f}, n_bins, {}}, {}});
      if (!candidate) continue;
      if (open_.size() == kOpenSlots) close_fullest();
      const std::int32_t sampled_codes = distinct(sample);
      open_.push_back({planned_.size() - 1, 0, std::move(sample), sampled_codes});
    }
    return std::move(planned_);
  }

 private:
  const std::uint8_t* codes(const PlannedSlot& planned) const {
    return planned.slot.joint() ? planned.codes.data()
                                : data_.bins->columns[static_cast<std::size_t>(planned.slot.features[0])].data();
  }

  bool join(FeatureId f, const std::vector<std::uint8_t>& sample) {
    std::vector<std::pair<double, std::size_t>> growth;  // of the open slots that may take the feature
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const std::int32_t after = sampled_pairs(open_[i].sample, sample);
      if (after > kMostCodes) continue;
      growth.emplace_back(static_cast<double>(after) / open_[i].sampled_codes, i);
    }
    std::sort(growth.begin(), growth.end());
    std::size_t full = open_.size();
    for (const auto& [ratio, i] : growth) {
      if (join_exactly(f, sample, open_[i])) return true;
      if (full == open_.size() && planned_[open_[i].planned].slot.n_codes > kMostCodes / 2) full = i;
    }
    // A slot more than half full that could not take a feature is closed, which bounds the number of exact counts.
    if (full < open_.size()) open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(full));
    return false;
  }

  // Combinations in the sample, or some number above kMostCodes.
  std::int32_t sampled_pairs(const std::vector<std::uint8_t>& codes, const std::vector<std::uint8_t>& bins) {
    std::int32_t n = 0;
    std::size_t end = 0;
    while (end < codes.size() && n <= kMostCodes) {
      const std::size_t begin = std::exchange(end, std::min(codes.size(), end + kSampleStep));
      for (std::size_t i = begin; i < end; ++i) {
        std::uint8_t& seen = sampled_[pair_of(codes[i], bins[i])];
        n += seen == 0;
        seen = 1;
      }
    }
    for (std::size_t i = 0; i < end; ++i) sampled_[pair_of(codes[i], bins[i])] = 0;
    return n;
  }

  bool join_exactly(FeatureId f, const std::vector<std::uint8_t>& sample, OpenSlot& open) {
    PlannedSlot& planned = planned_[open.planned];
    const std::uint8_t* const old = codes(planned);
    const std::uint8_t* const bins = data_.bins->columns[static_cast<std::size_t>(f)].data();
    const Pairs seen = all_pairs(old, bins);
    if (std::accumulate(seen.begin(), seen.end(), 0) > kMostCodes) return false;

    Slot joint;
    joint.features = planned.slot.features;
    joint.features.push_back(f);
    std::vector<std::uint8_t> code_of(kPairs);
    for (std::size_t pair = 0; pair < kPairs; ++pair) {
      if (!seen[pair]) continue;
      code_of[pair] = static_cast<std::uint8_t>(joint.n_codes++);
      for (std::size_t i = 0; i < planned.slot.features.size(); ++i)
        joint.bins.push_back(planned.slot.bin(pair / kMostBins, i));
      joint.bins.push_back(static_cast<Bin>(pair % kMostBins));
    }
    const std::int64_t sums = marginal_sums(joint);
    if (!worth(sums - open.sums)) return false;

    if (planned.codes.empty()) planned.codes.resize(static_cast<std::size_t>(data_.n_rows));
    std::uint8_t* const codes = planned.codes.data();
    parallel_ranges(n_threads_, data_.n_rows, kGrain, [&](std::int64_t begin, std::int64_t end, int) {
      for (std::int64_t row = begin; row < end; ++row) codes[row] = code_of[pair_of(old[row], bins[row])];
    });
    for (std::size_t i = 0; i < sample.size(); ++i) open.sample[i] = code_of[pair_of(open.sample[i], sample[i])];
    open.sampled_codes = distinct(open.sample);
    open.sums = sums;
    planned.slot = std::move(joint);
    return true;
  }

  // A join saves an addition a row and costs `sums` a node. Most nodes have a small part of the rows.
  bool worth(std::int64_t sums) const { return sums * kRowsPerMarginal <= data_.n_rows; }

  Pairs all_pairs(const std::uint8_t* codes, const std::uint8_t* bins) const {
    std::vector<Pairs> of_worker(static_cast<std::size_t>(n_threads_));
    parallel_ranges(n_threads_, data_.n_rows, kGrain, [&](std::int64_t begin, std::int64_t end, int worker) {
      Pairs& seen = of_worker[static_cast<std::size_t>(worker)];
      seen.resize(kPairs);
      for (std::int64_t row = begin; row < end; ++row) seen[pair_of(codes[row], bins[row])] = 1;
    });
    Pairs all(kPairs, 0);
    for (const Pairs& seen : of_worker)
      for (std::size_t pair = 0; pair < seen.size(); ++pair) all[pair] |= seen[pair];
    return all;
  }

  void close_fullest() {
    open_.erase(std::max_element(open_.begin(), open_.end(), [&](const OpenSlot& a, const OpenSlot& b) {
      return planned_[a.planned].slot.n_codes < planned_[b.planned].slot.n_codes;
    }));
  }

  const Dataset& data_;
  const std::vector<bool>& held_;
  const int n_threads_;
  std::vector<std::int64_t> sample_rows_;
  std::vector<PlannedSlot> planned_;
  std::vector<OpenSlot> open_;
  Pairs sampled_ = Pairs(kPairs, 0);
};

}  // namespace

std::vector<PlannedSlot> plan_slots(const Dataset& data, const std::vector<bool>& held, int n_threads) {
  return Planner(data, held, n_threads).run();
}

}  // namespace pygbt
