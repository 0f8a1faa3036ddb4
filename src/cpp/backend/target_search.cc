// SPDX-License-Identifier: Apache-2.0
// Numeric cuts of a node of several targets: the scan of the kernels names those that may be the best (rarely more than
// one or two), and the exact formula judges them. So the scan decides how long it takes, never the answer.
#include <algorithm>

#include "backend/split_search.h"

namespace pygbt {

namespace {

// Within these a term of the scan neither overflows nor vanishes.
constexpr double kLeastRidge = 0x1p-20, kMostRidge = 0x1p+60, kLeastFactor = 0x1p-40;
constexpr std::int64_t kMostHessian = (std::int64_t{1} << 32) - 1;  // no packed sum reaches it

// Sums [width] of the rows left of a cut.
std::vector<Cell> sums_left(const SplitSearch& search, const TargetRival& cut, std::vector<std::uint64_t>& packed) {
  const auto width = static_cast<std::size_t>(search.width);
  const std::uint64_t* const cells =
      search.histograms[cut.query].packed + search.bin_offset[static_cast<std::size_t>(cut.feature)] * search.width;
  packed.assign(width, 0);
  const auto add = [&](std::int32_t bin) {
    const std::uint64_t* const from = cells + std::int64_t{bin} * search.width;
    for (std::size_t k = 0; k < width; ++k) packed[k] += from[k];
  };
  if (cut.missing_left) add(kMissingBin);
  for (std::int32_t bin = 1; bin <= cut.step; ++bin) add(bin);
  std::vector<Cell> left(width);
  std::transform(packed.begin(), packed.end(), left.begin(), [](std::uint64_t cell) { return unpack(cell); });
  return left;
}

}  // namespace

TargetRules target_rules(const SplitSearch& search) {
  const SplitRules& rules = search.rules;
  TargetRules out;
  if (search.width == 1 || search.shared || rules.max_delta_step != 0.0 || rules.reg_alpha != 0.0) return out;
  if (rules.min_split_gain < 0.0) return out;
  const auto width = static_cast<std::size_t>(search.width);
  const std::size_t padded = (width + kTargetPad - 1) / kTargetPad * kTargetPad;
  out.factors.assign(padded, 0.0f);
  out.ridges.assign(padded, 1.0f);
  out.h_least.assign(padded, static_cast<std::uint32_t>(kMostHessian));
  const auto worth = [&](std::size_t k) { return search.g_units[k] * search.g_units[k] / search.h_units[k]; };
  const auto counts = [&](std::size_t k) { return search.g_units[k] != 0.0 && search.h_units[k] != 0.0; };
  double most = 0.0;
  for (std::size_t k = 0; k < width; ++k)
    if (counts(k)) most = std::max(most, worth(k));
  for (std::size_t k = 0; k < width; ++k) {
    if (!counts(k)) {  // of another task: nothing there is worth anything, or heavy
      if (search.g_units[k] != search.h_units[k]) return out;
      if (rules.min_child_weight <= 0.0) out.h_least[k] = 0;
      continue;
    }
    const double factor = worth(k) / most;
    const double ridge = rules.reg_lambda / search.h_units[k];
    if (!(factor >= kLeastFactor) || !(ridge >= kLeastRidge) || !(ridge <= kMostRidge)) return out;
    out.factors[k] = static_cast<float>(factor);
    out.ridges[k] = static_cast<float>(ridge);
    out.h_least[k] =
        static_cast<std::uint32_t>(std::min(least_hessian(rules.min_child_weight, search.h_units[k]), kMostHessian));
  }
  out.kept = 1.0 - 2.5 * target_scan_error(search.width);
  out.usable = true;
  return out;
}

void scan_targets(const SplitSearch& search, const TargetRules& rules, std::size_t query,
                  std::span<const FeatureId> features, TargetScratch& scratch, std::vector<TargetRival>& rivals,
                  double& least) {
  if (features.empty()) return;
  const NodeHistogram& of = search.histograms[query];
  const SplitQuery& node = search.queries[query];
  const std::size_t padded = rules.factors.size();
  scratch.g.assign(padded, 0);
  scratch.h.assign(padded, 0);
  scratch.left.resize(2 * padded);
  for (std::size_t k = 0; k < node.sums.size(); ++k) {
    scratch.g[k] = static_cast<std::int32_t>(node.sums[k].g);
    scratch.h[k] = static_cast<std::uint32_t>(node.sums[k].h);
  }
  TargetScan scan;
  scan.width = search.width;
  scan.padded = static_cast<std::int64_t>(padded);
  scan.g = scratch.g.data();
  scan.h = scratch.h.data();
  scan.factors = rules.factors.data();
  scan.ridges = rules.ridges.data();
  scan.h_least = rules.h_least.data();
  scan.scratch = scratch.left.data();
  for (const FeatureId feature : features) {
    const std::int64_t first = search.bin_offset[static_cast<std::size_t>(feature)];
    const std::int32_t n_bins = search.cuts.features[static_cast<std::size_t>(feature)].n_bins;
    const std::int64_t* const counts = of.counts == nullptr ? nullptr : of.counts + first;
    scan.cells = of.packed + first * search.width;
    scan.n_bins = n_bins;
    scan.missing = std::any_of(scan.cells, scan.cells + search.width, [](std::uint64_t cell) { return cell != 0; }) ||
                   (counts != nullptr && counts[kMissingBin] != 0);
    scratch.scores.resize(2 * static_cast<std::size_t>(n_bins));
    float* const scores[2] = {scratch.scores.data(), scratch.scores.data() + n_bins};
    search.kernels->scan_targets(scan, scores);
    // As in visit_prefix_cuts: with missing rows the last step parts them from the others.
    const auto last_step = [&](bool missing_left) { return n_bins - (missing_left || !scan.missing ? 2 : 1); };
    if (counts != nullptr) {
      std::int64_t count = 0;
      for (std::int32_t step = 1; step < n_bins; ++step) {
        count += counts[step];
        for (const bool missing_left : {false, true}) {
          const std::int64_t of_left = count + (missing_left ? counts[kMissingBin] : 0);
          if (of_left < search.rules.min_child_samples || node.count - of_left < search.rules.min_child_samples)
            scores[missing_left][step] = -1.0f;
        }
      }
    }
    for (const bool missing_left : {false, true})
      for (std::int32_t step = 1; step <= last_step(missing_left) && (scan.missing || !missing_left); ++step)
        least = std::max(least, static_cast<double>(scores[missing_left][step]) * rules.kept);
    for (const bool missing_left : {false, true})
      for (std::int32_t step = 1; step <= last_step(missing_left) && (scan.missing || !missing_left); ++step) {
        const auto score = static_cast<double>(scores[missing_left][step]);
        if (score > 0.0 && score >= least)  // worth nothing: gains nothing
          rivals.push_back({query, feature, step, missing_left, score});
      }
  }
}

void judge_target_rival(const SplitSearch& search, const TargetRival& rival, TargetScratch& scratch,
                        CutCandidate& best) {
  const CutContext node = search.context(rival.query, rival.feature);
  const double parent = set_gain<0>(node.sums, node);
  const NodeHistogram& of = search.histograms[rival.query];
  std::int64_t count = 0;
  if (of.counts != nullptr) {
    const std::int64_t* const counts = of.counts + search.bin_offset[static_cast<std::size_t>(rival.feature)];
    for (std::int32_t bin = rival.missing_left ? 0 : 1; bin <= rival.step; ++bin) count += counts[bin];
  }
  const std::vector<Cell> left = sums_left(search, rival, scratch.left);
  const double children = cut_gain<0>(left.data(), count, node, parent);
  offer(search.rules, children, children - parent,
        {children - parent, rival.feature, static_cast<Bin>(rival.step), rival.missing_left, rival.step}, best);
}

std::vector<Cell> sums_left_of(const SplitSearch& search, std::size_t query, const CutCandidate& cut) {
  std::vector<std::uint64_t> packed;
  return sums_left(search, {query, cut.feature, cut.step, cut.missing_left, 0.0}, packed);
}

}  // namespace pygbt
