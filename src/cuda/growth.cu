// SPDX-License-Identifier: Apache-2.0
// What a tree that grows on the device may come to, and its memory.
#include <algorithm>
#include <cstddef>
#include <vector>

#include "backend/kernels.h"
#include "cuda_backend.h"
#include "device.h"
#include "frontier.h"
#include "math/full_leaves.h"

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
CudaBackend::GrowthBounds CudaBackend::bounds_of(const TreeKind& kind) {
  const GrowLimits& limits = kind.limits;
  GrowthBounds bounds;
  bounds.nodes = kind.max_nodes;
  const std::int64_t expanded = (bounds.nodes - 1) / 2;
  bounds.leaves = std::min({expanded + 1, limits.max_depth > 0 ? power(limits.max_depth) : expanded + 1,
                            limits.max_leaves > 0 ? limits.max_leaves : expanded + 1});
  const std::int64_t by_depth = limits.max_depth > 0 ? power(limits.max_depth - 1) : expanded;
  bounds.slots = std::min(by_depth, expanded + 1);
  if (limits.order == GrowOrder::kBestFirst) {
    bounds.items = std::min<std::int64_t>(limits.looks_ahead ? kLeavesAhead : 1, expanded);
    bounds.steps = std::min(limits.budget(1), limits.max_depth > 0 ? power(limits.max_depth) - 1 : expanded);
  } else {
    bounds.items = std::min({by_depth, limits.budget(0), expanded});
    bounds.steps = std::min<std::int64_t>(limits.budget(1), limits.max_depth > 0 ? limits.max_depth : expanded);
  }
  // All ends of a stem are searched at once.
  if (kind.stem == StemUse::kGrowsOn)
    bounds.items = std::max(bounds.items, std::min(power(kind.stem_depth), bounds.slots));
  return bounds;
}

bool CudaBackend::grows_trees(const TreeKind& kind) const {
  if (kind.max_nodes <= 0) return false;
  const GrowthBounds bounds = bounds_of(kind);
  const std::int64_t of_bin =
      kind.width * static_cast<std::int64_t>(sizeof(Cell)) + (kind.rules.counts_needed() ? 8 : 0);
  double bytes = static_cast<double>(bounds.slots + 2 * bounds.items) * static_cast<double>(table_.n_bins() * of_bin);
  if (kind.full_leaves)
    bytes += static_cast<double>(bounds.nodes) / 2 * static_cast<double>(triangle_at(kind.width, 0)) * sizeof(double);
  return bytes <= static_cast<double>(device_.policy().growth_bytes);
}

// The kind of a tree, made when its first one comes.
CudaBackend::GrowthKind& CudaBackend::growth_kind(const TreeOrder& order) {
  for (const auto& kind : growth_.kinds)
    if (kind->kind == order.kind) return *kind;
  growth_.kinds.push_back(std::make_unique<GrowthKind>(device_));
  try {
    make_growth(*growth_.kinds.back(), order);
  } catch (...) {  // out of memory: the other kinds may have lost theirs, but not the trees that they have queued
    fetch_trees();
    growth_.kinds.clear();
    throw;
  }
  return *growth_.kinds.back();
}

