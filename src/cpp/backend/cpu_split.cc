// SPDX-License-Identifier: Apache-2.0
// Best cut of each node. All (node, feature) pairs of a call lie in a row and are cut in runs, one task each; the
// winners of the runs are compared by the total order, so tasks may run in any order.
#include <algorithm>

#include "backend/cpu_backend.h"
#include "backend/isa_dispatch.h"
#include "backend/split_search.h"
#include "base/pool.h"

namespace pygbt {

CutKind SplitSearch::kind_of(FeatureId feature) const {
  const FeatureCuts& of = cuts.features[static_cast<std::size_t>(feature)];
  if (!of.categorical) return CutKind::kNumeric;
  return of.n_bins - 1 <= rules.max_cat_to_onehot ? CutKind::kOneHot : CutKind::kOrdered;
}

CutContext SplitSearch::context(std::size_t query, FeatureId feature) const {
  const SplitQuery& of = queries[query];
  CutContext node;
  node.sums = of.sums.data();
  node.g_units = g_units.data();
  node.h_units = h_units.data();
  node.width = width;
  node.count = of.count;
  node.rule = {rules.reg_lambda + (kind_of(feature) == CutKind::kOrdered ? rules.cat_l2 : 0.0), rules.reg_alpha,
               rules.max_delta_step};
  node.lower = of.lower.empty() ? nullptr : of.lower.data();
  node.upper = of.upper.empty() ? nullptr : of.upper.data();
  node.min_child_weight = rules.min_child_weight;
  node.min_child_samples = rules.min_child_samples;
  node.monotone = rules.monotone_of(feature);
  node.shared = shared;
  return node;
}

FeatureHistogram SplitSearch::slice(std::size_t query, FeatureId feature, std::vector<Cell>& unpacked) const {
  const NodeHistogram& of = histograms[query];
  const std::int64_t first = bin_offset[static_cast<std::size_t>(feature)];
  const std::int32_t n_bins = cuts.features[static_cast<std::size_t>(feature)].n_bins;
  FeatureHistogram slice{nullptr, of.counts == nullptr ? nullptr : of.counts + first, n_bins, width};
  if (of.packed == nullptr) {
    slice.cells = of.cells + first * width;
  } else {
    unpacked.resize(static_cast<std::size_t>(n_bins * width));
    for (std::size_t i = 0; i < unpacked.size(); ++i)
      unpacked[i] = unpack(of.packed[first * width + static_cast<std::int64_t>(i)]);
    slice.cells = unpacked.data();
  }
  return slice;
}

namespace {

constexpr std::int64_t kSerialWork = 16384;  // cells below which a dispatch costs more than it saves
constexpr std::int64_t kRunWork = 4096;      // cells of a task at least

// Consecutive pairs (group, feature): group = query, or all queries of a shared call.
struct Run {
  std::size_t group = 0;    // of the first pair
  std::size_t feature = 0;  // index in the group's features
  std::size_t n = 0;
};

std::vector<Run> cut_in_runs(std::span<const SplitQuery> groups, std::size_t n_runs) {
  std::size_t n_pairs = 0;
  for (const SplitQuery& group : groups) n_pairs += group.features.size();
  std::vector<Run> runs;
  std::size_t group = 0, before = 0;  // pairs of the groups before
  for (std::size_t i = 0; i < n_runs; ++i) {
    const std::size_t begin = n_pairs * i / n_runs, end = n_pairs * (i + 1) / n_runs;
    if (begin == end) continue;
    while (begin - before >= groups[group].features.size()) before += groups[group++].features.size();
    runs.push_back({group, begin - before, end - begin});
  }
  return runs;
}

// The searches of one task, and what they use.
struct Worker {
  NumericScratch numeric;
  GeneralScratch general;

