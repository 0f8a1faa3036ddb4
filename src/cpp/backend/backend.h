// SPDX-License-Identifier: Apache-2.0
// The seam between the algorithm and the machine. The one grow loop and the boosting loop call these operations,
// each over all nodes of a step; `cpu`, `naive` and `cuda` own the loops and memory behind them, never a
// formula. Sums are integers over the rows of all workers (the Communicator adds them up).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/scored_rows.h"
#include "backend/split_rules.h"
#include "backend/tree_order.h"
#include "base/error.h"
#include "base/types.h"
#include "comm/communicator.h"
#include "data/dataset.h"
#include "math/losses.h"
#include "tree/binned_tree.h"
#include "tree/split.h"

namespace pygbt {

struct RootStats {
  std::vector<Cell> sums;  // [width]
  std::int64_t count = 0;  // rows in the tree
  double weight = 0.0;  // their weights
  std::vector<CellUnits> units;  // [width] of histogram and split sums
  std::vector<CellUnits> leaf_units;  // [leaf width] of leaf_sums
};

// One node whose best cut is wanted.
struct SplitQuery {
  NodeId node = 0;
  std::span<const Cell> sums;  // [width]
  std::int64_t count = 0;
  std::span<const FeatureId> features;  // allowed features, ascending
  std::span<const double> lower;  // [width] bounds of the leaf value (monotone constraints); empty = none
  std::span<const double> upper;
};

struct SiblingPair {
  NodeId parent = 0;  // its histogram is given up
  NodeId built = 0;  // histogram already there
  NodeId derived = 0;  // becomes parent - built
};

// Histograms to make in a step: of `built` from their rows, then those of `pairs`.
struct HistogramStep {
  std::span<const NodeId> built;
  std::span<const SiblingPair> pairs;
  bool last = false;  // nobody asks for these histograms again: no child of their nodes is searched
};

struct NodeCut {
  NodeId node = 0;
  NodeId left = 0;  // ids of the children: left, left + 1
  const Split* split = nullptr;
  bool final = false;  // neither child is split or asked for its residual quantile: its rows need no order
};

// What the rows learn from under LossSpec::tasks: labels, and the teacher's targets beside them. The spans outlive the
// backend; see TaskRow for what the cells are.
struct TaskTargets {
  std::int32_t n_labels = 0;
  std::span<const float> labels;  // [row][n_labels], or empty
  std::span<const float> soft;  // [row][n_targets], or empty
  std::span<const float> trust;  // [row], or empty: 1
  std::span<const float> temperature;  // [row], or empty: 1
  std::span<const float> quantile_labels;  // [row][n_targets] whose residual quantiles leaves take, or empty; NaN: none
};

struct LossTotals {  // for the choice of narrow or wide quantisation; order-free
  double max_g = 0.0;  // max |g| over rows with weight
  double max_h = 0.0;
  double spread_g = 0.0;  // weighted mean of |g| - |mean of g|: at most the mean deviation of g from its mean
  double mean_h = 0.0;
  double mean_g = 0.0;  // weighted mean of |g|
};

class Backend {
 public:
  virtual ~Backend() = default;

  // The training rows. `data` outlives the backend.
  virtual void load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int n_threads) = 0;

  // Scores (margins) of the training rows, float32 [row][n_targets].
  virtual void set_scores(std::span<const float> scores) = 0;
  virtual void start_scores(std::span<const float> of_target) = 0;  // the same for every row, [n_targets]
  virtual std::span<const float> scores() = 0;

  // A device keeps the scores of the training rows and of evaluation sets; nullptr where the host does.
  virtual DeviceScoredRows* training_rows() { return nullptr; }
  // A data set that shares the bins of the training rows, and its scores [row][n_targets]. The backend's own; `data`
  // outlives it.
  virtual DeviceScoredRows* add_evaluation_set(const Dataset& /*data*/, std::span<const float> /*scores*/) {
    return nullptr;
  }
  // Adds a tree to the scores of all evaluation sets.
  virtual void add_to_evaluation_sets(const BinnedTree& /*tree*/) {}

  // Before the first gradients of a loss with tasks.
  virtual void set_task_targets(const TaskTargets& targets) = 0;
  // Unweighted float32 gradients and hessians of every row and target, from the scores and labels, or given.
  virtual void gradients(const LossSpec& loss) = 0;
  virtual void set_gradients(std::span<const float> g, std::span<const float> h) = 0;  // [row][n_targets]
  // The same from the memory of the backend's device, as float32. With a fault they must not be used.
  virtual GradientFaults set_device_gradients(const DeviceMatrix& /*g*/, const DeviceMatrix& /*h*/) {
    throw Unsupported("gradients on a GPU need device=\"cuda\"");
  }
  virtual LossTotals totals(std::int32_t target) = 0;
  // Targets [n_targets, n_targets + n) of the present gradients: sketches of the others, factors [n][n_targets].
  virtual void sketch(std::int32_t n, std::span<const float> factors) = 0;

