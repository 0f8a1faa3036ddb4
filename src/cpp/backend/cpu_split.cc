// SPDX-License-Identifier: Apache-2.0
// Best cut of each node. A task searches some neighbouring features of some nodes: those whose cells its thread built and
// subtracted, if nobody helped. What the tasks found is compared by the total order, so they may run in any order.
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

constexpr std::int64_t kSerialWork = 8192;  // cells below which a dispatch costs more than it saves
constexpr std::int64_t kTaskWork = 16384;  // cells of a task at least, where there are enough for all threads
constexpr std::int64_t kTasksPerThread = 4;

// Those of ascending `features` that lie in [begin, end).
std::span<const FeatureId> features_within(std::span<const FeatureId> features, FeatureId begin, FeatureId end) {
  return {std::lower_bound(features.begin(), features.end(), begin),
          std::lower_bound(features.begin(), features.end(), end)};
}

// What the search of some features of a node has found.
struct Found {
  CutCandidate best;  // of the features that are searched exactly at once
  double least = -1.0;  // score of a numeric rival, see scan_numeric
};

struct Worker {
  NumericScratch numeric;
  GeneralScratch general;
  std::vector<NumericRival> rivals;  // of all nodes

  void search(const SplitSearch& search, const NumericRules& numeric_rules, std::size_t query,
              std::span<const FeatureId> features, Found& found) {
    numeric.features.clear();
    for (const FeatureId feature : features) {
      if (numeric_rules.usable && scannable(search, query, feature)) {
        if (search.shared)
          search_shared_numeric(search, numeric_rules, feature, numeric, found.best);
        else
          numeric.features.push_back(feature);
        continue;
      }
      look(search, feature, query, search.shared ? search.queries.size() : 1, general.view);
      const CutCandidate cut = search_feature(search, general);
      if (better(cut, found.best)) found.best = cut;
    }
    scan_numeric(search, numeric_rules, query, numeric.features, numeric, rivals, found.least);
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
  const auto n_nodes = static_cast<std::int64_t>(groups.size());
  FeatureParts::Grid grid;
  if (n_threads > 1)
    grid = feature_parts_.grid(n_threads * std::clamp<std::int64_t>(work / (kTaskWork * n_threads), 1, kTasksPerThread),
                               n_nodes);

  std::vector<Found> of_tasks(static_cast<std::size_t>(grid.n_parts) * groups.size());  // [part][group]
  std::vector<Worker> workers(static_cast<std::size_t>(n_threads));
  parallel_for(n_threads, grid.n_tasks(), [&](std::int64_t task, int worker) {
    const std::int64_t part = task / grid.n_groups, share = task % grid.n_groups;
    const FeatureId begin = feature_parts_.begin(part, grid.n_parts),
                    end = feature_parts_.begin(part + 1, grid.n_parts);
    for (std::int64_t g = n_nodes * share / grid.n_groups; g < n_nodes * (share + 1) / grid.n_groups; ++g) {
      const auto group = static_cast<std::size_t>(g);
      workers[static_cast<std::size_t>(worker)].search(search, numeric, group,
                                                       features_within(groups[group].features, begin, end),
                                                       of_tasks[static_cast<std::size_t>(part * n_nodes + g)]);
    }
  });

  std::vector<Found> found(groups.size());
  for (std::size_t i = 0; i < of_tasks.size(); ++i) {
    Found& node = found[i % groups.size()];
    if (better(of_tasks[i].best, node.best)) node.best = of_tasks[i].best;
    node.least = std::max(node.least, of_tasks[i].least);
  }
  std::vector<std::vector<NumericRival>> rivals(groups.size());
  for (const Worker& worker : workers)
    for (const NumericRival& rival : worker.rivals)
      if (rival.score >= found[rival.query].least) rivals[rival.query].push_back(rival);

  // The rivals are judged, and the winners written down.
  parallel_for(n_threads, static_cast<std::int64_t>(groups.size()), [&](std::int64_t group, int at) {
    const auto g = static_cast<std::size_t>(group);
    Worker& worker = workers[static_cast<std::size_t>(at)];
    CutCandidate& best = found[g].best;
    for (const NumericRival& rival : rivals[g])
      judge_rival(search, numeric, rival, found[g].least, worker.numeric, best);
    const std::size_t n = shared ? queries.size() : 1;
    for (Split& split : out.subspan(g, n)) split = Split{};
    if (best.feature < 0) return;
    if (!shared && search.kind_of(best.feature) == CutKind::kNumeric) {
      write_numeric(search, g, best, worker.numeric.unpacked, out[g]);
    } else {
      look(search, best.feature, g, n, worker.general.view);
      write_splits(search, worker.general.view, best, out.subspan(g, n));
    }
  });
}

}  // namespace pygbt
