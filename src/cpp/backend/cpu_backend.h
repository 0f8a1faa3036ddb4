// SPDX-License-Identifier: Apache-2.0
// The CPU backend: state and operations; one file per operation implements them. Loops run as tasks on the pool and
// add integers, so the number of threads and the order of tasks cannot change a result.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "backend/feature_parts.h"
#include "backend/histogram_layout.h"
#include "backend/kernels.h"
#include "base/huge_pages.h"
#include "math/quantise.h"

namespace pygbt {

// What a node that is built from its rows brings about in a step.
struct HistogramFamily {
  std::size_t pair = 0, pairs_end = 0;     // its sibling's histogram, if wanted
  std::size_t query = 0, queries_end = 0;  // itself and its sibling, if their cuts are wanted
};

class CpuBackend final : public Backend {
 public:
  CpuBackend() = default;
  CpuBackend(const CpuBackend&) = delete;
  CpuBackend& operator=(const CpuBackend&) = delete;
  void load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int n_threads) override;
  void set_scores(std::span<const float> scores) override;
  void start_scores(std::span<const float> of_target) override;
  std::span<const float> scores() override;
  void set_task_targets(const TaskTargets& targets) override { task_targets_ = targets; }
  void gradients(const LossSpec& loss) override;
  void set_gradients(std::span<const float> g, std::span<const float> h) override;
  LossTotals totals(std::int32_t target) override;
  void sketch(std::int32_t n, std::span<const float> factors) override;
  RootStats begin_tree(const TreeRequest& request) override;
  void histograms(std::span<const NodeId> nodes) override;
  void subtract(std::span<const SiblingPair> pairs) override;
  void release(std::span<const NodeId> nodes) override;
  void best_splits(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
                   std::span<Split> out) override;
  void build_and_split(const HistogramStep& step, const SplitRules& rules, std::span<const SplitQuery> queries,
                       bool shared, std::span<Split> out) override;
  void partition(std::span<const NodeCut> cuts, std::span<std::int64_t> out_left_counts) override;
  void leaf_sums(std::span<const NodeId> leaves, std::span<Cell> out) override;
  void leaf_quantiles(std::span<const NodeId> leaves, std::int32_t target, double alpha, std::span<float> out) override;
  void add_scores(const BinnedTree& tree, std::span<const NodeId> leaf_nodes) override;
  std::vector<Backend*> beside(const TreeRequest& first) override;
  std::vector<Cell> histogram_of(NodeId node) const override;
  std::vector<RowId> rows_of(NodeId node) const override;

 private:
  // Rows live in tiles, of consecutive rows each: a tile's part of the row buffers and of a column stays in L2 while it
  // is partitioned. Within a tile the rows of a node are one segment of rows_, their gradients beside them. Children
  // take the place of their parent: the left rows move up, the right ones wait in right_ until these are written.
  //
  //   tile 0                              tile 1
  //   [ parent ......... ][ others ... ]  [ parent .. ][ others ......... ]     before
  //   [ left   ][ right  ][ others ... ]  [ left ][ r ][ others ......... ]     after
  struct Segment {
    std::uint32_t begin = 0;  // in the tile
    std::uint32_t count = 0;
  };
  struct NodeRows {
    std::int64_t count = 0;
    bool consecutive = false;  // every row: none is written down
    bool marked = false;       // a leaf whose rows bear its mark and lie in no buffer
  };
  // Rows of a node that lie side by side.
  struct Piece {
    const RowId* rows = nullptr;  // [n]; nullptr = consecutive rows from first_row
    RowId first_row = 0;
    std::int64_t n = 0;
    const void* gradients = nullptr;  // quantised: beside the rows, or [row][width] of all rows (in_order_)
    std::int64_t row(std::int64_t i) const {
      return rows == nullptr ? static_cast<std::int64_t>(first_row) + i : static_cast<std::int64_t>(rows[i]);
    }
  };
  // What a chunk of rows has still to do with the tree grown last.
  struct PendingScores {
    std::vector<float> values;  // [mark][width], empty = nothing pending
    std::int32_t target = 0;
    std::int32_t width = 1;
  };
  // A node's histogram: cells [feature][bin][width], counts [feature][bin] when the tree counts rows. Packed (g << 32)
  // + h where the node has at most kPackedRows rows and its gradients are narrow and unweighted.
  struct Histogram {
    bool packed = false;
    HugeVector<std::int64_t> words;  // one a cell if packed, else two
    std::vector<std::int64_t> counts;