// Hands out the memory of a growing tree; bytes it takes.
std::size_t CudaBackend::carve_growth(GrowthKind& kind, std::byte* memory) const {
  Carver carver(memory);
  const GrowthBounds& bounds = kind.bounds;
  const std::int64_t n_queries = 2 * bounds.items, n_leaves = (bounds.nodes + 1) / 2;
  const std::int32_t width = kind.tree.width, leaf_width = kind.tree.leaf_width;
  const bool monotone = !kind.kind.rules.monotone.empty();
  Frontier& tree = kind.tree;
  tree.state = carver.take<FrontierState>(1);
  tree.min_category_hessian = carver.take<double>(1);
  tree.nodes = carver.take<GrowNode>(bounds.nodes);
  tree.sums = carver.take<Cell>(bounds.nodes * width);
  tree.ranges = carver.take<Interval>(monotone ? bounds.nodes * width : 0);
  kind.means = carver.take<LeafMean>(monotone ? bounds.nodes : 0);
  kind.mean_ranges = carver.take<Interval>(monotone ? bounds.nodes : 0);
  tree.paths = carver.take<std::uint32_t>(bounds.nodes * tree.n_path_words);
  tree.cuts = carver.take<Candidate>(bounds.nodes);
  tree.left = carver.take<Cell>(bounds.nodes * width);
  tree.left_bins = carver.take<std::uint32_t>(bounds.nodes * tree.n_words);
  tree.in_tree = carver.take<NodeId>(bounds.nodes);
  tree.expanded = carver.take<NodeId>(bounds.items);
  tree.searched = carver.take<NodeId>(n_queries);
  tree.moved = carver.take<Cut>(bounds.items);
  tree.g_units = carver.take<double>(2 * (width + leaf_width));
  tree.arena = carver.take<Cell>(bounds.slots * table_.n_bins() * width);
  tree.count_arena = carver.take<std::int64_t>(kind.kind.rules.counts_needed() ? bounds.slots * table_.n_bins() : 0);
  tree.places = carver.take<HistogramPlace>(bounds.items);
  tree.pairs = carver.take<HistogramPair>(bounds.items);
  tree.queries = carver.take<Query>(n_queries);
  tree.sets = carver.take<NodeSet>(n_queries);
  tree.query_sums = carver.take<Cell>(n_queries * width);
  tree.query_lower = carver.take<double>(n_queries * width);
  tree.query_upper = carver.take<double>(n_queries * width);
  tree.places_in_stem = carver.take<std::int32_t>(kind.kind.stem == StemUse::kGrowsOn ? bounds.nodes : 0);
  tree.tiles = carver.pieces(bounds.items);
  tree.built = carver.pieces(bounds.items);
  tree.leaves = carver.pieces(n_leaves);
  tree.runs = carver.pieces(bounds.leaves);
  tree.run_leaves = carver.take<LeafPair>(bounds.leaves);
  kind.marks.words = carver.take<std::uint32_t>(kind.marks.n_words(n_rows_));
  kind.grown.nodes = carver.take<BinnedNode>(bounds.nodes);
  kind.grown.bins = carver.take<std::uint32_t>(bounds.nodes * tree.n_words);
  kind.grown.leaf_sums = carver.take<Cell>(n_leaves * leaf_width);
  kind.grown.leaf_values = carver.take<float>(n_leaves * leaf_width);
  kind.totals = carver.take<DrawnSums>(width);
  if (!monotone) tree.ranges = nullptr;
  if (!kind.kind.rules.counts_needed()) tree.count_arena = nullptr;
  if (kind.kind.stem != StemUse::kGrowsOn) tree.places_in_stem = nullptr;
  return carver.size();
}

// Where the parts of a finished tree are in its record; nothing but its head where it is a stem.
void CudaBackend::carve_records(GrowthKind& kind) const {
  const std::int64_t n_nodes = kind.bounds.nodes, n_leaves = (n_nodes + 1) / 2;
  const std::int32_t leaf_width = kind.tree.leaf_width;
  TreeRecords& records = kind.records;
  Carver record(nullptr);
  record.take<TreeRecords::Head>(1);
  const auto part = [&]<class T>(T*, std::int64_t n) {
    const auto begin = static_cast<std::int64_t>(record.size());
    record.take<T>(n);
    return begin;
  };
  if (kind.kind.stem != StemUse::kMakes) {
    records.nodes = part(static_cast<BinnedNode*>(nullptr), n_nodes);
    records.bins = part(static_cast<std::uint32_t*>(nullptr), n_nodes * kind.tree.n_words);
    records.leaf_sums = part(static_cast<Cell*>(nullptr), n_leaves * leaf_width);
    records.leaf_values = part(static_cast<float*>(nullptr), n_leaves * leaf_width);
    records.leaf_units = part(static_cast<double*>(nullptr), std::int64_t{2} * leaf_width);
  }
  records.size = static_cast<std::int64_t>(record.size());
}

