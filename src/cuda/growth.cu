// SPDX-License-Identifier: Apache-2.0
// What a tree that grows on the device may come to, and its memory.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "backend/kernels.h"
#include "cuda_backend.h"
#include "device.h"
#include "frontier.h"

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
    bounds.items = std::min<std::int64_t>(limits.looks_ahead ? kLeavesAhead : 1, expanded);
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
  tree.n_path_words = order.interactions.empty() ? 0 : (table_.n_features() + 31) / 32;
  const auto carve = [&](Carver& carver) {
    tree.state = carver.take<FrontierState>(1);
    tree.min_category_hessian = carver.take<double>(1);
    tree.nodes = carver.take<GrowNode>(bounds.nodes);
    tree.sums = carver.take<Cell>(bounds.nodes * width);
    tree.ranges = carver.take<Interval>(order.rules.monotone.empty() ? 0 : bounds.nodes * width);
    growth.means = carver.take<LeafMean>(order.rules.monotone.empty() ? 0 : bounds.nodes);
    growth.mean_ranges = carver.take<Interval>(order.rules.monotone.empty() ? 0 : bounds.nodes);
    tree.paths = carver.take<std::uint32_t>(bounds.nodes * tree.n_path_words);
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
  make_node_columns(order, n_queries);
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

}  // namespace pygbt::device
