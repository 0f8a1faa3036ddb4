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
#include <map>
#include <memory>
#include <span>
#include <tuple>
#include <vector>

#include "backend/backend.h"
#include "buffer.h"
#include "device_rows.h"
#include "evaluation_sets.h"
#include "frontier.h"
#include "leaf_marks.h"
#include "math/order_key.h"
#include "math/quantise.h"
#include "node_columns.h"
#include "pieces.h"
#include "quantised.h"
#include "runtime.h"
#include "scale_search.h"
#include "shared_cells.h"
#include "split_search.h"
#include "table.h"
#include "tree_work.h"

namespace pygbt::device {

struct AccountKernel;
struct RowBuffers;

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int ordinal);

  void load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int n_threads) override;
  void set_scores(std::span<const float> scores) override;
  void start_scores(std::span<const float> of_target) override;
  std::span<const float> scores() override;
  DeviceScoredRows* training_rows() override { return &training_rows_; }
  DeviceScoredRows* add_evaluation_set(const Dataset& data, std::span<const float> scores) override {
    return evaluation_sets_.add(data, scores);
  }
  void add_to_evaluation_sets(const BinnedTree& tree) override { evaluation_sets_.add_tree(tree); }
  void set_task_targets(const TaskTargets& targets) override;
  void gradients(const LossSpec& loss) override;
  void set_gradients(std::span<const float> g, std::span<const float> h) override;
  GradientFaults set_device_gradients(const DeviceMatrix& g, const DeviceMatrix& h) override;
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
  bool grows_trees(const TreeKind& kind) const override;
  void queue_tree(const TreeOrder& order) override;
  std::vector<OrderedTree> finish_trees() override;
  CutGains cut_gains() override;
  std::vector<Cell> histogram_of(NodeId node) const override;
  std::vector<std::vector<FeatureId>> histogram_slots() const override { return table_.groups().features(); }
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
    Buffer<std::int64_t> tile_lefts;  // [tile] rows that go left
    Buffer<std::int64_t> left_counts;  // [item]
    Buffer<std::uint32_t> sides;  // [tile][words of a tile]
  };
  // What a tree's growth may come to, at most.
  struct GrowthBounds {
    std::int64_t nodes = 0;
    std::int64_t leaves = 0;
    std::int64_t slots = 0;  // histograms at a time
    std::int64_t items = 0;  // nodes that a step expands
    std::int64_t steps = 0;
  };
  // What the launches of a tree depend on beside its kind: wide, features searched at most, levels of leaf quantiles.
  using RecordingKey = std::tuple<bool, std::int32_t, std::vector<double>>;
  struct TreeRecordings {
    Recording start, steps, leaves;  // of trees that grow by levels all in `start`
  };
  // Trees of a kind that grow by themselves: see frontier.h. One tree grows at a time: all kinds have the same memory.
  struct GrowthKind {
    explicit GrowthKind(Device& device) : balance(device), list_features(device), list_heads(device), columns(device) {}
    TreeKind kind;
    GrowthBounds bounds;
    Frontier tree{};
    GrownOnDevice grown{};
    LeafMarks marks;  // [row]
    TreeRecords records;
    DrawnSums* totals = nullptr;
    LeafMean* means = nullptr;  // [node] of quantiles with monotone bounds, and their ranges
    Interval* mean_ranges = nullptr;
    Buffer<BalancedTargets> balance;  // kind.balance, as sent
    Buffer<FeatureId> list_features;
    Buffer<FeatureList> list_heads;
    std::vector<std::vector<FeatureId>> lists;  // as sent
    std::int32_t most_features = 1;
    NodeColumnMemory columns;
    std::map<RecordingKey, TreeRecordings> recordings;
  };
  struct Growth {
    std::vector<std::unique_ptr<GrowthKind>> kinds;
    GrowthKind* now = nullptr;  // of the tree that is queued
    Buffer<std::byte> memory, record_memory;
    Buffer<std::int8_t> monotone;
    Buffer<std::uint32_t> used;  // [feature] by trees of the model
    Buffer<Candidate> stem_cuts;  // see StemCuts
    Buffer<std::int32_t> stem_left;
    Buffer<Cell> stem_sums;
    Buffer<std::uint32_t> stem_bins;
    struct Queued {
      const GrowthKind* kind = nullptr;
      std::int64_t record = 0;  // byte
      std::int32_t first_leaf_target = 0;
    };
    std::vector<Queued> queued;
    std::int64_t record_end = 0;  // bytes in use
    std::vector<OrderedTree> finished;
    Reports reports;
    bool stopped = false;
  };
  // Of targets that count alike, and of sketches.
  struct BalanceMemory {
    Buffer<DrawnSums> totals;  // [target] zero between uses
    Buffer<CellUnits> factors;  // [target]
    Buffer<float> sketch_factors;  // [sketch][target]
  };
  // Of the searches by which tasks account for shared cuts (witness.cu).
  struct WitnessMemory {
    Buffer<CellUnits> factors;  // [task][width]
    Buffer<double> units;  // [task][2][width]
    Buffer<Query> queries;
    Buffer<NodeSet> sets;
    Buffer<Candidate> cuts;
    Buffer<Cell> left;
    Buffer<std::uint32_t> left_bins;
    Buffer<double> worth;  // [query]
    Buffer<double> gains;  // [2][task] of shared cuts, of own ones
    Buffer<std::int64_t> n_nodes;  // [1]
  };
  // Of leaves by whole curvature (full_leaves.cu).
  struct FullLeafMemory {
    Buffer<std::int64_t> sums;  // [leaf][cell of a triangle]
    Buffer<double> solution;  // [leaf][target]
    Buffer<float> probabilities;  // [block][row][target]
  };
  // What rows learn from under LossSpec::tasks.
  struct TaskColumns {
    std::int32_t n_labels = 0;
    Buffer<TaskLoss> tasks;
    Buffer<float> labels, soft, trust, temperature, quantile_labels;
  };
  // Scratch of residual quantiles.
  struct Quantiles {
    Buffer<RankSearch> searches;
    Buffer<std::int64_t> counts, totals;
  };
  // Of ranking objectives.
  struct Ranking {
    bool loaded = false;
    Buffer<std::int64_t> group_begin;  // [query + 1]
    Buffer<float> teacher;  // [row], empty = none
    Buffer<RankMix> mixes;  // [query]
    Buffer<std::uint64_t> memory;  // scratch of all queries at once
  };
  // A tree that adds to scores, on the device.
  struct ScoredTree {
    const BinnedNode* nodes;
    const std::uint32_t* bins;
    const float* leaf_values;  // [leaf][width]
    std::int32_t width;
  };
  // The leaves of a tree, once its rows are marked.
  struct MarkedLeaves {
    LeafMarks marks;
    const std::int32_t* n = nullptr;  // [1]
    std::int64_t most = 0;
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
  // Shared memory of block_sum and block_scan of whatever the frontier counts.
  std::size_t block_scratch() const { return warps() * sizeof(Cell); }
  std::size_t warps() const { return static_cast<std::size_t>(device_.policy().n_threads) / kWarp; }
  NodeRows& rows_at(NodeId node) { return nodes_[static_cast<std::size_t>(node)]; }
  const NodeRows& rows_at(NodeId node) const { return nodes_[static_cast<std::size_t>(node)]; }
  RowRun run_of(NodeId node) const { return {rows_at(node).begin, rows_at(node).count, 0, rows_at(node).buffer}; }
  std::vector<RowRun> runs_of(std::span<const NodeId> nodes) const;
  std::int64_t gradient_bytes() const;  // of a row and target
  static GrowthBounds bounds_of(const TreeKind& kind);
  GrowthKind& growth_kind(const TreeOrder& order);
  std::size_t carve_growth(GrowthKind& kind, std::byte* memory) const;
  void carve_records(GrowthKind& kind) const;
  void make_growth(GrowthKind& kind, const TreeOrder& order);
  void make_records();
  void make_stem(const GrowthBounds& bounds, std::int32_t n_targets);
  void send_lists(const std::vector<std::vector<FeatureId>>& lists);
  void make_node_columns(GrowthKind& kind, const TreeOrder& order, std::int64_t n_sets);
  void send_units(const std::vector<NodeDraws::Level>& levels);
  const std::uint8_t* launch_node_columns(std::int64_t n_sets);
  NarrowMeans narrow_means() const;
  void make_balance(GrowthKind& kind);
  const CellUnits* launch_balance(const TreeKind& kind);
  void add_sketches(std::int32_t n, const float* factors);
  void launch_sketches(const TreeOrder& order);
  void make_witnesses(const TreeKind& kind, std::int64_t n_queries);
  void launch_witness_units(const TreeOrder& order);
  void launch_witnesses(const TreeOrder& order, const Search& step, std::int64_t n_queries);
  void make_full_leaves(const GrowthBounds& bounds, std::int32_t n_targets);
  void launch_full_leaves(const FullLeaves& rule);
  void launch_levels(const TreeOrder& order);
  void launch_best_first(const TreeOrder& order, TreeRecordings& recordings);
  std::int64_t launch_stem(const TreeOrder& order);
  void launch_step(const TreeOrder& order, std::int64_t n_queries, bool marks = false);
  std::int64_t launch_start(const TreeOrder& order);
  template <class Then>
  void launch_expansion(std::int64_t n_items, const Then& then);
  void launch_leaves(const TreeOrder& order, bool waiting);
  void fetch_trees();
  void launch_totals(const TreeArguments* tree, std::int32_t n, DrawnSums* out);
  void clear_marks(const LeafMarks& marks);
  void launch_marks(const Pieces& runs, std::int64_t most_runs, const CutSide& cuts, const LeafPair* leaves,
                    const LeafMarks& marks);
  MarkedLeaves mark_leaves(std::span<const NodeId> leaves);
  template <class Beside = Nothing, class Then = Nothing>
  void launch_leaf_sums(const MarkedLeaves& leaves, Cell* out, const Beside& beside = {}, const Then& then = {});
  void launch_leaf_quantiles(const Pieces& leaves, std::int64_t most_leaves, std::int32_t k, double alpha, bool raw,
                             float* out);
  template <class Beside = Nothing>
  void launch_add_scores(const MarkedLeaves& leaves, const ScoredTree& tree, const Beside& beside = {});
  ScaleSearch scale_search(std::int32_t n_targets);
  void find_scales();
  QuantisedTargets quantised_targets() const;
  void rank_gradients(const LossSpec& loss);
  std::array<double, 2> extremes(std::int32_t target);  // largest |g| and h
  CellUnits units(std::int32_t target, Precision precision);
  template <class Then, class Beside>
  void start_tree(const TreeRequest& request, const Then& then, const Beside& beside);
  const std::int64_t* draw_rows();
  bool draws_all() const { return request_.subsample >= 1.0 && table_.weights() == nullptr; }
  PieceSize tile_pieces() const {
    const Policy& policy = device_.policy();
    return {policy.n_blocks, policy.least_tile_rows, policy.tile_rows};
  }
  void make_counts(std::int64_t most_items);
  void make_moves(std::int64_t most_items);
  RowBuffers row_buffers(std::int64_t gradient_bytes);
  template <class Side, class Then = Nothing>
  void move_rows(const Pieces& tiles, std::int64_t most_items, const Side& side, std::int64_t gradient_bytes,
                 const Then& then = {});
  Search search_memory(const SplitRules& rules, std::size_t n_queries, std::size_t n_sets, bool shared,
                       std::int32_t most_features);
  template <class Then>
  void launch_search(const Search& search, const Found& found, std::int64_t n_queries, std::int64_t n_sets,
                     const Then& then);
  // The same; then the tree's next nodes are expanded (ExpandKernel).
  void launch_search(const Search& search, const Found& found, std::int64_t n_queries, std::int64_t n_sets,
                     const Frontier& tree, Cell* leaf_sums);
  // The same, each node by itself; then a task accounts for the cuts that the tree has.
  void launch_search(const Search& search, const Found& found, std::int64_t n_queries, const AccountKernel& account);
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
  static HistogramPlace place_of(Histogram& histogram) { return {histogram.cells.data(), histogram.counts.data()}; }
  PieceSize histogram_pieces() const;
  void launch_subtract(const HistogramPair* pairs, const std::int32_t* n_pairs, std::int64_t most_pairs);
  std::int32_t histogram_parts() const;
  void launch_histograms(const Pieces& pieces, const HistogramPlace* places);
  Histogram& histogram_at(NodeId node) const;

  static constexpr std::size_t kWarp = 32;
  static constexpr std::int64_t kMostRecords = 64;

  mutable Device device_;
  Table table_;
  DeviceRows training_rows_;
  EvaluationSets evaluation_sets_;
  const Dataset* data_ = nullptr;
  std::int32_t n_targets_ = 1;
  std::int32_t n_sketches_ = 0;  // of the present gradients, behind those of the targets
  std::int64_t n_rows_ = 0;
  Buffer<float> scores_;  // [row][target]
  std::vector<float> host_scores_;
  Buffer<float> g_, h_;  // [target][row]
  Buffer<std::uint32_t> extremes_;  // [target][2] largest |g| and h over rows with weight, as bits
  std::vector<std::uint32_t> host_extremes_;  // the same, empty = not fetched
  Buffer<Quantiser> scales_;  // [target][kPrecisions]
  Buffer<DrawnSums> sums_;  // scratch
  Buffer<Magnitudes> magnitudes_;  // [target][block] scratch of find_scales
  Buffer<WordTrials> word_trials_;  // [group]
  Buffer<std::uint32_t> arrivals_;  // [1 + queries searched at once] zero: of all launches, one after the other

  // The tree being grown.
  TreeRequest request_;
  Buffer<TreeArguments> tree_;  // [1]
  Buffer<std::int64_t> n_drawn_;  // [1]
  Buffer<DrawnSums> drawn_sums_;  // [width]
  Buffer<std::uint32_t> even_h_;  // [width] see EvenHessians
  bool in_order_ = true;  // gradients move with the rows: trees of one target
  std::vector<CellUnits> units_;  // [width]
  Buffer<RowId> rows_[2];  // drawn rows, grouped by node; [0] ends with those not drawn
  Buffer<std::uint8_t> gradients_[2];  // narrow or wide, beside rows_, or [row][width] in [0]
  std::vector<NodeRows> nodes_;  // [node]
  std::vector<std::unique_ptr<Histogram>> histograms_;  // [node], null = none
  std::vector<std::unique_ptr<Histogram>> spare_;  // memory of released histograms
  PieceList tiles_, pieces_;
  Buffer<std::uint32_t> marks_;  // [row] of the leaves that an operation is asked for
  Moves moves_;
  Buffer<std::byte> given_;  // scratch of other operations
  SearchMemory search_;
  Quantiles quantiles_;
  TaskColumns task_columns_;
  Ranking ranking_;
  Buffer<std::int32_t> stop_;  // [1] not 0: nothing that is queued happens
  Growth growth_;
  BalanceMemory balance_;
  WitnessMemory witness_;
  FullLeafMemory full_leaves_;
};

template <class Kernel>
void CudaBackend::launch_rows(std::int64_t n, const Kernel& kernel, std::size_t shared_bytes) {
  device_.launch(blocks_for(n), device_.policy().n_threads, kernel, shared_bytes);
}

}  // namespace pygbt::device