    std::uint64_t* packed_cells() { return reinterpret_cast<std::uint64_t*>(words.data()); }
    const std::uint64_t* packed_cells() const { return reinterpret_cast<const std::uint64_t*>(words.data()); }
    Cell* cells() { return reinterpret_cast<Cell*>(words.data()); }
    const Cell* cells() const { return reinterpret_cast<const Cell*>(words.data()); }
  };
  // Sums of the run at hand, one a worker; all zero between runs.
  struct LaneBuffer {  // of several targets at once, in whole cache lines
    HugeVector<std::uint64_t> cells;   // [slot][code][lanes], packed
    HugeVector<std::uint64_t> values;  // [row of a chunk][lanes]
    std::vector<RowId> rows;           // [row of a chunk]
  };
  struct HistogramBuffer {
    std::vector<std::uint64_t> packed;  // [slot][code]
    std::vector<Cell> cells;            // [slot][code][width]
    LaneBuffer lanes;
  };
  // Narrow gradients of a target by row, from the first time they are asked for until a tree takes them.
  struct NarrowTarget {
    bool known = false;
    HugeVector<std::uint8_t> gradients;
    RowSums sums;  // of this worker

    const NarrowGradient* rows() const { return reinterpret_cast<const NarrowGradient*>(gradients.data()); }
  };
  // What backends beside each other have in common. Each changes what belongs to its own targets.
  struct Shared {
    HugeVector<float> scores;  // [row][target], without what is pending
    HugeVector<float> g, h;    // [target, sketches after the others][row]
    std::vector<double> max_g,
        max_h;  // [target, sketches after the others] over rows with weight, of all workers; < 0 = not known
    std::vector<NarrowTarget> narrow;  // [target]
    TreeRequest round;  // the tree whose root was built together with those of the trees that follow it
    std::vector<std::unique_ptr<Histogram>> round_roots;  // [tree of the round] of this worker; null = handed out
  };
  explicit CpuBackend(const CpuBackend& main, std::shared_ptr<Shared> shared);
  class HistogramCall;
  class SubtractCall;
  class SplitCall;
  class LaneCall;

  Segment* segments(NodeId node) { return segments_.data() + node * n_tiles_; }  // [tile]
  const Segment* segments(NodeId node) const { return segments_.data() + node * n_tiles_; }
  std::int64_t rows_of_tile(std::int64_t tile) const { return std::min(tile_rows_, n_rows_ - tile * tile_rows_); }
  Piece piece(NodeId node, std::int64_t tile, std::int64_t begin, std::int64_t n) const {
    const NodeRows& at = rows_at(node);
    const std::int64_t first = tile * tile_rows_ + segments(node)[tile].begin + begin;
    Piece out;
    out.rows = at.consecutive ? nullptr : rows_.data() + first;
    out.first_row = static_cast<RowId>(first);
    out.n = n;
    const std::uint8_t* const gradients = gradients_.data();
    if (gradients != nullptr) out.gradients = gradients + (in_order_ ? first * gradient_bytes() : 0);
    return out;
  }
  // Calls visit(piece) for the rows [begin, end) of a node, counted over its segments.
  template <class Visit>
  void visit_pieces(NodeId node, std::int64_t begin, std::int64_t end, Visit&& visit) const {
    std::int64_t before = 0;
    for (std::int64_t tile = 0; tile < n_tiles_ && before < end; ++tile) {
      const std::int64_t count = segments(node)[tile].count;
      const std::int64_t from = std::max(begin - before, std::int64_t{0});
      const std::int64_t to = std::min(end - before, count);
      if (from < to) visit(piece(node, tile, from, to - from));
      before += count;
    }
  }
  std::int64_t gradient_bytes() const {  // of a row
    return request_.width * static_cast<std::int64_t>(wide_ ? sizeof(WideGradient) : sizeof(NarrowGradient));
  }
  NodeRows& rows_at(NodeId node) { return nodes_[static_cast<std::size_t>(node)]; }
  const NodeRows& rows_at(NodeId node) const { return nodes_[static_cast<std::size_t>(node)]; }
  bool goes_by_blocks(const HistogramStep& step) const;
  void split_by_families(const HistogramStep& step, const SplitRules& rules, std::span<const SplitQuery> queries,
                         std::span<const HistogramFamily> by_node, std::span<Split> out);
  bool packs(NodeId node) const;
  Histogram& new_histogram(NodeId node);  // its cells are not cleared
  std::unique_ptr<Histogram> take_spare(bool packed);
  Histogram& histogram_at(NodeId node) const;
  void lane_histograms(std::span<const NodeId> nodes);
  void root_histograms(const std::vector<const NarrowGradient*>& gradients, const std::vector<Histogram*>& out);
  void make_round_roots();
  bool same_round(const TreeRequest& request) const;
  bool take_round_root();
  void forget_round();
  const std::uint32_t* weights() const { return data_->weights.empty() ? nullptr : data_->weights.data(); }
  TaskRows task_rows(const LossSpec& loss, std::int64_t begin, std::int64_t end);
  CellUnits units_of(std::int32_t target, Precision precision);
  QuantiseTask quantise_task(std::int32_t target, Precision precision, std::int64_t begin, std::int64_t end) const;
  void raise_extremes(std::int32_t target, std::int64_t begin, std::int64_t end, Extremes& most) const;
  void target_extremes(std::int32_t target);
  RowSums quantise_target(std::int32_t target, Precision precision, void* out, std::int32_t k, std::int32_t width);
  bool keeps_narrow() const;
  NarrowTarget& narrow_target(std::int32_t target);
  void take_narrow(std::int32_t target, HugeVector<std::uint8_t>& by_row);
  void forget_narrow();
  std::vector<RowSums> interleave_narrow(std::int32_t first, std::int32_t width, NarrowGradient* out);
  void draw_rows(const TreeRequest& request);
  template <class Gradient>
  RootStats quantise(const TreeRequest& request);
  std::int64_t route(const Piece& rows, std::int64_t tile, const Split& split, const NodeCut* next,
                     std::uint16_t* sides) const;
  void scatter(const Piece& rows, const std::uint16_t* sides, std::int64_t n_left, std::int64_t first,
               std::uint8_t* spare);
  void mark(const Piece& rows, const std::uint16_t* sides, NodeId left);
  std::uint32_t mark_of(std::int64_t row) const;
  std::uint8_t* marks_at(std::int64_t row) { return marks_.data() + (row << mark_type_); }
  void mark_leaves(std::span<const NodeId> leaves);
  void mark_not_drawn(const BinnedTree& tree, std::span<const NodeId> leaf_nodes);
  void apply_pending(std::int64_t begin, std::int64_t end);
  void finish_pending();
  void rank_gradients(const LossSpec& loss);

