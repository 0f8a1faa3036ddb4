// SPDX-License-Identifier: Apache-2.0
// From leaves to scores: wide sums, exact residual quantiles, and the update of every row's score.
#include <algorithm>

#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/layout.h"
#include "math/order_key.h"
#include "math/route.h"
#include "math/weighted_quantile.h"

namespace pygbt::device {

namespace {

constexpr int kBytes = 256;  // values of a byte of a key

struct LeafSumKernel {
  QuantisedTargets targets;
  const TreeArguments* tree;
  Pieces leaves;
  const RowId* rows[2];
  Cell* out;  // [leaf][width], zero before
  std::int32_t width;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t piece = block(), n = leaves.n(); piece < n; piece += n_blocks()) {
      const RowRun run = leaves[piece];
      for (std::int32_t k = 0; k < width; ++k) {
        const QuantisedRows target = targets.rows(tree->first_target + k, Precision::kLeaf);
        Cell sum{0, 0};
        for (std::int64_t i = run.begin + thread(); i < run.begin + run.n; i += n_threads())
          sum += target.weighted(rows[run.buffer][i]);
        sum.g = block_sum(sum.g, shared<std::int64_t>());
        sum.h = block_sum(sum.h, shared<std::int64_t>());
        if (thread() != 0) continue;
        Cell& cell = out[row_major(run.item, k, width)];
        add(&cell.g, sum.g);
        add(&cell.h, sum.h);
      }
    }
  }
};

// Weights of a run's residuals by the byte of their keys at `shift`, if they follow what is found so far.
struct ResidualKernel {
  Pieces leaves;
  const RowId* rows[2];
  const float* labels;   // [row][n_labels]
  const float* scores;   // [row][n_targets]
  const std::uint32_t* weights;
  const RankSearch* searches;  // [leaf]
  std::int64_t* counts;        // [leaf][kBytes], zero before
  std::int32_t label, n_labels, target, n_targets;
  int shift;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t piece = block(), n = leaves.n(); piece < n; piece += n_blocks()) count(leaves[piece]);
  }

  PYGBT_KERNEL void count(const RowRun& run) const {
    auto* const mine = shared<std::int64_t>();
    for (int byte = thread(); byte < kBytes; byte += n_threads()) mine[byte] = 0;
    sync();
    for (std::int64_t i = run.begin + thread(); i < run.begin + run.n; i += n_threads()) {
      const RowId row = rows[run.buffer][i];
      const std::uint32_t key =
          order_key(labels[row_major(row, label, n_labels)] - scores[row_major(row, target, n_targets)]);
      if (searches[run.item].follows(key, shift))
        add(mine + ((key >> shift) & 255u), weights == nullptr ? std::int64_t{1} : std::int64_t{weights[row]});
    }
    sync();
    for (int byte = thread(); byte < kBytes; byte += n_threads())
      if (mine[byte] != 0) add(counts + std::int64_t{run.item} * kBytes + byte, mine[byte]);
    sync();  // before the next piece clears the counts
  }
};

// One step of each leaf's search. A thread a leaf.
struct RankKernel {
  const std::int64_t* counts;  // [leaf][kBytes]
  RankSearch* searches;
  std::int64_t* totals;        // [leaf] weight
  std::int64_t n_leaves;
  std::uint64_t level;
  int shift;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t leaf = first_row(); leaf < n_leaves; leaf += row_step()) {
      const std::int64_t* const count = counts + leaf * kBytes;
      if (shift == 24) {
        totals[leaf] = 0;
        for (int byte = 0; byte < kBytes; ++byte) totals[leaf] += count[byte];
      }
      const std::uint64_t rank = quantile_rank(level, static_cast<std::uint64_t>(totals[leaf]));
      searches[leaf].step(count, static_cast<std::int64_t>(rank), shift);
    }
  }
};

struct AddLeafKernel {
  Pieces leaves;
  const RowId* rows[2];
  const float* values;  // [leaf][width]
  float* scores;        // [row][n_targets]
  std::int32_t target, width, n_targets;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t piece = block(), n = leaves.n(); piece < n; piece += n_blocks()) {
      const RowRun run = leaves[piece];
      for (std::int64_t i = run.begin + thread(); i < run.begin + run.n; i += n_threads())
        for (std::int32_t k = 0; k < width; ++k)
          scores[row_major(rows[run.buffer][i], target + k, n_targets)] += values[row_major(run.item, k, width)];
    }
  }
};

