// SPDX-License-Identifier: Apache-2.0
// Whole trees, queued: the launches of a tree's growth, one step after the other, and the trees that come back. Nothing
// waits for the device until the finished trees are wanted.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "frontier_children.h"
#include "frontier_leaves.h"
#include "frontier_start.h"
#include "frontier_stem.h"
#include "leaf_rows.h"
#include "mark_rows.h"
#include "monotone_leaves.h"
#include "move_rows.h"
#include "quantise_rows.h"

namespace pygbt::device {

namespace {

// Whether something reads the rows of a leaf side by side: then the last step's are moved, too. Nothing marks those of a stem.
bool reads_rows_by_leaf(const TreeOrder& order) {
  return order.kind.full_leaves || order.kind.stem == StemUse::kMakes ||
         std::any_of(order.quantile_levels.begin(), order.quantile_levels.end(), [](double q) { return q >= 0.0; });
}

}  // namespace

void CudaBackend::queue_tree(const TreeOrder& order) {
  Growth& growth = growth_;
  if (growth.stopped) return;
  request_ = order.request;
  in_order_ = order.request.width == 1;
  GrowthKind& kind = *(growth.now = &growth_kind(order));
  if (growth.record_end + kind.records.size > static_cast<std::int64_t>(growth.record_memory.size())) fetch_trees();
  if (growth.stopped) return;
  send_lists(order.features);
  send_units(order.draws.levels);
  if (order.kind.sketch > 0) launch_sketches(order);
  const TreeArguments arguments{order.request.iteration, order.request.first_target, first_leaf_target(order.request),
                                growth.record_end,       order.learning_rate,        order.draws.tree};
  tree_.put(std::span(&arguments, 1));
  const RecordingKey key{order.request.wide, kind.most_features, order.quantile_levels};
  if (order.kind.limits.order == GrowOrder::kBestFirst)
    launch_best_first(order, kind.recordings[key]);
  else
    device_.replay(kind.recordings[key].start, [&] { launch_levels(order); });
  growth.queued.push_back({&kind, growth.record_end, arguments.first_leaf_target});
  growth.record_end += kind.records.size;
}

// Steps with twice the nodes each. The last one's cuts mark the rows and need not move them.
void CudaBackend::launch_levels(const TreeOrder& order) {
  const GrowthKind& kind = *growth_.now;
  const ListedLeavesKernel list_leaves{{kind.tree, kind.grown, table_.features()}};
  const bool moves_all = kind.bounds.steps == 0 || reads_rows_by_leaf(order);
  std::int64_t n_queries = launch_start(order);  // nodes that the step searches and expands, at most
  std::int64_t n_items = std::min(kind.bounds.items, n_queries);
  if (kind.bounds.steps == 0) device_.launch(1, device_.policy().n_threads, list_leaves, block_scratch());
  for (std::int64_t step = 1; step <= kind.bounds.steps; ++step) {
    const bool last = step == kind.bounds.steps;
    launch_step(order, n_queries, last && !moves_all);
    if (!last)
      launch_expansion(n_items, Nothing{});
    else if (moves_all)
      launch_expansion(n_items, list_leaves);
    n_queries = 2 * n_items;
    n_items = std::min(kind.bounds.items, n_queries);
  }
  launch_leaves(order, !moves_all);
}

// Steps that are all alike, but nobody knows how many it takes: they are queued some at a time, and while they run the
// host looks whether those before them had anything to do.
void CudaBackend::launch_best_first(const TreeOrder& order, TreeRecordings& recordings) {
  const GrowthKind& kind = *growth_.now;
  const std::int64_t n_items = kind.bounds.items, at_once = device_.policy().steps_at_once;
  device_.replay(recordings.start, [&] {
    const std::int64_t n_queries = launch_start(order);
    if (kind.bounds.steps > 0) launch_step(order, n_queries);
  });
  bool growing = true;
  for (std::int64_t done = 0; growing && done < kind.bounds.steps; done += at_once) {
    device_.replay(recordings.steps, [&] {
      for (std::int64_t step = 0; step < at_once; ++step) {
        launch_expansion(n_items, Nothing{});
        launch_step(order, 2 * n_items);
      }
    });
    growing = device_.report(growth_.reports, &kind.tree.state->n_expanded) != 0;
  }
  device_.forget(growth_.reports);
  device_.replay(recordings.leaves, [&] {
    device_.launch(1, device_.policy().n_threads, ListedLeavesKernel{{kind.tree, kind.grown, table_.features()}},
                   block_scratch());
    launch_leaves(order, false);
  });
}

// Children by the cuts of the stem, level by level. Nodes that are searched at once then, at most.
std::int64_t CudaBackend::launch_stem(const TreeOrder& order) {
  const GrowthKind& kind = *growth_.now;
  const std::int32_t depth = order.kind.stem_depth;
  std::int64_t n_items = 1;
  for (std::int32_t level = 1; level <= depth; ++level) {
    if (level < depth) {
      launch_expansion(n_items, Nothing{});
      device_.launch(1, device_.policy().n_threads, StemKernel{kind.tree, table_.features(), tree_.data()},
                     block_scratch());
    } else {
      launch_expansion(n_items, StemEndsKernel{kind.tree});
    }
    n_items = std::min(kind.bounds.items, 2 * n_items);
  }
  return n_items;
}

// Histograms and cuts of the nodes that the step before has listed; then which nodes are expanded next. `marks`: their rows
// are not moved.
void CudaBackend::launch_step(const TreeOrder& order, std::int64_t n_queries, bool marks) {
  const GrowthKind& growth = *growth_.now;
  const bool shared = order.kind.limits.order == GrowOrder::kSymmetric;
  const std::int64_t n_built = (n_queries + 1) / 2, n_sets = shared ? 1 : n_queries;
  launch_histograms(growth.tree.built, growth.tree.places);
  if (n_queries > 1 && !growth.tree.search_subtracts)
    launch_subtract(growth.tree.pairs, &growth.tree.state->n_pairs, n_built);
  Search search = search_memory(order.kind.rules, static_cast<std::size_t>(n_queries), static_cast<std::size_t>(n_sets),
                                shared, growth.most_features);
  search.queries = growth.tree.queries;
  search.sets = growth.tree.sets;
  search.n_queries = &growth.tree.state->n_queries;
  search.n_sets = &growth.tree.state->n_sets;
  search.lists = growth.list_heads.data();
  search.n_lists = static_cast<std::int32_t>(growth.lists.size());
  search.sums = growth.tree.query_sums;
  search.lower = growth.tree.query_lower;
  search.upper = growth.tree.query_upper;
  search.allowed = launch_node_columns(n_sets);
  search.g_units = growth.tree.g_units;
  search.h_units = growth.tree.g_units + growth.tree.width;
  search.min_category_hessian = growth.tree.min_category_hessian;
  search.monotone = growth.tree.monotone;
  search.used = growth.tree.used;
  search.feature_penalty = order.kind.feature_penalty;
  launch_search(search,
                {growth.tree.searched, growth.tree.cuts, growth.tree.left, growth.tree.left_bins, growth.tree.n_words},
                n_queries, n_sets, growth.tree, marks ? growth.grown.leaf_sums : nullptr);
  if (!order.kind.witnesses.empty()) launch_witnesses(order, search, n_queries);
}

// Rows, integers and the root, or the ends of its stem; meanwhile histograms are cleared. Nodes that are searched first, at
// most.
std::int64_t CudaBackend::launch_start(const TreeOrder& order) {
  GrowthKind& kind = *growth_.now;
  const bool own_totals = order.guessed && (order.request.wide || order.request.subsample < 1.0);
  request_ = order.request;
  const CellUnits* const factors = order.kind.sketch > 0 ? nullptr : launch_balance(order.kind);
  if (own_totals) {
    device_.fill(kind.totals, 0, static_cast<std::size_t>(order.request.width) * sizeof(DrawnSums));
    launch_totals(tree_.data(), order.request.width, kind.totals);
  }
  if (!draws_all()) make_moves(1);
  const StartKernel start{kind.tree,
                          tree_.data(),
                          drawn_sums_.data(),
                          own_totals ? kind.totals : drawn_sums_.data(),
                          extremes_.data(),
                          narrow_means(),
                          draws_all() ? nullptr : moves_.left_counts.data(),
                          n_drawn_.make(std::size_t{1}),
                          stop_.data(),
                          n_rows_,
                          data_->total_weight,
                          order.kind.min_cat_weight,
                          factors,
                          order.request.wide,
                          order.guessed};
  const std::int64_t n_bins = kind.bounds.slots * table_.n_bins();
  const ClearKernel clear{kind.tree.arena, kind.tree.count_arena, n_bins * order.request.width, n_bins};
  if (order.kind.stem != StemUse::kGrowsOn) {
    start_tree(order.request, start, clear);
    if (!order.kind.witnesses.empty()) launch_witness_units(order);
    return 1;
  }
  start_tree(order.request, InTurn{start, StemKernel{kind.tree, table_.features(), tree_.data()}}, clear);
  return launch_stem(order);
}

// Children of the nodes that are cut next, and their rows. Once the children are known one block does `then`.
template <class Then>
void CudaBackend::launch_expansion(std::int64_t n_items, const Then& then) {
  const Frontier& tree = growth_.now->tree;
  make_moves(n_items);
  const CutSide side{tree.moved, tree.left_bins, table_.columns()};
  move_rows(tree.tiles, n_items, side, in_order_ ? gradient_bytes() : 0,
            InTurn{ChildrenKernel{tree, moves_.left_counts.data()}, then});
}

// Leaf values and scores, or the cuts of a stem. waiting: rows of the nodes that are cut last wait to go to their children,
// and are only marked.
void CudaBackend::launch_leaves(const TreeOrder& order, bool waiting) {
  const GrowthKind& growth = *growth_.now;
  const GrownOnDevice& grown = growth.grown;
  if (order.kind.stem == StemUse::kMakes)
    return launch_rows(growth.bounds.nodes,
                       KeepStemKernel{growth.tree, table_.features(), growth.records, tree_.data()});
  const std::int64_t n_leaves = growth.bounds.leaves;
  const std::vector<double>& levels = order.quantile_levels;
  const bool by_sums = levels.empty() || *std::min_element(levels.begin(), levels.end()) < 0.0;
  if (!draws_all()) clear_marks(growth.marks);
  launch_marks(growth.tree.runs, n_leaves, {growth.tree.moved, growth.tree.left_bins, table_.columns()},
               growth.tree.run_leaves, growth.marks);
  const MarkedLeaves leaves{growth.marks, growth.tree.leaves.n_items, n_leaves};
  const LeafValueKernel by_sum{growth.tree, grown, tree_.data()};
  if (waiting)
    launch_leaf_sums(leaves, grown.leaf_sums,
                     InTurn{CountLefts{growth.tree.runs, moves_.tile_lefts.data(), moves_.left_counts.data()},
                            InTurn{ChildrenKernel{growth.tree, moves_.left_counts.data()},
                                   LeavesKernel{growth.tree, grown, table_.features()}}},
                     by_sum);
  else if (by_sums)
    launch_leaf_sums(leaves, grown.leaf_sums, Nothing{}, by_sum);
  else
    launch_leaf_sums(leaves, grown.leaf_sums);
  if (order.kind.full_leaves) launch_full_leaves(*order.kind.full_leaves);
  const bool bounded = growth.tree.monotone != nullptr;
  for (std::size_t k = 0; k < levels.size(); ++k) {
    if (levels[k] < 0.0) continue;
    const auto target = static_cast<std::int32_t>(k);
    launch_leaf_quantiles(growth.tree.leaves, n_leaves, target, levels[k], bounded, grown.leaf_values);
    if (bounded)
      device_.launch(1, device_.policy().n_threads,
                     MonotoneLeavesKernel{growth.tree, grown, tree_.data(), growth.means, growth.mean_ranges, target},
                     block_scratch());
  }
  launch_add_scores(leaves, {grown.nodes, grown.bins, grown.leaf_values, growth.tree.leaf_width},
                    RecordKernel{growth.tree, grown, growth.records, tree_.data()});
}

// The trees of the records, up to the first that was not grown.
void CudaBackend::fetch_trees() {
  Growth& growth = growth_;
  if (growth.queued.empty()) return;
  std::vector<std::byte> bytes(static_cast<std::size_t>(growth.record_end));
  growth.record_memory.get(bytes.data(), bytes.size());
  for (const Growth::Queued& queued : growth.queued) {
    const TreeRecords& records = queued.kind->records;
    const Frontier& frontier = queued.kind->tree;
    const std::byte* const record = bytes.data() + queued.record;
    const auto read = [&]<class T>(std::vector<T>& out, std::int64_t part, std::size_t n) {
      out.resize(n);
      if (n > 0) std::memcpy(out.data(), record + part, n * sizeof(T));
    };
    TreeRecords::Head head;
    std::memcpy(&head, record, sizeof head);
    if (head.n_nodes == 0) {
      growth.stopped = true;
      break;
    }
    OrderedTree& tree = growth.finished.emplace_back();
    if (queued.kind->kind.stem == StemUse::kMakes) continue;
    const auto n_nodes = static_cast<std::size_t>(head.n_nodes), width = static_cast<std::size_t>(frontier.leaf_width);
    const std::size_t n_values = static_cast<std::size_t>(head.n_leaves) * width;
    std::vector<double> units;
    tree.tree.width = frontier.leaf_width;
    tree.tree.target = queued.first_leaf_target;
    read(tree.tree.nodes, records.nodes, n_nodes);
    read(tree.tree.cat_bits, records.bins, n_nodes * static_cast<std::size_t>(frontier.n_words));
    read(tree.tree.leaf_value, records.leaf_values, n_values);
    read(tree.leaf_sums, records.leaf_sums, n_values);
    read(units, records.leaf_units, 2 * width);
    for (std::size_t k = 0; k < width; ++k) tree.leaf_units.push_back({units[k], units[width + k]});
  }
  growth.queued.clear();
  growth.record_end = 0;
}

std::vector<OrderedTree> CudaBackend::finish_trees() {
  fetch_trees();
  if (growth_.stopped) stop_.clear();
  growth_.stopped = false;
  return std::exchange(growth_.finished, {});
}

}  // namespace pygbt::device
