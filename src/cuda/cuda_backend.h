// SPDX-License-Identifier: Apache-2.0
// The CUDA backend: the operations of the seam as launches over all nodes of a step. Integers are summed by atomic
// additions, so neither the order of blocks nor their number can change a result; formulas come from math/. One file an
// operation: kernels above, their launch below. The same sources are compiled for a GPU and for the emulator.
//
// Rows of a node lie side by side in rows_[buffer], their quantised gradients beside them (trees of one target). Its
// children go to the other buffer, at the place of their parent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "buffer.h"
#include "device_rows.h"
#include "evaluation_sets.h"
#include "math/quantise.h"
#include "quantised.h"
#include "runtime.h"
#include "table.h"

namespace pygbt::device {

// A run of the rows of a node.
struct RowRun {
  std::int64_t begin = 0;  // in the buffer
  std::int64_t n = 0;
  std::int32_t item = 0;  // whatever it is a run of: a node, a cut, a leaf
  std::int32_t buffer = 0;
};

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int ordinal);

  void load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int n_threads) override;
  void set_scores(std::span<const float> scores) override;
  std::span<const float> scores() override;
  DeviceScoredRows* training_rows() override { return &training_rows_; }
  DeviceScoredRows* add_evaluation_set(const Dataset& data, std::span<const float> scores) override {
    return evaluation_sets_.add(data, scores);
  }
  void add_to_evaluation_sets(const BinnedTree& tree) override { evaluation_sets_.add_tree(tree); }
  void gradients(const LossSpec& loss) override;
  void set_gradients(std::span<const float> g, std::span<const float> h) override;
  GradientFaults set_device_gradients(const DeviceMatrix& g, const DeviceMatrix& h) override;
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
  struct NodeRows {
    std::int64_t begin = 0;
    std::int64_t count = 0;
    std::int32_t buffer = 0;
  };
  struct Histogram {
    Buffer<Cell> cells;  // [feature][bin][width]
    Buffer<std::int64_t> counts;  // [feature][bin], when the tree counts rows
  };
  // Scratch of move_rows.
  struct Moves {
    Buffer<std::byte> given;
    Buffer<std::int64_t> tile_lefts;  // [tile] rows that go left, then those of the tiles before it in its item
    Buffer<std::int64_t> left_counts;  // [item]
    Buffer<std::uint8_t> sides;  // [place in the row buffer]
  };
  class Splitter;

  std::int64_t blocks_for(std::int64_t n) const;
  template <class Kernel>
  void launch_rows(std::int64_t n, const Kernel& kernel, std::size_t shared_bytes = 0);
  std::size_t warps() const { return static_cast<std::size_t>(device_.policy().n_threads) / kWarp; }
  NodeRows& rows_at(NodeId node) { return nodes_[static_cast<std::size_t>(node)]; }
  const NodeRows& rows_at(NodeId node) const { return nodes_[static_cast<std::size_t>(node)]; }
  std::vector<RowRun> runs_of(std::span<const NodeId> nodes, std::int64_t most_rows) const;
  std::int64_t gradient_bytes() const;  // of a row and target
  Quantiser quantiser(std::int32_t target, Precision precision) const;
  QuantisedRows quantised_rows(std::int32_t target, const Quantiser& scales) const;
  void target_extremes(std::int32_t target);
  void draw_rows(const TreeRequest& request);
  template <class Gradient>
  RootStats quantise(const TreeRequest& request);
  template <class Side>
  std::vector<std::int64_t> move_rows(const std::vector<RowRun>& items, const Side& side, std::int64_t gradient_bytes);
  std::unique_ptr<Histogram> new_histogram();
  Histogram& histogram_at(NodeId node) const;

  static constexpr std::size_t kWarp = 32;

  mutable Device device_;
  Table table_;
  DeviceRows training_rows_;
  EvaluationSets evaluation_sets_;
  const Dataset* data_ = nullptr;
  std::int32_t n_targets_ = 1;
  std::int64_t n_rows_ = 0;
  Buffer<float> scores_;  // [row][target]
  std::vector<float> host_scores_;
  Buffer<float> g_, h_;  // [target][row]
  std::vector<double> max_g_, max_h_;  // [target] over rows with weight; < 0 = not known
  Buffer<std::uint32_t> extremes_;  // scratch
  Buffer<std::int64_t> sums_;  // scratch

  // The tree being grown.
  TreeRequest request_;
  bool in_order_ = true;  // gradients move with the rows: trees of one target
  std::vector<CellUnits> units_;  // [width]
  Buffer<RowId> rows_[2];  // drawn rows, grouped by node; [0] ends with those not drawn
  Buffer<std::uint8_t> gradients_[2];  // narrow or wide, beside rows_, or [row][width] in [0]
  std::vector<NodeRows> nodes_;  // [node]
  std::vector<std::unique_ptr<Histogram>> histograms_;  // [node], null = none
  std::vector<std::unique_ptr<Histogram>> spare_;  // memory of released histograms
  Moves moves_;
  Buffer<std::byte> given_;  // scratch of other operations
  std::shared_ptr<Splitter> splitter_;  // its memory: see split.cu
};

template <class Kernel>
void CudaBackend::launch_rows(std::int64_t n, const Kernel& kernel, std::size_t shared_bytes) {
  device_.launch(blocks_for(n), device_.policy().n_threads, kernel, shared_bytes);
}

}  // namespace pygbt::device
