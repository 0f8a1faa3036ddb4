// SPDX-License-Identifier: Apache-2.0
// Best cut of each node. A task searches some neighbouring features of some nodes: those whose cells its thread built and
// subtracted, if nobody helped. What the tasks found is compared by the total order, so they may run in any order.
#include <algorithm>
#include <numeric>

#include "backend/cpu_calls.h"
#include "backend/isa_dispatch.h"
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
constexpr std::size_t kSerialRivals = 4;  // to judge

// Those of ascending `features` that lie in [begin, end).
std::span<const FeatureId> features_within(std::span<const FeatureId> features, FeatureId begin, FeatureId end) {
  return {std::lower_bound(features.begin(), features.end(), begin),
          std::lower_bound(features.begin(), features.end(), end)};
}

}  // namespace

CpuBackend::SplitCall::SplitCall(CpuBackend& backend, const SplitRules& rules, std::span<const SplitQuery> queries,
                                 bool shared, std::int64_t more_work)
    : backend_(backend),
      search_{rules, *backend.data_->cuts, backend.bin_offset_, queries, shared, backend.request_.width, {}, {},
              {},    &kernels().split},
      n_groups_(shared ? 1 : queries.size()) {
  for (std::size_t k = 0; k < backend_.units_.size(); ++k) {
    const CellUnits unit = rules.units_of(k, backend_.units_[k]);
    search_.g_units.push_back(unit.g);
    search_.h_units.push_back(unit.h);
  }
  for (const SplitQuery& query : queries) {
    const Histogram& histogram = backend_.histogram_at(query.node);
    search_.histograms.push_back({histogram.packed ? nullptr : histogram.cells(),
                                  histogram.packed ? histogram.packed_cells() : nullptr,
                                  backend_.request_.count_rows ? histogram.counts.data() : nullptr});
  }
  numeric_ = numeric_rules(search_);
  targets_ = target_rules(search_);

  for (const SplitQuery& group : queries.first(n_groups_))
    for (const FeatureId feature : group.features)
      work_ += search_.cuts.features[static_cast<std::size_t>(feature)].n_bins;
  work_ *= search_.width * static_cast<std::int64_t>(queries.size() / n_groups_);
  n_threads_ = work_ + more_work < kSerialWork ? 1 : backend_.n_threads_;
  workers_.resize(static_cast<std::size_t>(n_threads_));
  for (Worker& worker : workers_) worker.found.resize(n_groups_);
}

void CpuBackend::SplitCall::run() {
  const FeatureParts& parts = backend_.feature_parts_;
  const auto n_groups = static_cast<std::int64_t>(n_groups_);
  const std::int64_t tasks = std::clamp<std::int64_t>(work_ / (kTaskWork * n_threads_), 1, kTasksPerThread);
  const FeatureParts::Grid grid = n_threads_ == 1 ? FeatureParts::Grid{} : parts.grid(n_threads_ * tasks, n_groups);
  parallel_for(n_threads_, grid.n_tasks(), [&](std::int64_t task, int worker) {
    const std::int64_t part = task / grid.n_groups, share = task % grid.n_groups;
    scan(parts.begin(part, grid.n_parts), parts.begin(part + 1, grid.n_parts),
         static_cast<std::size_t>(n_groups * share / grid.n_groups),
         static_cast<std::size_t>(n_groups * (share + 1) / grid.n_groups), worker);
  });
}

void CpuBackend::SplitCall::scan(FeatureId begin, FeatureId end, std::size_t first, std::size_t last, int worker) {
  for (std::size_t group = first; group < last; ++group)
    search(workers_[static_cast<std::size_t>(worker)], group,
           features_within(search_.queries[group].features, begin, end));
}

void CpuBackend::SplitCall::search(Worker& worker, std::size_t query, std::span<const FeatureId> features) const {
  Found& found = worker.found[query];
  const bool targets = targets_.usable && search_.histograms[query].packed != nullptr;
  worker.numeric.features.clear();
  worker.targets.features.clear();
  for (const FeatureId feature : features) {
    if (numeric_.usable && scannable(search_, query, feature)) {
      if (search_.shared)
        search_shared_numeric(search_, numeric_, feature, worker.numeric, found.best);
      else
        worker.numeric.features.push_back(feature);
      continue;
    }
    if (targets && scannable(search_, query, feature)) {
      worker.targets.features.push_back(feature);
      continue;
    }
    look(search_, feature, query, search_.shared ? search_.queries.size() : 1, worker.general.view);
    const CutCandidate cut = search_feature(search_, worker.general);
    if (better(cut, found.best)) found.best = cut;
  }
  scan_numeric(search_, numeric_, query, worker.numeric.features, worker.numeric, worker.rivals, found.least);
  scan_targets(search_, targets_, query, worker.targets.features, worker.targets, worker.target_rivals, found.least);
}

