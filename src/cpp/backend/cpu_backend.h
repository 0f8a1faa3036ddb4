// SPDX-License-Identifier: Apache-2.0
// The CPU backend: state and operations; one file per operation implements them. Loops run as tasks on the pool and
// add integers, so the number of threads and the order of tasks cannot change a result.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "backend/histogram_layout.h"
#include "backend/kernels.h"
#include "base/huge_pages.h"

namespace pygbt {

class CpuBackend final : public Backend {
 public:
  void load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int n_threads) override;
  void set_scores(std::span<const float> scores) override;
  std::span<const float> scores() const override { return scores_; }
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
  struct HistogramBuffer {
    std::vector<std::uint64_t> packed;  // [slot][code]
    std::vector<Cell> cells;            // [slot][code][width]
  };
  class HistogramCall;

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
  bool packs(NodeId node) const;
  Histogram& new_histogram(NodeId node);  // its cells are not cleared
  std::unique_ptr<Histogram> take_spare(bool packed);
  Histogram& histogram_at(NodeId node) const;
  const std::uint32_t* weights() const { return data_->weights.empty() ? nullptr : data_->weights.data(); }
  void target_extremes(std::int32_t target);
  void draw_rows(const TreeRequest& request);
  template <class Gradient>
  RootStats quantise(const TreeRequest& request);

  const Dataset* data_ = nullptr;
  Communicator* comm_ = nullptr;
  int n_threads_ = 1;
  std::int32_t n_targets_ = 1;
  std::int64_t n_rows_ = 0;
  std::uint64_t total_weight_ = 0;              // of all workers
  std::vector<std::int64_t> bin_offset_;        // [n_features + 1] first bin of each feature in a histogram
  std::vector<BlockLayout> layouts_;            // [block] where its codes go in a histogram
  std::vector<HistogramBuffer> histogram_buffers_;  // [worker]
  std::array<std::mutex, 64> histogram_locks_;  // of the cells of (node, block), by hash

  std::vector<float> scores_;                   // [row][target]
  std::vector<float> g_, h_;                    // [target][row]
  std::vector<double> max_g_, max_h_;           // [target] over rows with weight, of all workers; < 0 = not known

  // The tree being grown.
  TreeRequest request_;
  bool wide_ = false;
  bool packable_ = true;                        // gradients fit packed cells: narrow, weight 1
  bool in_order_ = true;                        // gradients move with the rows: trees of one target
  std::vector<CellUnits> units_, leaf_units_;   // [width]
  HugeVector<RowId> rows_[2];                   // drawn rows, grouped by node
  HugeVector<std::uint8_t> gradients_[2];  // NarrowGradient or WideGradient beside rows_, or [row][width] in [0]
  std::vector<RowId> not_drawn_;  // the others
  std::vector<std::uint16_t> sides_;  // partition scratch, a bit a row
  std::vector<NodeRows> nodes_;  // [node]
  std::vector<std::unique_ptr<Histogram>> histograms_;  // [node], null = none
  std::vector<std::unique_ptr<Histogram>> spare_;  // memory of released histograms
};

}  // namespace pygbt
