// SPDX-License-Identifier: Apache-2.0
// The CUDA backend: the operations of the seam as launches over all nodes of a step. Integers are summed by atomic
// additions, so neither the order of blocks nor their number can change a result; formulas come from math/. One file an
// operation: kernels above, their launch below. The same sources are compiled for a GPU and for the emulator.
//
// Rows of a node lie side by side in rows_[buffer], their quantised gradients beside them (trees of one target). Its
// children go to the other buffer, at the place of their parent.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/backend.h"
#include "buffer.h"
#include "math/quantise.h"
#include "pieces.h"
#include "quantised.h"
#include "runtime.h"
#include "split_search.h"
#include "table.h"

namespace pygbt::device {

// Where a node's histogram is.
struct HistogramPlace {
  Cell* cells = nullptr;  // [bin][width]
  std::int64_t* counts = nullptr;  // [bin], of trees that count rows
};

// What differs from tree to tree of a training.
struct TreeArguments {
  std::uint32_t iteration = 0;
  std::int32_t first_target = 0;
  std::int32_t record = 0;  // where the finished tree goes
  double learning_rate = 0.0;
};

// Of the integers of one target of a tree's rows, weighted.
struct DrawnSums {
  std::int64_t g = 0, magnitude = 0, h = 0, weight = 0;
};

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int ordinal);

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
    Buffer<std::int64_t> tile_lefts;  // [tile] rows that go left, then those of the tiles before it in its item
    Buffer<std::int64_t> left_counts;  // [item]
    Buffer<std::uint8_t> sides;  // [place in the row buffer]
  };
  // Scratch of searches.
  struct SearchMemory {
    Buffer<std::byte> results;
    Buffer<FeatureId> features;
    Buffer<Cell> running, pool;
    Buffer<double> keys;
    Buffer<std::int64_t> counts;
    Buffer<std::uint16_t> order;
    Buffer<std::uint8_t> category;
    Buffer<std::int32_t> n_order;
    Buffer<Candidate> judged;
  };

  std::int64_t blocks_for(std::int64_t n) const;
  template <class Kernel>
  void launch_rows(std::int64_t n, const Kernel& kernel, std::size_t shared_bytes = 0);
  std::size_t warps() const { return static_cast<std::size_t>(device_.policy().n_threads) / kWarp; }
  NodeRows& rows_at(NodeId node) { return nodes_[static_cast<std::size_t>(node)]; }
  const NodeRows& rows_at(NodeId node) const { return nodes_[static_cast<std::size_t>(node)]; }
  RowRun run_of(NodeId node) const { return {rows_at(node).begin, rows_at(node).count, 0, rows_at(node).buffer}; }
  std::vector<RowRun> runs_of(std::span<const NodeId> nodes) const;
  std::int64_t gradient_bytes() const;  // of a row and target
  void find_scales();
  QuantisedTargets quantised_targets() const;
  std::array<double, 2> extremes(std::int32_t target);  // largest |g| and h
  CellUnits units(std::int32_t target, Precision precision);
  const std::int64_t* start_tree(const TreeRequest& request);
  const std::int64_t* draw_rows();
  template <class Gradient>
  void quantise(const std::int64_t* n_drawn);
  PieceSize tile_pieces() const { return {1, device_.policy().tile_rows, device_.policy().tile_rows}; }
  template <class Side>
  void move_rows(const Pieces& tiles, std::int64_t most_items, const Side& side, std::int64_t gradient_bytes);
  Search search_memory(const SplitRules& rules, std::size_t n_queries, std::size_t n_sets, bool shared,
                       std::int32_t most_features);
  void launch_search(const Search& search, const Found& found, std::int64_t n_queries, std::int64_t n_sets);
  std::int32_t category_words() const;  // of a set of bins
  void search(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared, std::span<Split> out);
  Split split_of(const Candidate& cut, const Cell* left, const std::uint32_t* left_bins) const;
  Pieces leaf_pieces(std::span<const NodeId> leaves);
  PieceSize leaf_piece_size() const;
  // Blocks for pieces of all rows at most.
  std::int64_t blocks_for(const PieceSize& size, std::int64_t n_items) const {
    return std::min(device_.policy().n_blocks, most_pieces(n_rows_, n_items, size));
  }
  std::unique_ptr<Histogram> new_histogram();
  PieceSize histogram_pieces() const;
  void launch_histograms(const Pieces& pieces, const HistogramPlace* places, std::int64_t most_items);
  Histogram& histogram_at(NodeId node) const;

  static constexpr std::size_t kWarp = 32;

  mutable Device device_;
  Table table_;
  const Dataset* data_ = nullptr;
  std::int32_t n_targets_ = 1;
  std::int64_t n_rows_ = 0;
  Buffer<float> scores_;  // [row][target]
  std::vector<float> host_scores_;
  Buffer<float> g_, h_;  // [target][row]
  Buffer<std::uint32_t> extremes_;  // [target][2] largest |g| and h over rows with weight, as bits
  std::vector<std::uint32_t> host_extremes_;  // the same, empty = not fetched
  Buffer<Quantiser> scales_;  // [target][kPrecisions]
  Buffer<std::int64_t> sums_;  // scratch

  // The tree being grown.
  TreeRequest request_;
  Buffer<TreeArguments> tree_;  // [1]
  Buffer<std::int64_t> n_drawn_;  // [1]
  Buffer<DrawnSums> drawn_sums_;  // [width]
  bool in_order_ = true;  // gradients move with the rows: trees of one target
  std::vector<CellUnits> units_;  // [width]
  Buffer<RowId> rows_[2];  // drawn rows, grouped by node; [0] ends with those not drawn
  Buffer<std::uint8_t> gradients_[2];  // narrow or wide, beside rows_, or [row][width] in [0]
  std::vector<NodeRows> nodes_;  // [node]
  std::vector<std::unique_ptr<Histogram>> histograms_;  // [node], null = none
  std::vector<std::unique_ptr<Histogram>> spare_;  // memory of released histograms
  PieceList tiles_, pieces_;
  Moves moves_;
  Buffer<std::byte> given_;  // scratch of other operations
  SearchMemory search_;
};

template <class Kernel>
void CudaBackend::launch_rows(std::int64_t n, const Kernel& kernel, std::size_t shared_bytes) {
  device_.launch(blocks_for(n), device_.policy().n_threads, kernel, shared_bytes);
}

}  // namespace pygbt::device