// Numeric cut of one node.
void CpuBackend::SplitCall::write_numeric(std::size_t query, const CutCandidate& best, std::vector<Cell>& unpacked,
                                          Split& out) const {
  const auto width = static_cast<std::size_t>(search_.width);
  out.gain = best.gain;
  out.feature = best.feature;
  out.bin = best.bin;
  out.left.assign(width, Cell{});
  const std::int32_t begin = best.missing_left ? 0 : 1;
  const NodeHistogram& of = search_.histograms[query];
  bool has_missing = false;
  if (of.packed != nullptr && width == 1 && of.counts == nullptr) {  // sums of packed cells fit a packed cell
    const std::uint64_t* const cells = of.packed + search_.bin_offset[static_cast<std::size_t>(best.feature)];
    out.left[0] = unpack(std::accumulate(cells + begin, cells + best.step + 1, std::uint64_t{0}));
    has_missing = cells[0] != 0;
  } else if (of.packed != nullptr) {
    out.left = sums_left_of(search_, query, best);
    const std::int64_t first = search_.bin_offset[static_cast<std::size_t>(best.feature)];
    const std::uint64_t* const missing = of.packed + first * search_.width;
    has_missing = std::any_of(missing, missing + width, [](std::uint64_t cell) { return cell != 0; }) ||
                  (of.counts != nullptr && of.counts[first] != 0);
  } else {
    const FeatureHistogram slice = search_.slice(query, best.feature, unpacked);
    for (std::int32_t bin = begin; bin <= best.step; ++bin)
      for (std::size_t k = 0; k < width; ++k) out.left[k] += slice.cell(bin)[k];
    has_missing = slice.has_missing();
  }
  const CutContext node = search_.context(query, best.feature);
  out.missing_left =
      has_missing ? best.missing_left : default_side({&node, 1}, [&](std::size_t) { return out.left.data(); });
}

// The rivals are judged by the exact formula, and the winners written down.
void CpuBackend::SplitCall::judge(std::span<Split> out) {
  std::vector<Found> found(n_groups_);
  for (const Worker& worker : workers_)
    for (std::size_t group = 0; group < n_groups_; ++group) {
      const Found& part = worker.found[group];
      if (better(part.best, found[group].best)) found[group].best = part.best;
      found[group].least = std::max(found[group].least, part.least);
    }
  std::size_t n_rivals = 0;
  std::vector<std::vector<NumericRival>> rivals(n_groups_);
  std::vector<std::vector<TargetRival>> target_rivals(n_groups_);
  const auto keep = [&](const auto& from, auto& to) {
    for (const auto& rival : from) {
      if (rival.score < found[rival.query].least) continue;
      to[rival.query].push_back(rival);
      ++n_rivals;
    }
  };
  for (const Worker& worker : workers_) {
    keep(worker.rivals, rivals);
    keep(worker.target_rivals, target_rivals);
  }
  const int n_threads = n_rivals > 0 && n_rivals < kSerialRivals ? 1 : n_threads_;
  parallel_for(n_threads, static_cast<std::int64_t>(n_groups_), [&](std::int64_t group, int at) {
    const auto g = static_cast<std::size_t>(group);
    Worker& worker = workers_[static_cast<std::size_t>(at)];
    CutCandidate& best = found[g].best;
    for (const NumericRival& rival : rivals[g])
      judge_rival(search_, numeric_, rival, found[g].least, worker.numeric, best);
    for (const TargetRival& rival : target_rivals[g]) judge_target_rival(search_, rival, worker.targets, best);
    const std::size_t n = search_.shared ? search_.queries.size() : 1;
    for (Split& split : out.subspan(g, n)) split = Split{};
    if (best.feature < 0) return;
    if (!search_.shared && search_.kind_of(best.feature) == CutKind::kNumeric) {
      write_numeric(g, best, worker.numeric.unpacked, out[g]);
    } else {
      look(search_, best.feature, g, n, worker.general.view);
      write_splits(search_, worker.general.view, best, out.subspan(g, n));
    }
  });
}

void CpuBackend::best_splits(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
                             std::span<Split> out) {
  if (queries.empty()) return;
  SplitCall call(*this, rules, queries, shared);
  call.run();
  call.judge(out);
}

}  // namespace pygbt
