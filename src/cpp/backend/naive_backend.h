// SPDX-License-Identifier: Apache-2.0
// The oracle: every operation of the seam as its definition reads, one thread, no kernels, no histogram tricks. It
// promises the same integers, floats and cuts as any other backend. Selected by device="naive"; used by the tests.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "backend/backend.h"

namespace pygbt {

class NaiveBackend final : public Backend {
 public:
  // Rows and histogram of one node.
  struct Node {
    std::vector<RowId> rows;
    bool has_histogram = false;
    std::vector<Cell> cells;           // [feature][bin][width]
    std::vector<std::int64_t> counts;  // [feature][bin], when the tree counts rows
  };

  void load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int n_threads) override;
  void set_scores(std::span<const float> scores) override;
  void start_scores(std::span<const float> of_target) override;
  std::span<const float> scores() override { return scores_; }
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
  void partition(std::span<const NodeCut> cuts, std::span<std::int64_t> out_left_counts) override;
  void leaf_sums(std::span<const NodeId> leaves, std::span<Cell> out) override;
  void leaf_quantiles(std::span<const NodeId> leaves, std::int32_t target, double alpha, std::span<float> out) override;
  void add_scores(const BinnedTree& tree, std::span<const NodeId> leaf_nodes) override;
  std::vector<Cell> histogram_of(NodeId node) const override { return with_histogram(node).cells; }
  std::vector<RowId> rows_of(NodeId node) const override { return nodes_.at(node).rows; }

 private:
  // A float gradient pair of every row as weighted integers.
  struct Quantiser {
    double g_scale = 1.0;
    double h_scale = 1.0;
    std::int64_t g_limit = 0;
    std::int64_t h_limit = 0;
    CellUnits units;  // of the weighted integers
    double max_g = 0.0;
    double max_h = 0.0;
  };

  void task_gradients_of(const LossSpec& loss, std::int64_t row);
  void rank_gradients(const LossSpec& loss);
  bool drawn(const TreeRequest& request, std::int64_t row) const;
  Quantiser quantiser(std::int32_t target, int g_bits, int h_bits) const;
  Cell weighted(const Quantiser& quantiser, std::int32_t target, std::int64_t row) const;
  std::size_t at(std::int64_t row, std::int32_t target) const;
  GradHess gradient_at(std::int64_t row, std::int32_t target) const;  // of a target or, behind them, a sketch
  const Node& with_histogram(NodeId node) const;

  const Dataset* data_ = nullptr;
  TaskTargets task_targets_;
  std::int32_t n_targets_ = 1;
  std::vector<std::int64_t> bin_offset_;  // [feature] first bin of the feature in a histogram; last = all bins
  std::vector<float> scores_;             // [row][target]
  std::vector<float> g_, h_;              // [row][target]
  std::vector<float> sketch_g_, sketch_h_;  // [sketch][row]

  // The tree being grown.
  TreeRequest request_;
  std::vector<Quantiser> quantisers_;       // [width] of histogram and split sums
  std::vector<Quantiser> leaf_quantisers_;  // [width] of leaf sums
  std::map<NodeId, Node> nodes_;
};

}  // namespace pygbt
