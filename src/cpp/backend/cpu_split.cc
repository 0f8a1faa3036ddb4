// SPDX-License-Identifier: Apache-2.0
// Best cut of each node. A task is one feature of one node (or, for symmetric trees, one feature of all nodes); the
// winners of the tasks are compared by the total order, so tasks may run in any order.
#include <algorithm>

#include "backend/cpu_backend.h"
#include "backend/histogram_flush.h"
#include "base/error.h"
#include "base/pool.h"
#include "math/cut_search.h"

namespace pygbt {

namespace {

// The best cut of one feature, before the winner's sums are worked out.
struct Candidate {
  double gain = 0.0;               // children - parent, summed over the nodes of the task
  FeatureId feature = -1;
  Bin bin = 0;                     // see Split::bin
  bool missing_left = false;
  std::int32_t step = 0;           // cut number in the visiting order
};

bool better(const Candidate& a, const Candidate& b) {
  if ((a.feature >= 0) != (b.feature >= 0)) return a.feature >= 0;
  return pygbt::better(a.gain, a.feature, a.bin, a.missing_left, b.gain, b.feature, b.bin, b.missing_left);
}

enum class CutKind { kNumeric, kOneHot, kOrdered };

// One feature over the nodes that share its cut: one node, or all nodes of a symmetric level.
struct FeatureView {
  FeatureId feature = 0;
  CutKind kind = CutKind::kNumeric;
  std::vector<FeatureHistogram> histograms;  // [node]
  std::vector<Cell> unpacked;                // [node][bin][width] of nodes whose histograms are packed
  std::vector<CutContext> nodes;             // [node]
  std::vector<std::uint16_t> order;          // categories: bins in visiting order, kRarePool for all rare ones
  std::vector<std::uint16_t> rare;           // bins of the rare categories
  std::vector<Cell> rare_cells;              // [node][width] behind FeatureHistogram::rare
  bool missing = false;                      // some node has missing rows here