  void search(const SplitSearch& search, const NumericRules& numeric_rules, std::size_t query,
              std::span<const FeatureId> features, CutCandidate& best) {
    numeric.features.clear();
    for (const FeatureId feature : features) {
      if (numeric_rules.usable && scannable(search, query, feature)) {
        if (search.shared)
          search_shared_numeric(search, numeric_rules, feature, numeric, best);
        else
          numeric.features.push_back(feature);
        continue;
      }
      look(search, feature, query, search.shared ? search.queries.size() : 1, general.view);
      const CutCandidate found = search_feature(search, general);
      if (better(found, best)) best = found;
    }
    search_numeric(search, numeric_rules, query, numeric.features, numeric, best);
  }
};

// Numeric cut of one node.
void write_numeric(const SplitSearch& search, std::size_t query, const CutCandidate& best, std::vector<Cell>& unpacked,
                   Split& out) {
  const FeatureHistogram slice = search.slice(query, best.feature, unpacked);
  const auto width = static_cast<std::size_t>(slice.width);
  out.gain = best.gain;
  out.feature = best.feature;
  out.bin = best.bin;
  out.left.assign(width, Cell{});
  for (std::int32_t bin = best.missing_left ? 0 : 1; bin <= best.step; ++bin)
    for (std::size_t k = 0; k < width; ++k) out.left[k] += slice.cell(bin)[k];
  const CutContext node = search.context(query, best.feature);
  out.missing_left =
      slice.has_missing() ? best.missing_left : default_side({&node, 1}, [&](std::size_t) { return out.left.data(); });
}

}  // namespace

void CpuBackend::best_splits(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
                             std::span<Split> out) {
  if (queries.empty()) return;
  SplitSearch search{rules, *data_->cuts, bin_offset_, queries, shared, request_.width, {}, {}, {}, &kernels().split};
  for (const CellUnits& unit : units_) {
    search.g_units.push_back(unit.g);
    search.h_units.push_back(unit.h);
  }
  for (const SplitQuery& query : queries) {
    const Histogram& histogram = histogram_at(query.node);
    search.histograms.push_back({histogram.packed ? nullptr : histogram.cells(),
                                 histogram.packed ? histogram.packed_cells() : nullptr,
                                 request_.count_rows ? histogram.counts.data() : nullptr});
  }
  const NumericRules numeric = numeric_rules(search);

  const std::span<const SplitQuery> groups = queries.first(shared ? 1 : queries.size());
  std::int64_t work = 0;
  for (const SplitQuery& group : groups)
    for (const FeatureId feature : group.features)
      work += search.cuts.features[static_cast<std::size_t>(feature)].n_bins;
  work *= request_.width * static_cast<std::int64_t>(queries.size() / groups.size());
  const int n_threads = work < kSerialWork ? 1 : n_threads_;
  const std::int64_t most_runs = n_threads == 1 ? 1 : std::int64_t{8} * n_threads;
  const std::vector<Run> runs =
      cut_in_runs(groups, static_cast<std::size_t>(std::clamp<std::int64_t>(work / kRunWork, 1, most_runs)));

  struct Winner {
    std::size_t group;
    CutCandidate cut;
  };
  std::vector<std::vector<Winner>> winners(runs.size());
  std::vector<Worker> workers(static_cast<std::size_t>(n_threads));
  parallel_for(n_threads, static_cast<std::int64_t>(runs.size()), [&](std::int64_t task, int worker) {
    Run run = runs[static_cast<std::size_t>(task)];
    for (; run.n > 0; ++run.group, run.feature = 0) {
      const std::span<const FeatureId> all = groups[run.group].features;
      const auto features = all.subspan(run.feature, std::min(run.n, all.size() - run.feature));
      run.n -= features.size();
      CutCandidate best;
      workers[static_cast<std::size_t>(worker)].search(search, numeric, run.group, features, best);
      if (best.feature >= 0) winners[static_cast<std::size_t>(task)].push_back({run.group, best});
    }
  });

  std::vector<CutCandidate> best(groups.size());
  for (const auto& of_run : winners)
    for (const Winner& winner : of_run)
      if (better(winner.cut, best[winner.group])) best[winner.group] = winner.cut;
  for (Split& split : out) split = Split{};
  for (std::size_t q = 0; q < groups.size(); ++q) {
    if (best[q].feature < 0) continue;
    Worker& worker = workers[0];
    if (!shared && search.kind_of(best[q].feature) == CutKind::kNumeric) {
      write_numeric(search, q, best[q], worker.numeric.unpacked, out[q]);
    } else {
      const std::size_t n = shared ? queries.size() : 1;
      look(search, best[q].feature, q, n, worker.general.view);
      write_splits(search, worker.general.view, best[q], out.subspan(q, n));
    }
  }
}

}  // namespace pygbt