  const Dataset* data_ = nullptr;
  TaskTargets task_targets_;
  Communicator* comm_ = nullptr;
  int n_threads_ = 1;
  std::int32_t n_targets_ = 1;
  std::int64_t n_rows_ = 0;
  std::int64_t tile_rows_ = 0;  // at most kPackedRows
  std::int64_t n_tiles_ = 0;
  std::uint64_t total_weight_ = 0;              // of all workers
  std::vector<std::int64_t> bin_offset_;        // [n_features + 1] first bin of each feature in a histogram
  FeatureParts feature_parts_;
  std::vector<FeatureId> block_features_;       // [block + 1] first feature of each, where blocks hold them in order
  std::vector<BlockLayout> layouts_;            // [block] where its codes go in a histogram
  std::vector<HistogramBuffer> histogram_buffers_;  // [worker]
  std::array<std::mutex, 64> histogram_locks_;  // of the cells of (node, block), by hash

  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  HugeVector<float>& scores_ = shared_->scores;
  HugeVector<float>& g_ = shared_->g;
  HugeVector<float>& h_ = shared_->h;
  std::vector<double>& max_g_ = shared_->max_g;
  std::vector<double>& max_h_ = shared_->max_h;
  std::vector<NarrowTarget>& narrow_ = shared_->narrow;
  TreeRequest& round_ = shared_->round;
  std::vector<std::unique_ptr<Histogram>>& round_roots_ = shared_->round_roots;
  std::vector<std::unique_ptr<CpuBackend>> beside_;  // one a thread, made when first asked for
  bool is_beside_ = false;                           // it is one of them
  PendingScores pending_;

  // The tree being grown.
  TreeRequest request_;
  bool wide_ = false;
  bool packable_ = true;                        // gradients fit packed cells: narrow, weight 1
  bool in_order_ = true;                        // gradients move with the rows: trees of one target
  std::vector<CellUnits> units_;                // [width]
  HugeVector<RowId> rows_;               // drawn rows, grouped by node
  HugeVector<std::uint8_t> gradients_;   // NarrowGradient or WideGradient beside rows_, or [row][width]
  HugeVector<std::uint8_t> spare_narrow_;  // memory for a NarrowTarget
  std::vector<RowId> not_drawn_;  // rows outside the tree
  std::vector<std::uint16_t> sides_;  // partition scratch, a bit a row [worker][tile_rows_ / 16]
  HugeVector<std::uint8_t> right_;    // partition scratch, right rows or their gradients [worker][tile_rows_]
  int mark_type_ = 0;  // marks are uint8, uint16 or uint32
  HugeVector<std::uint8_t> marks_;  // [row] node + 1 of the row's leaf, 0 = not in the tree
  std::vector<NodeRows> nodes_;  // [node]
  std::vector<Segment> segments_;  // [node][tile]
  std::vector<std::unique_ptr<Histogram>> histograms_;  // [node], null = none
  std::vector<std::unique_ptr<Histogram>> spare_;  // memory of released histograms
};

}  // namespace pygbt
