// SPDX-License-Identifier: Apache-2.0
// The CPU backend: state and operations; one file per operation implements them. Loops run as tasks on the pool and
// add integers, so the number of threads and the order of tasks cannot change a result.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "backend/kernels.h"
#include "base/huge_pages.h"
#include "math/quantise.h"

namespace pygbt {

class CpuBackend final : public Backend {
 public:
  void load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int n_threads) override;
  void set_scores(std::span<const float> scores) override;
  std::span<const float> scores() override;
  void gradients(const LossSpec& loss) override;
  void set_gradients(std::span<const float> g, std::span<const float> h) override;
  LossTotals totals(std::int32_t target) override;
  RootStats begin_tree(const TreeRequest& request) override;
  void histograms(std::span<const NodeId> nodes) override;
  void subtract(std::span<const SiblingPair> pairs) override;
  void release(std::span<const NodeId> nodes) override;
  void best_splits(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
                   std::span<Split> out) override;
  void partition(std::span<const NodeCut> cuts, std::span<std::int64_t> out_left_counts) override;
  void leaf_sums(std::span<const NodeId> leaves, std::span<Cell> out) override;
  void leaf_quantiles(std::span<const NodeId> leaves, std::int32_t target, double alpha, std::span<float> out) override;
  void add_scores(const BinnedTree& tree, std::span<const NodeId> leaf_nodes) override;
  std::vector<Cell> histogram_of(NodeId node) const override;
  std::vector<RowId> rows_of(NodeId node) const override;

 private:
  // A node's rows: rows_[buffer][begin .. begin + count), their gradients beside them. Children go to the other
  // buffer, at the same places. A tree that sees every row starts with none written down: rows begin .. begin + count.
  struct NodeRows {
    std::int64_t begin = 0;
    std::int64_t count = 0;
    int buffer = 0;
    bool consecutive = false;
    bool marked = false;  // a leaf whose rows bear its mark and lie in no buffer
  };
  // What a chunk of rows has still to do with the tree grown last.
  struct PendingScores {
    std::vector<float> values;  // [mark][width], empty = nothing pending
    std::int32_t target = 0;
    std::int32_t width = 1;
  };
  // A node's histogram. cells [feature][bin][width], counts [feature][bin] when the tree counts rows.
  struct Histogram {
    std::vector<Cell> cells;
    std::vector<std::int64_t> counts;
  };

  // nullptr for consecutive rows.
  const RowId* rows(const NodeRows& node) const {
    return node.consecutive ? nullptr : rows_[node.buffer].data() + node.begin;
  }
  static std::int64_t row_at(const NodeRows& node, const RowId* ids, std::int64_t i) {
    return ids == nullptr ? node.begin + i : static_cast<std::int64_t>(ids[i]);
  }
  // Quantised gradients: beside the rows of the node from position `begin` on, or [row][width] of all rows.
  const void* gradients(const NodeRows& node, std::int64_t begin) const {
    return in_order_ ? gradients_[node.buffer].data() + (node.begin + begin) * gradient_bytes() : gradients_[0].data();
  }
  std::int64_t gradient_bytes() const {  // of a row
    return request_.width * static_cast<std::int64_t>(wide_ ? sizeof(WideGradient) : sizeof(NarrowGradient));
  }
  NodeRows& rows_at(NodeId node) { return nodes_[static_cast<std::size_t>(node)]; }
  const NodeRows& rows_at(NodeId node) const { return nodes_[static_cast<std::size_t>(node)]; }
  Histogram& new_histogram(NodeId node);
  Histogram& histogram_at(NodeId node) const;
  const std::uint32_t* weights() const { return data_->weights.empty() ? nullptr : data_->weights.data(); }
  QuantiseTask quantise_task(std::int32_t target, Precision precision, std::int64_t begin, std::int64_t end) const;
  void raise_extremes(std::int32_t target, std::int64_t begin, std::int64_t end, Extremes& most) const;
  void target_extremes(std::int32_t target);
  RowSums quantise_target(std::int32_t target, Precision precision, void* out, std::int32_t k, std::int32_t width);
  void draw_rows(const TreeRequest& request);
  template <class Gradient>
  RootStats quantise(const TreeRequest& request);
  std::uint32_t mark_of(std::int64_t row) const;
  std::uint8_t* marks_at(std::int64_t row) { return marks_.data() + (row << mark_type_); }
  void mark_leaves(std::span<const NodeId> leaves);
  void mark_not_drawn(const BinnedTree& tree, std::span<const NodeId> leaf_nodes);
  void apply_pending(std::int64_t begin, std::int64_t end);
  void finish_pending();

  const Dataset* data_ = nullptr;
  Communicator* comm_ = nullptr;
  int n_threads_ = 1;
  std::int32_t n_targets_ = 1;
  std::int64_t n_rows_ = 0;
  std::uint64_t total_weight_ = 0;              // of all workers
  std::vector<std::int64_t> bin_offset_;        // [n_features + 1] first bin of each feature in a histogram

  HugeVector<float> scores_;                    // [row][target], without `pending_`
  PendingScores pending_;
  HugeVector<float> g_, h_;                     // [target][row]
  std::vector<double> max_g_, max_h_;           // [target] over rows with weight, of all workers; < 0 = not known

  // The tree being grown.
  TreeRequest request_;
  bool wide_ = false;
  bool in_order_ = true;                        // gradients move with the rows: trees of one target
  std::vector<CellUnits> units_;                // [width]
  HugeVector<RowId> rows_[2];                   // drawn rows, grouped by node
  HugeVector<std::uint8_t> gradients_[2];  // NarrowGradient or WideGradient beside rows_, or [row][width] in [0]
  std::int32_t narrow_of_ = -1;  // target whose narrow gradients lie in gradients_[0] by row
  RowSums narrow_sums_;  // of these, of this worker
  std::vector<RowId> not_drawn_;  // rows outside the tree
  std::vector<std::uint16_t> sides_;  // partition scratch, a bit a row
  int mark_type_ = 0;  // marks are uint8, uint16 or uint32
  HugeVector<std::uint8_t> marks_;  // [row] node + 1 of the row's leaf, 0 = not in the tree
  std::vector<NodeRows> nodes_;  // [node]
  std::vector<std::unique_ptr<Histogram>> histograms_;  // [node], null = none
  std::vector<std::unique_ptr<Histogram>> spare_;  // memory of released histograms
};

}  // namespace pygbt
