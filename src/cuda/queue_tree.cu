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
#include "leaf_rows.h"
#include "monotone_leaves.h"
#include "move_rows.h"
#include "quantise_rows.h"

namespace pygbt::device {

void CudaBackend::queue_tree(const TreeOrder& order) {
  Growth& growth = growth_;
  if (growth.stopped) return;
  if (growth.n_queued == growth.capacity && growth.n_queued > 0) fetch_trees();
  if (growth.stopped) return;
  request_ = order.request;
  in_order_ = order.request.width == 1;
  if (growth.capacity == 0) make_growth(order);
  send_lists(order.features);
  send_units(order.draws.levels);
  if (!order.rules.target_factors.empty()) growth.factors.put(order.rules.target_factors);
  const TreeArguments arguments{order.request.iteration, order.request.first_target,
                                static_cast<std::int32_t>(growth.n_queued), order.learning_rate, order.draws.tree};
  tree_.put(std::span(&arguments, 1));
  const RecordingKey key{order.request.wide, growth.most_features, order.quantile_levels};
  if (order.limits.order == GrowOrder::kBestFirst)
    launch_best_first(order, growth.recordings[key]);
  else
    device_.replay(growth.recordings[key].start, [&] { launch_levels(order); });
  growth.targets.push_back(order.request.first_target);
  ++growth.n_queued;
}

// Steps with twice the nodes each.
void CudaBackend::launch_levels(const TreeOrder& order) {
  const LeavesKernel list_leaves{growth_.tree, growth_.grown, table_.features()};
  launch_start(order);
  if (growth_.bounds.steps == 0) device_.launch(1, device_.policy().n_threads, list_leaves, block_scratch());
  std::int64_t n_queries = 1, n_items = 1;  // nodes that the step searches and expands, at most
  for (std::int64_t step = 1; step <= growth_.bounds.steps; ++step) {
    launch_step(order, n_queries);
    if (step < growth_.bounds.steps)
      launch_expansion(n_items, Nothing{});
    else
      launch_expansion(n_items, list_leaves);
    n_queries = 2 * n_items;
    n_items = std::min(growth_.bounds.items, n_queries);
  }
  launch_leaves(order);
}

// Steps that are all alike, but nobody knows how many it takes: they are queued some at a time, and while they run the
// host looks whether those before them had anything to do.
void CudaBackend::launch_best_first(const TreeOrder& order, TreeRecordings& recordings) {
  const std::int64_t n_items = growth_.bounds.items, at_once = device_.policy().steps_at_once;
  device_.replay(recordings.start, [&] {
    launch_start(order);
    if (growth_.bounds.steps > 0) launch_step(order, 1);
  });
  bool growing = true;
  for (std::int64_t done = 0; growing && done < growth_.bounds.steps; done += at_once) {
    device_.replay(recordings.steps, [&] {
      for (std::int64_t step = 0; step < at_once; ++step) {
        launch_expansion(n_items, Nothing{});
        launch_step(order, 2 * n_items);
      }
    });
    growing = device_.report(growth_.reports, &growth_.tree.state->n_expanded) != 0;
  }
  device_.forget(growth_.reports);
  device_.replay(recordings.leaves, [&] {
    device_.launch(1, device_.policy().n_threads, LeavesKernel{growth_.tree, growth_.grown, table_.features()},
                   block_scratch());
    launch_leaves(order);
  });
}

// Histograms and cuts of the nodes that the step before has listed; then which nodes are expanded next.
void CudaBackend::launch_step(const TreeOrder& order, std::int64_t n_queries) {
  const Growth& growth = growth_;
  const bool shared = order.limits.order == GrowOrder::kSymmetric;
  const std::int64_t n_built = (n_queries + 1) / 2, n_sets = shared ? 1 : n_queries;
  launch_histograms(growth.tree.built, growth.tree.places);
  if (n_queries > 1 && !growth.tree.search_subtracts)
    launch_subtract(growth.tree.pairs, &growth.tree.state->n_pairs, n_built);
  Search search = search_memory(order.rules, static_cast<std::size_t>(n_queries), static_cast<std::size_t>(n_sets),
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
  launch_search(search,
                {growth.tree.searched, growth.tree.cuts, growth.tree.left, growth.tree.left_bins, growth.tree.n_words},
                n_queries, n_sets, growth.tree);
}

// Rows, integers and the root; meanwhile histograms are cleared.
void CudaBackend::launch_start(const TreeOrder& order) {
  Growth& growth = growth_;
  const bool own_totals = order.guessed && (order.request.wide || order.request.subsample < 1.0);
  request_ = order.request;
  if (own_totals) {
    device_.fill(growth.totals, 0, static_cast<std::size_t>(order.request.width) * sizeof(DrawnSums));
    for (std::int32_t k = 0; k < order.request.width; ++k) launch_totals(tree_.data(), k, growth.totals + k);
  }
  if (!draws_all()) make_moves(1);
  const StartKernel start{growth.tree,
                          tree_.data(),
                          drawn_sums_.data(),
                          own_totals ? growth.totals : drawn_sums_.data(),
                          extremes_.data(),
                          scales_.data(),
                          draws_all() ? nullptr : moves_.left_counts.data(),
                          n_drawn_.make(std::size_t{1}),
                          stop_.data(),
                          n_rows_,
                          data_->total_weight,
                          data_->weight_unit,
                          order.min_cat_weight,
                          order.rules.target_factors.empty() ? nullptr : growth.factors.data(),
                          order.request.wide,
                          order.guessed};
  const std::int64_t n_bins = growth.bounds.slots * table_.n_bins();
  start_tree(order.request, start,
             ClearKernel{growth.tree.arena, growth.tree.count_arena, n_bins * order.request.width, n_bins});
}

// Children of the nodes that are cut next, and their rows. Once the children are known one block does `then`.
template <class Then>
void CudaBackend::launch_expansion(std::int64_t n_items, const Then& then) {
  const Frontier& tree = growth_.tree;
  make_moves(n_items);
  const CutSide side{tree.moved, tree.left_bins, table_.columns()};
  move_rows(tree.tiles, n_items, side, in_order_ ? gradient_bytes() : 0,
            InTurn{ChildrenKernel{tree, moves_.left_counts.data()}, then});
}

// Leaf values and scores.
void CudaBackend::launch_leaves(const TreeOrder& order) {
  const Growth& growth = growth_;
  const GrownOnDevice& grown = growth.grown;
  const std::int64_t n_leaves = (growth.bounds.nodes + 1) / 2;
  const std::vector<double>& levels = order.quantile_levels;
  const bool by_sums = levels.empty() || *std::min_element(levels.begin(), levels.end()) < 0.0;
  if (by_sums)
    launch_leaf_sums(growth.tree.leaves, n_leaves, grown.leaf_sums, LeafValueKernel{growth.tree, grown, tree_.data()});
  else
    launch_leaf_sums(growth.tree.leaves, n_leaves, grown.leaf_sums);
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
  launch_add_scores(growth.tree.leaves, n_leaves, {grown.nodes, grown.bins, grown.leaf_values, order.request.width},
                    RecordKernel{growth.tree, grown, growth.records, tree_.data()});
}

// The trees of the records, up to the first that was not grown.
void CudaBackend::fetch_trees() {
  Growth& growth = growth_;
  if (growth.n_queued == 0) return;
  const TreeRecords& records = growth.records;
  std::vector<std::byte> bytes(static_cast<std::size_t>(growth.n_queued * records.stride));
  growth.record_memory.get(bytes.data(), bytes.size());
  const auto width = static_cast<std::size_t>(growth.tree.width);
  for (std::int64_t i = 0; i < growth.n_queued; ++i) {
    const std::byte* const record = bytes.data() + i * records.stride;
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
    OrderedTree tree;
    const auto n_nodes = static_cast<std::size_t>(head.n_nodes);
    const std::size_t n_values = static_cast<std::size_t>(head.n_leaves) * width;
    std::vector<double> units;
    tree.tree.width = growth.tree.width;
    tree.tree.target = growth.targets[static_cast<std::size_t>(i)];
    read(tree.tree.nodes, records.nodes, n_nodes);
    read(tree.tree.cat_bits, records.bins, n_nodes * static_cast<std::size_t>(growth.tree.n_words));
    read(tree.tree.leaf_value, records.leaf_values, n_values);
    read(tree.leaf_sums, records.leaf_sums, n_values);
    read(units, records.leaf_units, 2 * width);
    for (std::size_t k = 0; k < width; ++k) tree.leaf_units.push_back({units[k], units[width + k]});
    growth.finished.push_back(std::move(tree));
  }
  growth.n_queued = 0;
  growth.targets.clear();
}

std::vector<OrderedTree> CudaBackend::finish_trees() {
  fetch_trees();
  if (growth_.stopped) stop_.clear();
  growth_.stopped = false;
  return std::exchange(growth_.finished, {});
}

}  // namespace pygbt::device