  // Draws the rows, quantises the gradients; node 0 holds the rows drawn.
  virtual RootStats begin_tree(const TreeRequest& request) = 0;
  // Histograms [feature][bin][target] of the nodes, over all bins of all features.
  virtual void histograms(std::span<const NodeId> nodes) = 0;
  virtual void subtract(std::span<const SiblingPair> pairs) = 0;
  virtual void release(std::span<const NodeId> nodes) = 0;  // histograms no longer needed
  // Best cut of each node; a Split without a feature where there is none. With `shared`, one cut for all nodes
  // (symmetric trees): maximises the sum of their gains; `left` differs from node to node.
  virtual void best_splits(const SplitRules& rules, std::span<const SplitQuery> queries, bool shared,
                           std::span<Split> out) = 0;
  // The three above in one: a backend may make and search the histograms feature by feature.
  virtual void build_and_split(const HistogramStep& step, const SplitRules& rules, std::span<const SplitQuery> queries,
                               bool shared, std::span<Split> out) {
    histograms(step.built);
    subtract(step.pairs);
    best_splits(rules, queries, shared, out);
  }
  // Gives the rows of each node to its children, order kept; out_counts[i] = rows of the left child of cut i. Until a
  // child is cut the node keeps its rows too: it may end as a leaf.
  virtual void partition(std::span<const NodeCut> cuts, std::span<std::int64_t> out_left_counts) = 0;
  // Wide integer sums of the leaves, out [leaf][leaf width] in leaf_units.
  virtual void leaf_sums(std::span<const NodeId> leaves, std::span<Cell> out) = 0;
  // Exact weighted alpha-quantile of (label - score) of one target over each leaf's rows that have a label; out [leaf].
  virtual void leaf_quantiles(std::span<const NodeId> leaves, std::int32_t target, double alpha,
                              std::span<float> out) = 0;
  // scores += leaf values, for the rows of the tree by their leaf and for the rows not drawn by walking the tree.
  // `leaf_nodes`[i] is the node of leaf i.
  virtual void add_scores(const BinnedTree& tree, std::span<const NodeId> leaf_nodes) = 0;

  // For the trees of a round at the same time: backends of one thread that share this one's rows, gradients and scores,
  // until the next gradients. Each tree, of one target and with narrow gradients, is grown by any of them. `first` asks
  // for the first tree. Empty where trees grow one after the other.
  virtual std::vector<Backend*> beside(const TreeRequest& /*first*/) { return {}; }

  // Whole trees: all of the above from begin_tree to add_scores, queued without waiting for any of it.
  virtual bool grows_trees(const TreeKind& /*kind*/) const { return false; }
  // Trees on the gradients of their time, in the order of the calls; gradients() may be called in between.
  virtual void queue_tree(const TreeOrder& /*order*/) {}
  // The trees queued since, once they are grown. Fewer if the next one's precision was guessed wrong: neither it nor
  // what was queued after it, gradients included, has happened.
  virtual std::vector<OrderedTree> finish_trees() { return {}; }
  // What TreeKind::witnesses have seen in all trees since load().
  virtual CutGains cut_gains() { return {}; }

  // For tests: the histogram of a node, [feature][bin][width] with features back to back (n_bins each).
  virtual std::vector<Cell> histogram_of(NodeId node) const = 0;
  // For tests: features whose bins a device adds up by one code, [slot]; none where they do not lie on one.
  virtual std::vector<std::vector<FeatureId>> histogram_slots() const { return {}; }
  // For tests and sums: rows of a node in their present order.
  virtual std::vector<RowId> rows_of(NodeId node) const = 0;
};

// Scores [row][n_targets] that are the same for every row.
inline void fill_rows(std::span<const float> of_target, std::span<float> scores) {
  if (of_target.size() == 1) {
    std::fill(scores.begin(), scores.end(), of_target[0]);
    return;
  }
  for (std::size_t at = 0; at < scores.size(); at += of_target.size())
    std::copy(of_target.begin(), of_target.end(), scores.begin() + static_cast<std::ptrdiff_t>(at));
}

std::unique_ptr<Backend> make_cpu_backend();
std::unique_ptr<Backend> make_naive_backend();
// "cpu", "naive", or a device whose module has been loaded, of several the one numbered `ordinal`; throws Unsupported
// else.
std::unique_ptr<Backend> make_backend(const std::string& device, int ordinal = 0);

// What the module of a device hands over: makers of its seams, each for the caller to own.
class DeviceBinner;
class Walker;
struct DeviceModule {
  Backend* (*make_backend)(int ordinal);
  Walker* (*make_walker)(int ordinal);
  DeviceBinner* (*make_binner)(int ordinal);
};
// From now on make_backend, make_walker and make_binner use it for the device.
void set_device_module(const std::string& device, const DeviceModule& module);
// Finds edges and bins on a device whose module has been loaded (data/device_bins.h).
std::unique_ptr<DeviceBinner> make_binner(const std::string& device, int ordinal);

// Adds a tree to the scores of a data set that shares the tree's bins, float32 [row][n_targets].
void add_tree_scores(const BinnedTree& tree, const Dataset& data, std::span<float> scores, std::int32_t n_targets,
                     int n_threads);

}  // namespace pygbt