  std::int32_t n_steps() const {
    return kind == CutKind::kNumeric ? histograms[0].n_bins - 1 : static_cast<std::int32_t>(order.size());
  }
  Bin bin_of(std::int32_t step) const {
    return kind == CutKind::kOneHot ? static_cast<Bin>(order[static_cast<std::size_t>(step - 1)])
                                    : static_cast<Bin>(step);
  }
};

// Sum of the cells of all nodes, for what a symmetric level decides as one.
std::vector<Cell> pooled_cells(const FeatureView& view) {
  const auto size =
      static_cast<std::size_t>(view.histograms[0].n_bins) * static_cast<std::size_t>(view.histograms[0].width);
  std::vector<Cell> cells(size);
  for (const FeatureHistogram& histogram : view.histograms)
    for (std::size_t i = 0; i < size; ++i) cells[i] += histogram.cells[i];
  return cells;
}

// Finds the categories to be judged, pools the rare ones of each node, and puts them in order.
void prepare_categories(FeatureView& view, const SplitRules& rules) {
  const FeatureHistogram& first = view.histograms[0];
  const auto width = static_cast<std::size_t>(first.width);
  const double* h_units = view.nodes[0].h_units;
  const std::vector<Cell> all = pooled_cells(view);
  FeatureHistogram pooled = first;
  pooled.cells = all.data();
  // Sums of several nodes could cancel to 0: a category occurs where any node has it.
  const auto occurs = [&](std::int32_t bin) {
    return std::any_of(view.histograms.begin(), view.histograms.end(), [&](const FeatureHistogram& histogram) {
      return !is_zero(histogram.cell(bin), histogram.width) || histogram.count(bin) != 0;
    });
  };
  for (std::int32_t bin = 1; bin < first.n_bins; ++bin) {
    if (!occurs(bin)) continue;
    const bool rare = view.kind == CutKind::kOrdered &&
                      category_hessian(pooled.cell(bin), h_units, first.width) < rules.min_category_hessian;
    (rare ? view.rare : view.order).push_back(static_cast<std::uint16_t>(bin));
  }
  if (view.kind != CutKind::kOrdered) return;
  view.rare_cells.assign((view.histograms.size() + 1) * width, Cell{});
  Cell* pool = view.rare_cells.data() + view.histograms.size() * width;
  for (std::size_t i = 0; i < view.histograms.size(); ++i) {
    FeatureHistogram& histogram = view.histograms[i];
    histogram.rare = view.rare_cells.data() + i * width;
    for (const std::uint16_t bin : view.rare) {
      for (std::size_t k = 0; k < width; ++k) {
        view.rare_cells[i * width + k] += histogram.cell(bin)[k];
        pool[k] += histogram.cell(bin)[k];
      }
      histogram.rare_count += histogram.count(bin);
    }
  }
  pooled.rare = pool;
  if (!view.rare.empty()) view.order.push_back(kRarePool);
  order_categories(pooled, view.nodes[0].g_units, h_units, rules.cat_smooth, view.order);
}

template <int kWidth, class Visit>
void visit_cuts(const FeatureView& view, const FeatureHistogram& histogram, Cell* left, Cell* with_missing,
                Visit&& visit) {
  if (view.kind == CutKind::kOneHot)
    visit_one_hot_cuts<kWidth>(histogram, view.order, view.missing, left, with_missing, visit);
  else
    visit_prefix_cuts<kWidth>(histogram, view.kind == CutKind::kNumeric ? nullptr : view.order.data(), view.n_steps(),
                              view.missing, left, with_missing, visit);
}

// Scratch of one worker.
struct Scratch {
  std::vector<Cell> left, with_missing, right;
  std::vector<double> gains, worth;   // symmetric: [step][missing side] summed over nodes
};

template <int kWidth>
Candidate search_feature(const FeatureView& view, const SplitRules& rules, Scratch& scratch) {
  const auto width = static_cast<std::size_t>(view.nodes[0].width);
  scratch.left.resize(width);
  scratch.with_missing.resize(width);
  scratch.right.resize(width);
  const std::int32_t n_steps = view.n_steps();
  const auto in_reach = [&](std::int32_t step) {
    return view.kind != CutKind::kOrdered || std::min(step, n_steps - step) <= rules.max_cat_threshold;
  };
  Candidate best;
  const auto offer = [&](double children, double gain, std::int32_t step, bool missing_left) {
    if (!(gain > rules.min_split_gain) || !(gain > kRelativeGainFloor * children)) return;
    const Candidate candidate{gain, view.feature, view.bin_of(step), missing_left, step};
    if (better(candidate, best)) best = candidate;
  };

  if (view.nodes.size() == 1 && !view.nodes[0].shared) {
    const CutContext& node = view.nodes[0];
    const double parent = set_gain<kWidth>(node.sums, node);
    visit_cuts<kWidth>(view, view.histograms[0], scratch.left.data(), scratch.with_missing.data(),
                       [&](std::int32_t step, bool missing_left, const Cell* left, std::int64_t count) {
                         if (!in_reach(step)) return;
                         const double children = cut_gain<kWidth>(left, count, node, parent, scratch.right.data());
                         offer(children, children - parent, step, missing_left);
                       });
    return best;
  }
  const auto slots = static_cast<std::size_t>(n_steps + 1) * 2;
  scratch.gains.assign(slots, 0.0);
  scratch.worth.assign(slots, 0.0);
  std::vector<char> seen(slots, 0);
  for (std::size_t i = 0; i < view.nodes.size(); ++i) {
    const CutContext& node = view.nodes[i];
    const double parent = set_gain<kWidth>(node.sums, node);
    visit_cuts<kWidth>(view, view.histograms[i], scratch.left.data(), scratch.with_missing.data(),
                       [&](std::int32_t step, bool missing_left, const Cell* left, std::int64_t count) {
                         if (!in_reach(step)) return;
                         const double children = cut_gain<kWidth>(left, count, node, parent, scratch.right.data());
                         const std::size_t slot = static_cast<std::size_t>(step) * 2 + missing_left;
                         scratch.gains[slot] += children - parent;
                         scratch.worth[slot] += children;
                         seen[slot] = 1;
                       });
  }
  for (std::size_t slot = 0; slot < slots; ++slot)
    if (seen[slot])
      offer(scratch.worth[slot], scratch.gains[slot], static_cast<std::int32_t>(slot / 2), (slot & 1) != 0);
  return best;
}

// Calls visit(bin) for every bin of the left child.
template <class Visit>
void visit_left(const FeatureView& view, const Candidate& cut, bool missing_left, Visit&& visit) {
  if (view.kind == CutKind::kOneHot) visit(static_cast<std::int32_t>(cut.bin));
  if (view.kind == CutKind::kNumeric)
    for (std::int32_t bin = 1; bin <= cut.step; ++bin) visit(bin);
  if (view.kind == CutKind::kOrdered) {
    for (std::int32_t i = 0; i < cut.step; ++i) {
      const std::uint16_t entry = view.order[static_cast<std::size_t>(i)];
      if (entry != kRarePool) visit(static_cast<std::int32_t>(entry));
      if (entry == kRarePool)
        for (const std::uint16_t bin : view.rare) visit(static_cast<std::int32_t>(bin));
    }
  }
  if (missing_left) visit(static_cast<std::int32_t>(kMissingBin));
}

// Sums of the left child of one node under a candidate.
std::vector<Cell> left_sums(const FeatureView& view, std::size_t node, const Candidate& cut) {
  const FeatureHistogram& histogram = view.histograms[node];
  std::vector<Cell> left(static_cast<std::size_t>(histogram.width));
  visit_left(view, cut, cut.missing_left, [&](std::int32_t bin) {
    for (std::int32_t k = 0; k < histogram.width; ++k) left[static_cast<std::size_t>(k)] += histogram.cell(bin)[k];
  });
  return left;
}

// Categories of the winning set, and those that occur in no node on the side of the missing.
std::vector<std::uint32_t> left_bins(const FeatureView& view, const Candidate& cut, bool missing_left) {
  const std::int32_t n_bins = view.histograms[0].n_bins;
  std::vector<char> left(static_cast<std::size_t>(n_bins), missing_left);
  for (const std::uint16_t bin : view.order)
    if (bin != kRarePool) left[bin] = 0;
  for (const std::uint16_t bin : view.rare) left[bin] = 0;
  visit_left(view, cut, false, [&](std::int32_t bin) { left[static_cast<std::size_t>(bin)] = 1; });
  std::vector<std::uint32_t> words(static_cast<std::size_t>((n_bins + 31) / 32), 0);
  for (std::size_t bin = 0; bin < left.size(); ++bin)
    if (left[bin]) words[bin / 32] |= 1u << (bin % 32);
  return words;
}

}  // namespace

void CpuBackend::best_splits(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
                             std::span<Split> out) {
  if (queries.empty()) return;
  const std::int32_t width = request_.width;
  std::vector<double> g_units, h_units;
  for (const CellUnits& unit : units_) {
    g_units.push_back(unit.g);
    h_units.push_back(unit.h);
  }

  // The nodes [first, first + n) that one cut serves, seen through one feature.
  const auto make_view = [&](FeatureId feature, std::size_t first, std::size_t n) {
    FeatureView view;
    view.feature = feature;
    const FeatureCuts& cuts = data_->cuts->features[static_cast<std::size_t>(feature)];
    if (cuts.categorical) view.kind = cuts.n_bins - 1 <= rules.max_cat_to_onehot ? CutKind::kOneHot : CutKind::kOrdered;
    for (std::size_t i = first; i < first + n; ++i) {
      const SplitQuery& query = queries[i];
      const Histogram& histogram = histogram_at(query.node);
      const std::int64_t offset = bin_offset_[static_cast<std::size_t>(feature)];
      const std::int64_t n_cells = std::int64_t{cuts.n_bins} * width;
      const Cell* cells = histogram.cells() + offset * width;
      if (histogram.packed) {
        view.unpacked.resize(n * static_cast<std::size_t>(n_cells));
        Cell* const to = view.unpacked.data() + static_cast<std::int64_t>(i - first) * n_cells;
        for (std::int64_t c = 0; c < n_cells; ++c) to[c] = unpack(histogram.packed_cells()[offset * width + c]);
        cells = to;
      }
      view.histograms.push_back(
          {cells, request_.count_rows ? histogram.counts.data() + offset : nullptr, cuts.n_bins, width});
      CutContext node;
      node.sums = query.sums.data();
      node.g_units = g_units.data();
      node.h_units = h_units.data();
      node.width = width;
      node.count = query.count;
      node.rule = {rules.reg_lambda + (view.kind == CutKind::kOrdered ? rules.cat_l2 : 0.0), rules.reg_alpha,
                   rules.max_delta_step};
      node.lower = query.lower.empty() ? nullptr : query.lower.data();
      node.upper = query.upper.empty() ? nullptr : query.upper.data();
      node.min_child_weight = rules.min_child_weight;
      node.min_child_samples = rules.min_child_samples;
      node.monotone = rules.monotone_of(feature);
      node.shared = shared;
      view.nodes.push_back(node);
    }
    if (cuts.categorical) prepare_categories(view, rules);
    for (const FeatureHistogram& histogram : view.histograms) view.missing = view.missing || histogram.has_missing();
    return view;
  };

  struct Task {
    std::size_t query;
    FeatureId feature;
  };
  std::vector<Task> tasks;
  const std::size_t n_groups = shared ? 1 : queries.size();
  std::int64_t work = 0;
  for (std::size_t q = 0; q < n_groups; ++q)
    for (const FeatureId feature : queries[q].features) {
      tasks.push_back({q, feature});
      work += data_->cuts->features[static_cast<std::size_t>(feature)].n_bins;
    }
  if (shared) work *= static_cast<std::int64_t>(queries.size());

  // Tasks in runs, each run's winner per query; few bins are not worth a dispatch.
  const int n_threads = work * width < 4096 ? 1 : n_threads_;
  const auto n_tasks = static_cast<std::int64_t>(tasks.size());
  const std::int64_t n_runs = n_threads == 1 ? 1 : std::min<std::int64_t>(n_tasks, std::int64_t{8} * n_threads);
  std::vector<std::vector<Candidate>> winners(static_cast<std::size_t>(n_runs));
  parallel_for(n_threads, n_runs, [&](std::int64_t run, int) {
    std::vector<Candidate>& mine = winners[static_cast<std::size_t>(run)];
    mine.resize(n_groups);
    Scratch scratch;
    for (std::int64_t t = n_tasks * run / n_runs; t < n_tasks * (run + 1) / n_runs; ++t) {
      const Task& task = tasks[static_cast<std::size_t>(t)];
      const FeatureView view = make_view(task.feature, shared ? 0 : task.query, shared ? queries.size() : 1);
      const Candidate found =
          width == 1 ? search_feature<1>(view, rules, scratch) : search_feature<0>(view, rules, scratch);
      if (better(found, mine[task.query])) mine[task.query] = found;
    }
  });

  for (std::size_t q = 0; q < n_groups; ++q) {
    Candidate best;
    for (const auto& run : winners)
      if (better(run[q], best)) best = run[q];
    const std::size_t n = shared ? queries.size() : 1;
    for (std::size_t i = 0; i < n; ++i) out[q + i] = Split{};
    if (best.feature < 0) continue;
    const FeatureView view = make_view(best.feature, q, n);
    std::vector<std::vector<Cell>> left;
    bool missing_left = best.missing_left;
    for (std::size_t i = 0; i < n; ++i) left.push_back(left_sums(view, i, best));
    if (!view.missing) missing_left = default_side(view.nodes, left);
    for (std::size_t i = 0; i < n; ++i) {
      Split& split = out[q + i];
      split.gain = best.gain;
      split.feature = best.feature;
      split.bin = best.bin;
      split.missing_left = missing_left;
      split.categorical = view.kind != CutKind::kNumeric;
      if (split.categorical) split.left_bins = left_bins(view, best, missing_left);
      if (shared) {
        const CutContext& node = view.nodes[i];
        const double parent = set_gain<0>(node.sums, node);
        std::vector<Cell> right(left[i].size());
        std::int64_t left_count = 0;
        visit_left(view, best, best.missing_left,
                   [&](std::int32_t bin) { left_count += view.histograms[i].count(bin); });
        split.gain = cut_gain<0>(left[i].data(), left_count, node, parent, right.data()) - parent;
      }
      split.left = std::move(left[i]);
    }
  }
}

}  // namespace pygbt
