// SPDX-License-Identifier: Apache-2.0
// The categories of a feature as a search sees them: which occur, which are judged one by one, in what order; and the
// bins of the set that won. A node has few of the categories of a feature of many, and only those are touched.
#include <algorithm>
#include <bit>
#include <limits>

#include "backend/split_search.h"

namespace pygbt {

namespace {

// Sum of the cells of all nodes, for what a symmetric level decides as one.
std::vector<Cell> pooled_cells(const FeatureView& view) {
  const auto size =
      static_cast<std::size_t>(view.histograms[0].n_bins) * static_cast<std::size_t>(view.histograms[0].width);
  std::vector<Cell> cells(size);
  for (const FeatureHistogram& histogram : view.histograms)
    for (std::size_t i = 0; i < size; ++i) cells[i] += histogram.cells[i];
  return cells;
}

constexpr std::int32_t kWordBins = 32;

template <class Visit>
void visit_bits(std::span<const std::uint32_t> words, Visit&& visit) {
  for (std::size_t at = 0; at < words.size(); ++at)
    for (std::uint32_t word = words[at]; word != 0; word &= word - 1)
      visit(static_cast<std::int32_t>(at) * kWordBins + std::countr_zero(word));
}

// Finds the categories to be judged and pools the rare ones of each node: any width, any number of nodes. Returns the
// sums over the nodes, whose cells may be `all`.
FeatureHistogram judge_categories(const SplitRules& rules, std::vector<Cell>& all, FeatureView& view) {
  const FeatureHistogram& first = view.histograms[0];
  const auto width = static_cast<std::size_t>(first.width);
  FeatureHistogram pooled = first;
  if (view.histograms.size() > 1) {
    all = pooled_cells(view);
    pooled.cells = all.data();
  }
  // Sums of several nodes could cancel to 0: a category occurs where any node has it.
  const auto occurs = [&](std::int32_t bin) {
    return std::any_of(view.histograms.begin(), view.histograms.end(), [&](const FeatureHistogram& histogram) {
      return !is_zero(histogram.cell(bin), histogram.width) || histogram.count(bin) != 0;
    });
  };
  view.rare_cells.assign((view.histograms.size() + 1) * width, Cell{});
  Cell* pool = view.rare_cells.data() + view.histograms.size() * width;
  for (std::size_t i = 0; i < view.histograms.size(); ++i) view.histograms[i].rare = view.rare_cells.data() + i * width;
  pooled.rare = pool;
  for (std::int32_t bin = 1; bin < first.n_bins; ++bin) {
    if (!occurs(bin)) continue;
    const std::uint32_t bit = 1u << (bin % kWordBins);
    const auto at = static_cast<std::size_t>(bin / kWordBins);
    view.occurs[at] |= bit;
    const bool rare = view.kind == CutKind::kOrdered && category_hessian(pooled.cell(bin), view.nodes[0].h_units,
                                                                         first.width) < rules.min_category_hessian;
    if (!rare) {
      view.judged[at] |= bit;
      continue;
    }
    for (std::size_t i = 0; i < view.histograms.size(); ++i) {
      FeatureHistogram& histogram = view.histograms[i];
      for (std::size_t k = 0; k < width; ++k) {
        view.rare_cells[i * width + k] += histogram.cell(bin)[k];
        pool[k] += histogram.cell(bin)[k];
      }
      histogram.rare_count += histogram.count(bin);
    }
  }
  return pooled;
}

// The same of one node of width 1, by the kernel. Of packed cells only the missing and those to be judged are written
// out, each at its bin.
void scan_categories(const SplitSearch& search, std::size_t query, FeatureView& view) {
  const NodeHistogram& of = search.histograms[query];
  const std::int64_t first = search.bin_offset[static_cast<std::size_t>(view.feature)];
  const std::int32_t n_bins = search.cuts.features[static_cast<std::size_t>(view.feature)].n_bins;
  const bool packed = of.packed != nullptr;
  CategoryScan scan;
  scan.cells = packed ? static_cast<const void*>(of.packed + first) : of.cells + first;
  scan.counts = of.counts == nullptr ? nullptr : of.counts + first;
  scan.n_bins = n_bins;
  scan.h_unit = search.h_units[0];
  scan.least =
      view.kind == CutKind::kOrdered ? search.rules.min_category_hessian : -std::numeric_limits<double>::infinity();
  scan.occurs = view.occurs.data();
  scan.judged = view.judged.data();
  const RareSums rare = search.kernels->scan_categories[packed](scan);
  view.rare_cells.assign(1, rare.cell);
  FeatureHistogram histogram{nullptr, scan.counts, n_bins, 1, view.rare_cells.data(), rare.count};
  if (packed) {
    std::vector<Cell>& cells = view.unpacked[0];
    if (cells.size() < static_cast<std::size_t>(n_bins)) cells.resize(static_cast<std::size_t>(n_bins));
    const auto write = [&](std::int32_t bin) { cells[static_cast<std::size_t>(bin)] = unpack(of.packed[first + bin]); };
    write(kMissingBin);
    visit_bits(view.judged, write);
    histogram.cells = cells.data();
  } else {
    histogram.cells = of.cells + first;
  }
  view.histograms.push_back(histogram);
}

// Puts the categories in the order of their cuts.
void order_cuts(const SplitRules& rules, const FeatureHistogram& pooled, FeatureView& view) {
  std::size_t n = view.kind == CutKind::kOrdered && view.occurs != view.judged ? 1 : 0;  // the rare ones
  std::size_t at = n;
  for (const std::uint32_t word : view.judged) n += static_cast<std::size_t>(std::popcount(word));
  view.order.assign(n, kRarePool);
  visit_bits(view.judged, [&](std::int32_t bin) { view.order[at++] = static_cast<std::uint16_t>(bin); });
  if (view.kind != CutKind::kOrdered) return;
  order_categories(pooled, view.nodes[0].g_units, view.nodes[0].h_units, rules.cat_smooth, rules.max_cat_threshold,
                   view.sorter, view.order);
}

}  // namespace

void find_categories(const SplitSearch& search, std::size_t first, FeatureView& view) {
  const std::int32_t n_bins = search.cuts.features[static_cast<std::size_t>(view.feature)].n_bins;
  const auto n_words = static_cast<std::size_t>((n_bins + kWordBins - 1) / kWordBins);
  view.occurs.assign(n_words, 0);
  view.judged.assign(n_words, 0);
  if (view.nodes.size() == 1 && search.width == 1) {
    scan_categories(search, first, view);
    order_cuts(search.rules, view.histograms[0], view);
    return;
  }
  for (std::size_t i = 0; i < view.nodes.size(); ++i)
    view.histograms.push_back(search.slice(first + i, view.feature, view.unpacked[i]));
  std::vector<Cell> all;
  order_cuts(search.rules, judge_categories(search.rules, all, view), view);
}

std::vector<std::uint32_t> left_bins(const FeatureView& view, const CutCandidate& cut, bool missing_left) {
  std::vector<std::uint32_t> words(view.occurs.size(), 0);
  if (missing_left) {
    for (std::size_t at = 0; at < words.size(); ++at) words[at] = ~view.occurs[at];
    const std::int32_t in_last = view.histograms[0].n_bins % kWordBins;
    if (in_last != 0) words.back() &= (1u << in_last) - 1;
  }
  const auto set = [&](std::uint16_t bin) { words[bin / kWordBins] |= 1u << (bin % kWordBins); };
  if (view.kind == CutKind::kOneHot) set(cut.bin);
  if (view.kind == CutKind::kOrdered) {
    for (std::int32_t i = 0; i < cut.step; ++i) {
      const std::uint16_t entry = view.order[static_cast<std::size_t>(i)];
      if (entry != kRarePool) {
        set(entry);
      } else {
        for (std::size_t at = 0; at < words.size(); ++at) words[at] |= view.occurs[at] & ~view.judged[at];
      }
    }
  }
  return words;
}

}  // namespace pygbt
