// SPDX-License-Identifier: Apache-2.0
// From leaves to scores: wide sums, exact residual quantiles, and the update of every row's score.
#include <algorithm>

#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "leaf_rows.h"
#include "mark_rows.h"
#include "math/layout.h"
#include "math/order_key.h"
#include "math/weighted_quantile.h"

namespace pygbt::device {

namespace {

constexpr int kBytes = 256;  // values of a byte of a key

// Weights of a run's residuals by the byte of their keys at `shift`, if they follow what is found so far.
struct ResidualKernel {
  Pieces leaves;
  const RowId* rows[2];
  const float* labels;   // [row][n_labels]; NaN: none
  const float* scores;   // [row][n_targets]
  const std::uint32_t* weights;
  const RankSearch* searches;  // [leaf]
  std::int64_t* counts;        // [leaf][kBytes], zero before
  const TreeArguments* tree;
  std::int32_t k;  // target of the tree
  std::int32_t n_labels, n_targets;
  int shift;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t piece = block(), n = leaves.n(); piece < n; piece += n_blocks()) count(leaves[piece]);
  }

  PYGBT_KERNEL void count(const RowRun& run) const {
    const std::int32_t target = tree->first_leaf_target + k, label = n_labels == 1 ? 0 : target;
    auto* const mine = shared<std::int64_t>();
    for (int byte = thread(); byte < kBytes; byte += n_threads()) mine[byte] = 0;
    sync();
    for (std::int64_t i = run.begin + thread(); i < run.begin + run.n; i += n_threads()) {
      const RowId row = rows[run.buffer][i];
      const float y = labels[row_major(row, label, n_labels)];
      if (y != y) continue;
      const std::uint32_t key = order_key(y - scores[row_major(row, target, n_targets)]);
      if (searches[run.item].follows(key, shift))
        add(mine + ((key >> shift) & 255u), weights == nullptr ? std::int64_t{1} : std::int64_t{weights[row]});
    }
    sync();
    for (int byte = thread(); byte < kBytes; byte += n_threads())
      if (mine[byte] != 0) add(counts + std::int64_t{run.item} * kBytes + byte, mine[byte]);
    sync();  // before the next piece clears the counts
  }
};

struct StartRanksKernel {
  const std::int32_t* n_leaves;
  RankSearch* searches;
  std::int64_t* counts;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t leaf = first_row(); leaf < *n_leaves; leaf += row_step()) searches[leaf] = RankSearch{};
    for (std::int64_t i = first_row(); i < std::int64_t{*n_leaves} * kBytes; i += row_step()) counts[i] = 0;
  }
};

// One step of each leaf's search, which clears the counts for the next; the last one gives the value. A thread a leaf.
struct RankKernel {
  const std::int32_t* n_leaves;
  std::int64_t* counts;  // [leaf][kBytes]
  RankSearch* searches;
  std::int64_t* totals;  // [leaf] weight
  float* values;         // [leaf][width]
  const TreeArguments* tree;
  std::int32_t k, width;
  std::uint64_t level;
  int shift;
  bool raw;  // without the learning rate

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t leaf = first_row(); leaf < *n_leaves; leaf += row_step()) {
      std::int64_t* const count = counts + leaf * kBytes;
      if (shift == 24) {
        totals[leaf] = 0;
        for (int byte = 0; byte < kBytes; ++byte) totals[leaf] += count[byte];
      }
      const std::uint64_t rank = quantile_rank(level, static_cast<std::uint64_t>(totals[leaf]));
      searches[leaf].step(count, static_cast<std::int64_t>(rank), shift);
      for (int byte = 0; byte < kBytes; ++byte) count[byte] = 0;
      if (shift > 0) continue;
      const float quantile = totals[leaf] == 0 ? 0.0f : value_of_key(searches[leaf].prefix);
      values[row_major(leaf, k, width)] = raw ? quantile : learnt(quantile, quantile, tree->learning_rate);
    }
  }
};

}  // namespace

PieceSize CudaBackend::leaf_piece_size() const {
  const Policy& policy = device_.policy();
  return {policy.n_blocks, policy.chunk_rows, std::max(policy.chunk_rows, n_rows_)};
}

Pieces CudaBackend::leaf_pieces(std::span<const NodeId> leaves) {
  return pieces_.put(runs_of(leaves), leaf_piece_size());
}