// Memory of a kind's growth, the same for all its trees. Recorded launches keep the addresses of what they use: what a new
// kind moves must be recorded again, and nothing may move when a tree needs more.
void CudaBackend::make_growth(GrowthKind& made, const TreeOrder& order) {
  Growth& growth = growth_;
  const TreeKind& kind = made.kind = order.kind;
  const GrowthBounds bounds = made.bounds = bounds_of(kind);
  const std::int64_t n_queries = 2 * bounds.items;
  Frontier& tree = made.tree;
  tree.width = kind.width;
  tree.leaf_width = leaf_width(order.request);
  tree.n_words = category_words();
  made.marks.log_rows = LeafMarks::log_rows_for(bounds.leaves, !draws_all());
  tree.n_path_words = order.interactions.empty() ? 0 : (table_.n_features() + 31) / 32;
  tree.limits = kind.limits;
  tree.leaf_rule = {kind.rules.reg_lambda, kind.rules.reg_alpha, kind.rules.max_delta_step};
  tree.monotone = kind.rules.monotone.empty() ? nullptr : growth.monotone.put(kind.rules.monotone);
  tree.n_bins = table_.n_bins();
  tree.lists_by_depth = order.features.size() > 1;
  // Features that a search leaves out may be searched further down where each level has a list of its own.
  tree.search_subtracts =
      !tree.lists_by_depth && !table_.any_categorical() && kind.limits.order != GrowOrder::kSymmetric;
  tree.tile_size = tile_pieces();
  tree.histogram_size = histogram_pieces();
  tree.leaf_size = leaf_piece_size();
  if (kind.stem == StemUse::kMakes) make_stem(bounds, kind.width);
  if (kind.stem != StemUse::kNone)
    tree.stem = {growth.stem_cuts.data(), growth.stem_left.data(), growth.stem_sums.data(), growth.stem_bins.data(),
                 n_targets_};
  if (kind.feature_penalty > 0.0 && growth.used.size() == 0)
    growth.used.put(std::vector<std::uint32_t>(order.used_features.begin(), order.used_features.end()));
  tree.used = kind.feature_penalty > 0.0 ? growth.used.data() : nullptr;
  make_balance(made);
  if (!kind.witnesses.empty()) make_witnesses(kind, n_queries);
  if (kind.full_leaves) make_full_leaves(bounds, tree.leaf_width);

  const std::size_t size = carve_growth(made, nullptr);
  if (size > growth.memory.size()) growth.memory.make(size);
  for (const auto& other : growth.kinds) {
    carve_growth(*other, growth.memory.data());
    other->recordings.clear();
    // Copied whole: leaves have no bins, and structs have gaps.
    const auto n_nodes = static_cast<std::size_t>(other->bounds.nodes);
    device_.fill(other->grown.nodes, 0, n_nodes * sizeof(BinnedNode));
    const std::size_t n_words = n_nodes * static_cast<std::size_t>(other->tree.n_words);
    if (n_words > 0) device_.fill(other->grown.bins, 0, n_words * sizeof(std::uint32_t));
    clear_marks(other->marks);  // read by the word, the last one too
  }
  const bool may_be_wide = order.guessed || kind.stem == StemUse::kGrowsOn;
  const std::int64_t gradient = may_be_wide ? sizeof(WideGradient) : gradient_bytes();
  gradients_[0].make(std::max(gradients_[0].size(), static_cast<std::size_t>(n_rows_ * kind.width * gradient)));
  if (in_order_) gradients_[1].make(std::max(gradients_[1].size(), static_cast<std::size_t>(n_rows_ * gradient)));
  search_.judged.make(n_queries * table_.n_features());
  make_moves(bounds.items);
  make_counts(std::max(bounds.items, bounds.leaves));
  make_node_columns(made, order, n_queries);
  carve_records(made);
  make_records();
  drawn_sums_.make_zero(std::max(drawn_sums_.size(), static_cast<std::size_t>(kind.width)));
  arrivals_.make_zero(std::max(arrivals_.size(), static_cast<std::size_t>(n_queries) + 1));
}

// Room for some trees of every kind. Those that wait there keep their places.
void CudaBackend::make_records() {
  Growth& growth = growth_;
  const std::int64_t most = device_.policy().record_bytes;
  std::int64_t together = 0, largest = 0;
  for (const auto& kind : growth.kinds) {
    together += kMostRecords * kind->records.size;
    largest = std::max(largest, kind->records.size);
  }
  const std::int64_t wanted = std::max(largest, std::min(most, together));
  if (wanted > static_cast<std::int64_t>(growth.record_memory.size())) {
    Buffer<std::byte> larger(device_);
    larger.make_zero(static_cast<std::size_t>(wanted));  // fetched whole, whatever a tree leaves of its room
    if (growth.record_end > 0)
      device_.copy(larger.data(), growth.record_memory.data(), static_cast<std::size_t>(growth.record_end));
    growth.record_memory.swap(larger);
  }
  for (const auto& kind : growth.kinds) kind->records.memory = growth.record_memory.data();
}

void CudaBackend::make_stem(const GrowthBounds& bounds, std::int32_t n_targets) {
  growth_.stem_cuts.make(bounds.nodes);
  growth_.stem_left.make(bounds.nodes);
  growth_.stem_sums.make(bounds.nodes * n_targets);
  growth_.stem_bins.make(bounds.nodes * category_words());
}

void CudaBackend::send_lists(const std::vector<std::vector<FeatureId>>& lists) {
  GrowthKind& kind = *growth_.now;
  if (kind.lists == lists) return;
  kind.lists = lists;
  std::vector<FeatureId> features;
  for (const auto& list : lists) features.insert(features.end(), list.begin(), list.end());
  const FeatureId* at = kind.list_features.put(features);
  std::vector<FeatureList> there;
  kind.most_features = 1;
  for (const auto& list : lists) {
    there.push_back({at, static_cast<std::int32_t>(list.size())});
    kind.most_features = std::max(kind.most_features, there.back().n);
    at += list.size();
  }
  kind.list_heads.put(there);
}

}  // namespace pygbt::device
