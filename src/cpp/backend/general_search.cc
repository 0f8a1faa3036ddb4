// SPDX-License-Identifier: Apache-2.0
// Any kind of cut, one by one: categories, vector leaves, bounds, monotone features, cuts that a level shares.
#include <algorithm>

#include "backend/split_search.h"

namespace pygbt {

namespace {

template <int kWidth, class Visit>
void visit_cuts(const FeatureView& view, const FeatureHistogram& histogram, Cell* left, Cell* with_missing,
                Visit&& visit) {
  if (view.kind == CutKind::kOneHot)
    visit_one_hot_cuts<kWidth>(histogram, view.order, view.missing, left, with_missing, visit);
  else
    visit_prefix_cuts<kWidth>(histogram, view.kind == CutKind::kNumeric ? nullptr : view.order.data(), view.n_steps(),
                              view.missing, left, with_missing, visit);
}

template <int kWidth>
CutCandidate search_cuts(const SplitRules& rules, GeneralScratch& scratch) {
  const FeatureView& view = scratch.view;
  const auto width = static_cast<std::size_t>(view.nodes[0].width);
  scratch.left.resize(width);
  scratch.with_missing.resize(width);
  const std::int32_t n_steps = view.n_steps();
  const auto in_reach = [&](std::int32_t step) {
    return view.kind != CutKind::kOrdered || std::min(step, n_steps - step) <= rules.max_cat_threshold;
  };
  CutCandidate best;
  const auto judge = [&](double children, double gain, std::int32_t step, bool missing_left) {
    offer(rules, children, gain, {gain, view.feature, view.bin_of(step), missing_left, step}, best);
  };

  if (view.nodes.size() == 1 && !view.nodes[0].shared) {
    const CutContext& node = view.nodes[0];
    const double parent = set_gain<kWidth>(node.sums, node);
    visit_cuts<kWidth>(view, view.histograms[0], scratch.left.data(), scratch.with_missing.data(),
                       [&](std::int32_t step, bool missing_left, const Cell* left, std::int64_t count) {
                         if (!in_reach(step)) return;
                         const double children = cut_gain<kWidth>(left, count, node, parent);
                         judge(children, children - parent, step, missing_left);
                       });
    return best;
  }
  const auto slots = static_cast<std::size_t>(n_steps + 1) * 2;
  scratch.gains.assign(slots, 0.0);
  scratch.worth.assign(slots, 0.0);
  scratch.seen.assign(slots, 0);
  for (std::size_t i = 0; i < view.nodes.size(); ++i) {
    const CutContext& node = view.nodes[i];
    const double parent = set_gain<kWidth>(node.sums, node);
    visit_cuts<kWidth>(view, view.histograms[i], scratch.left.data(), scratch.with_missing.data(),
                       [&](std::int32_t step, bool missing_left, const Cell* left, std::int64_t count) {
                         if (!in_reach(step)) return;
                         const double children = cut_gain<kWidth>(left, count, node, parent);
                         const std::size_t slot = static_cast<std::size_t>(step) * 2 + missing_left;
                         scratch.gains[slot] += children - parent;
                         scratch.worth[slot] += children;
                         scratch.seen[slot] = 1;
                       });
  }
  for (std::size_t slot = 0; slot < slots; ++slot)
    if (scratch.seen[slot])
      judge(scratch.worth[slot], scratch.gains[slot], static_cast<std::int32_t>(slot / 2), (slot & 1) != 0);
  return best;
}

// Calls visit(cell, count) for every bin of a node's left child, or pool of bins.
template <class Visit>
void visit_left(const FeatureView& view, const FeatureHistogram& histogram, const CutCandidate& cut, Visit&& visit) {
  const auto take = [&](std::int32_t entry) { visit(histogram.item(entry), histogram.item_count(entry)); };
  if (view.kind == CutKind::kOneHot) take(cut.bin);
  if (view.kind == CutKind::kNumeric)
    for (std::int32_t bin = 1; bin <= cut.step; ++bin) take(bin);
  if (view.kind == CutKind::kOrdered)
    for (std::int32_t i = 0; i < cut.step; ++i) take(view.order[static_cast<std::size_t>(i)]);
  if (cut.missing_left) visit(histogram.cells, histogram.count(kMissingBin));
}

// Sums of the left child of one node under a candidate.
std::vector<Cell> left_sums(const FeatureView& view, std::size_t node, const CutCandidate& cut) {
  const FeatureHistogram& histogram = view.histograms[node];
  std::vector<Cell> left(static_cast<std::size_t>(histogram.width));
  visit_left(view, histogram, cut, [&](const Cell* cell, std::int64_t) {
    for (std::size_t k = 0; k < left.size(); ++k) left[k] += cell[k];
  });
  return left;
}

}  // namespace

void look(const SplitSearch& search, FeatureId feature, std::size_t first, std::size_t n, FeatureView& view) {
  view.feature = feature;
  view.kind = search.kind_of(feature);
  view.histograms.clear();
  view.nodes.clear();
  view.order.clear();
  view.unpacked.resize(std::max(view.unpacked.size(), n));
  for (std::size_t i = 0; i < n; ++i) view.nodes.push_back(search.context(first + i, feature));
  if (view.kind != CutKind::kNumeric)
    find_categories(search, first, view);
  else
    for (std::size_t i = 0; i < n; ++i) view.histograms.push_back(search.slice(first + i, feature, view.unpacked[i]));
  view.missing = std::any_of(view.histograms.begin(), view.histograms.end(),
                             [](const FeatureHistogram& histogram) { return histogram.has_missing(); });
}

CutCandidate search_feature(const SplitSearch& search, GeneralScratch& scratch) {
  return search.width == 1 ? search_cuts<1>(search.rules, scratch) : search_cuts<0>(search.rules, scratch);
}

void write_splits(const SplitSearch& search, const FeatureView& view, const CutCandidate& best, std::span<Split> out) {
  for (std::size_t i = 0; i < out.size(); ++i) out[i].left = left_sums(view, i, best);
  const bool missing_left =
      view.missing ? best.missing_left : default_side(view.nodes, [&](std::size_t i) { return out[i].left.data(); });
  for (std::size_t i = 0; i < out.size(); ++i) {
    Split& split = out[i];
    split.gain = best.gain;
    split.feature = best.feature;
    split.bin = best.bin;
    split.missing_left = missing_left;
    split.categorical = view.kind != CutKind::kNumeric;
    if (split.categorical) split.left_bins = left_bins(view, best, missing_left);
    if (!search.shared) continue;
    const CutContext& node = view.nodes[i];
    const double parent = set_gain<0>(node.sums, node);
    std::int64_t left_count = 0;
    visit_left(view, view.histograms[i], best, [&](const Cell*, std::int64_t count) { left_count += count; });
    split.gain = cut_gain<0>(split.left.data(), left_count, node, parent) - parent;
  }
}

}  // namespace pygbt