// Marks the rows of nodes; all others are in no leaf.
CudaBackend::MarkedLeaves CudaBackend::mark_leaves(std::span<const NodeId> leaves) {
  const auto n_leaves = static_cast<std::int64_t>(leaves.size());
  LeafMarks marks{nullptr, LeafMarks::log_rows_for(n_leaves, true)};
  marks.words = marks_.make(marks.n_words(n_rows_));
  clear_marks(marks);
  const Pieces runs = pieces_.put(runs_of(leaves), tile_pieces());
  launch_marks(runs, n_leaves, CutSide{}, nullptr, marks);
  return {marks, runs.n_items, n_leaves};
}

// All rows in no leaf.
void CudaBackend::clear_marks(const LeafMarks& marks) {
  device_.fill(marks.words, LeafMarks::kNone, static_cast<std::size_t>(marks.n_words(n_rows_)) * sizeof(std::uint32_t));
}

void CudaBackend::leaf_sums(std::span<const NodeId> leaves, std::span<Cell> out) {
  Buffer<Cell> sums(device_);
  sums.make_zero(out.size());
  launch_leaf_sums(mark_leaves(leaves), sums.data());
  sums.get(out.data(), out.size());
}

// The quantile of target number k of the tree, out [leaf][width]; if it is not to be raw, times the learning rate.
void CudaBackend::launch_leaf_quantiles(const Pieces& leaves, std::int64_t most_leaves, std::int32_t k, double alpha,
                                        bool raw, float* out) {
  const int n_threads = device_.policy().n_threads;
  const bool own = task_columns_.quantile_labels.size() > 0;
  quantiles_.searches.make(most_leaves);
  quantiles_.totals.make(most_leaves);
  quantiles_.counts.make(most_leaves * kBytes);
  launch_rows(most_leaves * kBytes,
              StartRanksKernel{leaves.n_items, quantiles_.searches.data(), quantiles_.counts.data()});
  for (int shift = 24; shift >= 0; shift -= 8) {
    device_.launch(blocks_for(leaf_piece_size(), most_leaves), n_threads,
                   ResidualKernel{leaves,
                                  {rows_[0].data(), rows_[1].data()},
                                  own ? task_columns_.quantile_labels.data() : table_.labels(),
                                  scores_.data(),
                                  table_.weights(),
                                  quantiles_.searches.data(),
                                  quantiles_.counts.data(),
                                  tree_.data(),
                                  k,
                                  own ? n_targets_ : data_->n_labels,
                                  n_targets_,
                                  shift},
                   kBytes * sizeof(std::int64_t));
    launch_rows(most_leaves, RankKernel{leaves.n_items, quantiles_.counts.data(), quantiles_.searches.data(),
                                        quantiles_.totals.data(), out, tree_.data(), k, leaf_width(request_),
                                        quantile_level(alpha), shift, raw});
  }
}

void CudaBackend::leaf_quantiles(std::span<const NodeId> leaves, std::int32_t target, double alpha,
                                 std::span<float> out) {
  const std::int32_t k = target - first_leaf_target(request_);
  const auto width = static_cast<std::size_t>(leaf_width(request_));
  Buffer<float> values(device_);
  values.make_zero(leaves.size() * width);  // fetched whole
  launch_leaf_quantiles(leaf_pieces(leaves), static_cast<std::int64_t>(leaves.size()), k, alpha, true, values.data());
  const std::vector<float> found = values.get();
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf)
    out[leaf] = found[leaf * width + static_cast<std::size_t>(k)];
}

void CudaBackend::add_scores(const BinnedTree& tree, std::span<const NodeId> leaf_nodes) {
  const TreeArguments arguments{request_.iteration, request_.first_target, tree.target};
  tree_.put(std::span(&arguments, 1));
  Buffer<float> values(device_);
  Buffer<BinnedNode> nodes(device_);
  Buffer<std::uint32_t> bins(device_);
  n_drawn_.put(std::span(&rows_at(0).count, 1));
  launch_add_scores(mark_leaves(leaf_nodes),
                    {nodes.put(tree.nodes), bins.put(tree.cat_bits), values.put(tree.leaf_value), tree.width});
}

}  // namespace pygbt::device