// Rows outside the tree walk it.
struct WalkKernel {
  const RowId* rows;
  std::int64_t n;
  const BinnedNode* nodes;
  const std::uint32_t* cat_bits;
  const Column* columns;
  const float* values;  // [leaf][width]
  float* scores;        // [row][n_targets]
  std::int32_t target, width, n_targets;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = first_row(); i < n; i += row_step()) {
      const RowId row = rows[i];
      std::int32_t at = 0;
      while (nodes[at].left >= 0) {
        const BinnedNode& node = nodes[at];
        const Column& column = columns[node.feature];
        const Bin bin = bin_at(column.bins, column.two_byte, row);
        const bool left = node.cat_begin < 0 ? goes_left(bin, node.bin, node.missing_left)
                                             : goes_left(bin, cat_bits + node.cat_begin, node.cat_words);
        at = node.left + (left ? 0 : 1);
      }
      for (std::int32_t k = 0; k < width; ++k)
        scores[row_major(row, target + k, n_targets)] += values[row_major(~nodes[at].left, k, width)];
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

void CudaBackend::leaf_sums(std::span<const NodeId> leaves, std::span<Cell> out) {
  const Policy& policy = device_.policy();
  Buffer<Cell> sums(device_);
  sums.make_zero(out.size());
  device_.launch(blocks_for(leaf_piece_size(), static_cast<std::int64_t>(leaves.size())), policy.n_threads,
                 LeafSumKernel{quantised_targets(),
                               tree_.data(),
                               leaf_pieces(leaves),
                               {rows_[0].data(), rows_[1].data()},
                               sums.data(),
                               request_.width},
                 warps() * sizeof(std::int64_t));
  sums.get(out.data(), out.size());
}

void CudaBackend::leaf_quantiles(std::span<const NodeId> leaves, std::int32_t target, double alpha,
                                 std::span<float> out) {
  const Policy& policy = device_.policy();
  const Pieces pieces = leaf_pieces(leaves);
  Buffer<RankSearch> searches(device_);
  Buffer<std::int64_t> counts(device_), totals(device_);
  searches.put(std::vector<RankSearch>(leaves.size()));
  totals.make(leaves.size());
  for (int shift = 24; shift >= 0; shift -= 8) {
    counts.make_zero(leaves.size() * kBytes);
    device_.launch(blocks_for(leaf_piece_size(), static_cast<std::int64_t>(leaves.size())), policy.n_threads,
                   ResidualKernel{pieces,
                                  {rows_[0].data(), rows_[1].data()},
                                  table_.labels(),
                                  scores_.data(),
                                  table_.weights(),
                                  searches.data(),
                                  counts.data(),
                                  data_->n_labels == 1 ? 0 : target,
                                  data_->n_labels,
                                  target,
                                  n_targets_,
                                  shift},
                   kBytes * sizeof(std::int64_t));
    const auto n_leaves = static_cast<std::int64_t>(leaves.size());
    launch_rows(n_leaves,
                RankKernel{counts.data(), searches.data(), totals.data(), n_leaves, quantile_level(alpha), shift});
  }
  const std::vector<RankSearch> found = searches.get();
  const std::vector<std::int64_t> weights = totals.get();
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf)
    out[leaf] = weights[leaf] == 0 ? 0.0f : value_of_key(found[leaf].prefix);
}

void CudaBackend::add_scores(const BinnedTree& tree, std::span<const NodeId> leaf_nodes) {
  const Policy& policy = device_.policy();
  Buffer<float> values(device_);
  values.put(tree.leaf_value);
  device_.launch(blocks_for(leaf_piece_size(), static_cast<std::int64_t>(leaf_nodes.size())), policy.n_threads,
                 AddLeafKernel{leaf_pieces(leaf_nodes),
                               {rows_[0].data(), rows_[1].data()},
                               values.data(),
                               scores_.data(),
                               tree.target,
                               tree.width,
                               n_targets_});
  const std::int64_t n_drawn = rows_at(0).count;
  if (n_drawn == n_rows_) return;
  Buffer<BinnedNode> nodes(device_);
  Buffer<std::uint32_t> cat_bits(device_);
  launch_rows(n_rows_ - n_drawn, WalkKernel{rows_[0].data() + n_drawn, n_rows_ - n_drawn, nodes.put(tree.nodes),
                                            cat_bits.put(tree.cat_bits), table_.columns(), values.data(),
                                            scores_.data(), tree.target, tree.width, n_targets_});
}

}  // namespace pygbt::device
