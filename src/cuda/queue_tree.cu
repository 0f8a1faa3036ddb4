// SPDX-License-Identifier: Apache-2.0
// Whole trees, queued: the launches of a tree's growth, one step after the other, and the trees that come back. Nothing
// waits for the device until the finished trees are wanted.
#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "backend/kernels.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "frontier_children.h"
#include "frontier_leaves.h"
#include "frontier_start.h"
#include "leaf_rows.h"
#include "move_rows.h"
#include "quantise_rows.h"

namespace pygbt::device {

namespace {

// Parts of one piece of memory: counted first, then handed out.
class Carver {
 public:
  explicit Carver(std::byte* memory) : memory_(memory) {}
  template <class T>
  T* take(std::int64_t n) {
    const std::size_t begin = size_;
    size_ = (size_ + static_cast<std::size_t>(n) * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + begin);
  }
  Pieces pieces(std::int64_t n_items) {
    return {take<RowRun>(n_items), take<std::int64_t>(n_items + 1), take<std::int64_t>(1), take<std::int32_t>(1)};
  }
  std::size_t size() const { return size_; }

 private:
  static constexpr std::size_t kAlignment = 16;
  std::byte* memory_;
  std::size_t size_ = 0;
};

std::int64_t power(std::int32_t exponent) { return std::int64_t{1} << std::min(exponent, 40); }

}  // namespace

// Bounds of a tree's growth.
CudaBackend::GrowthBounds CudaBackend::bounds_of(const GrowLimits& limits, std::int64_t max_nodes) {
  GrowthBounds bounds;
  bounds.nodes = max_nodes;
  const std::int64_t expanded = (max_nodes - 1) / 2;
  const std::int64_t by_depth = limits.max_depth > 0 ? power(limits.max_depth - 1) : expanded;
  bounds.slots = std::min(by_depth, expanded + 1);
  if (limits.order == GrowOrder::kBestFirst) {
    bounds.items = std::min<std::int64_t>(kLeavesAhead, expanded);
    bounds.steps = std::min(limits.budget(1), limits.max_depth > 0 ? power(limits.max_depth) - 1 : expanded);
  } else {
    bounds.items = std::min({by_depth, limits.budget(0), expanded});
    bounds.steps = std::min<std::int64_t>(limits.budget(1), limits.max_depth > 0 ? limits.max_depth : expanded);
  }
  return bounds;
}

bool CudaBackend::grows_trees(const TreeKind& kind) const {
  if (kind.max_nodes <= 0) return false;
  const GrowthBounds bounds = bounds_of(kind.limits, kind.max_nodes);
  const std::int64_t of_bin = kind.width * static_cast<std::int64_t>(sizeof(Cell)) + (kind.count_rows ? 8 : 0);
  const auto n = static_cast<double>(bounds.slots + 2 * bounds.items);
  return n * static_cast<double>(table_.n_bins() * of_bin) <= static_cast<double>(device_.policy().growth_bytes);
}

// Memory of the growth, the same for all trees of a training.
void CudaBackend::make_growth(const TreeOrder& order) {
  const std::int32_t width = order.request.width;
  Growth& growth = growth_;
  const GrowthBounds bounds = growth.bounds = bounds_of(order.limits, order.request.max_nodes);
  const std::int64_t n_queries = 2 * bounds.items, n_leaves = (bounds.nodes + 1) / 2;
  Frontier& tree = growth.tree;
  tree = Frontier{};
  tree.n_words = category_words();
  const auto carve = [&](Carver& carver) {
    tree.state = carver.take<FrontierState>(1);
    tree.min_category_hessian = carver.take<double>(1);
    tree.nodes = carver.take<GrowNode>(bounds.nodes);
    tree.sums = carver.take<Cell>(bounds.nodes * width);
    tree.ranges = carver.take<Interval>(order.rules.monotone.empty() ? 0 : bounds.nodes * width);
    tree.cuts = carver.take<Candidate>(bounds.nodes);
    tree.left = carver.take<Cell>(bounds.nodes * width);
    tree.left_bins = carver.take<std::uint32_t>(bounds.nodes * tree.n_words);
    tree.in_tree = carver.take<NodeId>(bounds.nodes);
    tree.expanded = carver.take<NodeId>(bounds.items);
    tree.searched = carver.take<NodeId>(n_queries);
    tree.moved = carver.take<Cut>(bounds.items);
    tree.g_units = carver.take<double>(4 * width);
    tree.arena = carver.take<Cell>(bounds.slots * table_.n_bins() * width);
    tree.count_arena = carver.take<std::int64_t>(order.request.count_rows ? bounds.slots * table_.n_bins() : 0);
    tree.places = carver.take<HistogramPlace>(bounds.items);
    tree.pairs = carver.take<HistogramPair>(bounds.items);
    tree.queries = carver.take<Query>(n_queries);
    tree.sets = carver.take<NodeSet>(n_queries);
    tree.query_sums = carver.take<Cell>(n_queries * width);
    tree.query_lower = carver.take<double>(n_queries * width);
    tree.query_upper = carver.take<double>(n_queries * width);
    tree.tiles = carver.pieces(bounds.items);
    tree.built = carver.pieces(bounds.items);
    tree.leaves = carver.pieces(n_leaves);
    growth.grown.nodes = carver.take<BinnedNode>(bounds.nodes);
    growth.grown.bins = carver.take<std::uint32_t>(bounds.nodes * tree.n_words);
    growth.grown.leaf_sums = carver.take<Cell>(n_leaves * width);
    growth.grown.leaf_values = carver.take<float>(n_leaves * width);
    growth.totals = carver.take<DrawnSums>(width);
  };
  Carver counted(nullptr);
  carve(counted);
  Carver carver(growth.memory.make(counted.size()));
  carve(carver);
  // Copied whole: leaves have no bins, and structs have gaps.
  device_.fill(growth.grown.nodes, 0, static_cast<std::size_t>(bounds.nodes) * sizeof(BinnedNode));
  if (tree.n_words > 0)
    device_.fill(growth.grown.bins, 0, static_cast<std::size_t>(bounds.nodes * tree.n_words) * sizeof(std::uint32_t));
  if (order.rules.monotone.empty()) tree.ranges = nullptr;
  if (!order.request.count_rows) tree.count_arena = nullptr;
  tree.monotone = order.rules.monotone.empty() ? nullptr : growth.monotone.put(order.rules.monotone);
  tree.limits = order.limits;
  tree.leaf_rule = {order.rules.reg_lambda, order.rules.reg_alpha, order.rules.max_delta_step};
  tree.n_bins = table_.n_bins();
  tree.width = width;
  tree.lists_by_depth = order.features.size() > 1;
  // Features that a search leaves out may be searched further down where each level has a list of its own.
  tree.search_subtracts =
      !tree.lists_by_depth && !table_.any_categorical() && order.limits.order != GrowOrder::kSymmetric;
  tree.tile_size = tile_pieces();
  tree.histogram_size = histogram_pieces();
  tree.leaf_size = leaf_piece_size();

  // Recorded launches keep the addresses of what they use: none of it may move when a tree needs more.
  const std::int64_t gradient = order.guessed ? sizeof(WideGradient) : gradient_bytes();
  gradients_[0].make(n_rows_ * width * gradient);
  if (in_order_) gradients_[1].make(n_rows_ * gradient);
  search_.judged.make(n_queries * table_.n_features());

  Carver record(nullptr);
  record.take<TreeRecords::Head>(1);
  const auto part = [&]<class T>(T*, std::int64_t n) {
    const auto begin = static_cast<std::int64_t>(record.size());
    record.take<T>(n);
    return begin;
  };
  TreeRecords& records = growth.records;
  records.nodes = part(static_cast<BinnedNode*>(nullptr), bounds.nodes);
  records.bins = part(static_cast<std::uint32_t*>(nullptr), bounds.nodes * tree.n_words);
  records.leaf_sums = part(static_cast<Cell*>(nullptr), n_leaves * width);
  records.leaf_values = part(static_cast<float*>(nullptr), n_leaves * width);
  records.leaf_units = part(static_cast<double*>(nullptr), std::int64_t{2} * width);
  records.stride = static_cast<std::int64_t>(record.size());
  growth.capacity = std::clamp<std::int64_t>(device_.policy().record_bytes / records.stride, 1, kMostRecords);
  // Records are fetched whole, whatever a tree leaves of its room.
  records.first = growth.record_memory.make_zero(static_cast<std::size_t>(growth.capacity * records.stride));
  growth.lists.clear();
  growth.recordings.clear();
  drawn_sums_.make_zero(static_cast<std::size_t>(width));
  arrivals_.make_zero(static_cast<std::size_t>(n_queries) + 1);
}

void CudaBackend::send_lists(const std::vector<std::vector<FeatureId>>& lists) {
  if (growth_.lists == lists) return;
  growth_.lists = lists;
  std::vector<FeatureId> features;
  for (const auto& list : lists) features.insert(features.end(), list.begin(), list.end());
  const FeatureId* at = growth_.list_features.put(features);
  std::vector<FeatureList> there;
  growth_.most_features = 1;
  for (const auto& list : lists) {
    there.push_back({at, static_cast<std::int32_t>(list.size())});
    growth_.most_features = std::max(growth_.most_features, there.back().n);
    at += list.size();
  }
  growth_.list_heads.put(there);
}

void CudaBackend::queue_tree(const TreeOrder& order) {
  Growth& growth = growth_;
  if (growth.stopped) return;
  if (growth.n_queued == growth.capacity && growth.n_queued > 0) fetch_trees();
  if (growth.stopped) return;
  request_ = order.request;
  in_order_ = order.request.width == 1;
  if (growth.capacity == 0) make_growth(order);
  send_lists(order.features);
  const TreeArguments arguments{order.request.iteration, order.request.first_target,
                                static_cast<std::int32_t>(growth.n_queued), order.learning_rate};
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
  if (order.quantile_levels.empty()) {
    launch_leaf_sums(growth.tree.leaves, n_leaves, grown.leaf_sums, LeafValueKernel{growth.tree, grown, tree_.data()});
  } else {
    launch_leaf_sums(growth.tree.leaves, n_leaves, grown.leaf_sums);
    for (std::int32_t k = 0; k < order.request.width; ++k)
      launch_leaf_quantiles(growth.tree.leaves, n_leaves, k, order.quantile_levels[static_cast<std::size_t>(k)],
                            grown.leaf_values);
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
