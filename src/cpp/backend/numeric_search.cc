// SPDX-License-Identifier: Apache-2.0
// Numeric cuts of one node: the scan of the kernels names the features that may hold the best cut (rarely more than
// one or two), and the exact formula judges their cuts. So the scan decides how long it takes, never the answer.
#include "backend/split_search.h"

namespace pygbt {

namespace {

// A scan of one node, without features.
CutScan scan_of(const SplitSearch& search, const NumericRules& numeric, std::size_t query, const CutContext& node) {
  const NodeHistogram& histogram = search.histograms[query];
  CutScan scan;
  scan.cells = histogram.packed != nullptr ? static_cast<const void*>(histogram.packed) : histogram.cells;
  scan.counts = histogram.counts;
  scan.bin_offset = search.bin_offset.data();
  scan.sums = *node.sums;
  scan.h_least = numeric.h_least;
  scan.h_most = node.sums->h - numeric.h_least;
  scan.check_counts = node.min_child_samples > 1;
  scan.count_least = node.min_child_samples;
  scan.count_most = node.count - node.min_child_samples;
  scan.n_rows = node.count;
  scan.g_unit = *node.g_units;
  scan.h_unit = *node.h_units;
  scan.rule = node.rule;
  return scan;
}

}  // namespace

std::int64_t least_hessian(double min_child_weight, double h_unit) {
  std::int64_t low = 0, high = std::int64_t{1} << 62;  // no sum reaches 2^62
  while (low < high) {
    const std::int64_t middle = low + (high - low) / 2;
    if (static_cast<double>(middle) * h_unit >= min_child_weight)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

NumericRules numeric_rules(const SplitSearch& search) {
  const SplitRules& rules = search.rules;
  NumericRules numeric;
  numeric.usable = search.width == 1 && rules.max_delta_step == 0.0 && rules.min_split_gain >= 0.0;
  if (search.shared)  // one cut for all: a node with bounds takes the others along
    for (const SplitQuery& query : search.queries) numeric.usable = numeric.usable && query.lower.empty();
  if (numeric.usable) numeric.h_least = least_hessian(rules.min_child_weight, search.h_units[0]);
  return numeric;
}

bool scannable(const SplitSearch& search, std::size_t query, FeatureId feature) {
  return search.kind_of(feature) == CutKind::kNumeric && search.rules.monotone_of(feature) == 0 &&
         search.queries[query].lower.empty();
}

void scan_numeric(const SplitSearch& search, const NumericRules& numeric, std::size_t query,
                  std::span<const FeatureId> features, NumericScratch& scratch, std::vector<NumericRival>& rivals,
                  double& least) {
  if (features.empty()) return;
  const CutContext node = search.context(query, features[0]);
  CutScan scan = scan_of(search, numeric, query, node);
  scan.features = features.data();
  scan.n_features = static_cast<std::int64_t>(features.size());
  const bool quick = quick_gain(scan.sums, scan.g_unit, scan.h_unit, scan.rule, node.min_child_weight, scan.quick);
  scratch.rivals.resize(features.size());
  const ScanCuts scan_cuts = search.kernels->scan_cuts[search.histograms[query].packed != nullptr][!quick];
  const std::int64_t n_rivals = scan_cuts(scan, scratch.rivals.data(), least);
  for (std::int64_t i = 0; i < n_rivals; ++i) {
    const CutRival& rival = scratch.rivals[static_cast<std::size_t>(i)];
    if (rival.score >= least) rivals.push_back({query, features[static_cast<std::size_t>(rival.at)], rival.score});
  }
}

void judge_rival(const SplitSearch& search, const NumericRules& numeric, const NumericRival& rival, double least,
                 NumericScratch& scratch, CutCandidate& best) {
  const CutContext node = search.context(rival.query, rival.feature);
  CutScan scan = scan_of(search, numeric, rival.query, node);
  const bool quick = quick_gain(scan.sums, scan.g_unit, scan.h_unit, scan.rule, node.min_child_weight, scan.quick);
  const double parent = set_gain<1>(node.sums, node);
  const auto beaten = [quick, least, score = scan.quick](const Cell& sums) {
    const auto g = static_cast<double>(sums.g), h = static_cast<double>(sums.h);
    return quick && score.numerator(g, h) < least * score.denominator(h);
  };
  const auto judge = [&](std::int32_t step, bool missing_left, const Cell* sums, std::int64_t count) {
    if (beaten(*sums)) return;
    const double children = cut_gain<1>(sums, count, node, parent);
    offer(search.rules, children, children - parent,
          {children - parent, rival.feature, static_cast<Bin>(step), missing_left, step}, best);
  };
  const NodeHistogram& of = search.histograms[rival.query];
  const std::int64_t first = search.bin_offset[static_cast<std::size_t>(rival.feature)];
  if (of.packed != nullptr && of.counts == nullptr && of.packed[first] == 0) {
    const std::uint64_t* const cells = of.packed + first;
    const std::int32_t n_bins = search.cuts.features[static_cast<std::size_t>(rival.feature)].n_bins;
    std::uint64_t sum = 0;
    for (std::int32_t step = 1; step < n_bins - 1; ++step) {
      if (cells[step] == 0 && step > 1) continue;  // the cut before it, which is preferred
      sum += cells[step];
      const Cell left = unpack(sum);
      if (!beaten(left)) judge(step, false, &left, 0);
    }
    return;
  }
  const FeatureHistogram slice = search.slice(rival.query, rival.feature, scratch.unpacked);
  Cell left, with_missing;
  visit_prefix_cuts<1>(slice, nullptr, slice.n_bins - 1, slice.has_missing(), &left, &with_missing, judge);
}

void search_shared_numeric(const SplitSearch& search, const NumericRules& numeric, FeatureId feature,
                           NumericScratch& scratch, CutCandidate& best) {
  const auto at = static_cast<std::size_t>(feature);
  const std::int64_t first = search.bin_offset[at], n_bins = search.bin_offset[at + 1] - first;
  const auto stride = static_cast<std::size_t>(n_bins + kCutPad);
  scratch.sums.assign(4 * stride, 0.0);
  double* const sums = scratch.sums.data();
  CutSums out{false, {sums, sums + stride}, {sums + 2 * stride, sums + 3 * stride}};
  for (const NodeHistogram& histogram : search.histograms) {
    const bool none = histogram.packed != nullptr ? histogram.packed[first] == 0 : is_zero(histogram.cells + first, 1);
    out.missing = out.missing || !none || (histogram.counts != nullptr && histogram.counts[first] != 0);
  }
  for (std::size_t query = 0; query < search.queries.size(); ++query) {
    const CutContext node = search.context(query, feature);
    CutScan scan = scan_of(search, numeric, query, node);
    scan.features = &feature;
    scan.n_features = 1;
    search.kernels->add_cuts[search.histograms[query].packed != nullptr](scan, set_gain<1>(node.sums, node), out);
  }
  const auto n_steps = static_cast<std::int32_t>(n_bins - 1);
  for (std::int32_t step = 1; step <= n_steps; ++step) {
    for (const bool missing_left : {true, false}) {
      if (missing_left ? !out.missing || step == n_steps : !out.missing && step == n_steps) continue;
      const double gain = out.gain[missing_left][step];
      offer(search.rules, out.worth[missing_left][step], gain,
            {gain, feature, static_cast<Bin>(step), missing_left, step}, best);
    }
  }
}

}  // namespace pygbt
