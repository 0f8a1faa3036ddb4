// SPDX-License-Identifier: Apache-2.0
// Wide sums of the leaves' rows, and the update of every row's score. Called by the operations of the seam and by the growth
// of whole trees, which does more in the same launches.
#pragma once

#include <cstdint>

#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/layout.h"
#include "quantised.h"
#include "walk_rows.h"

namespace pygbt::device {

// Once all sums are known one block does `then`.
template <class Then>
struct LeafSumKernel {
  QuantisedTargets targets;
  const TreeArguments* tree;
  Pieces leaves;
  const RowId* rows[2];
  Cell* out;  // [leaf][width], zero before
  std::int32_t width;
  Arrivals arrivals;
  Then then;

  PYGBT_KERNEL void operator()() const {
    const std::int64_t n = leaves.n();
    for (std::int64_t piece = block(); piece < n; piece += n_blocks()) {
      const RowRun run = leaves[piece];
      for (std::int32_t k = 0; k < width; ++k) add_up(run, k);
    }
    if (arrivals.last_of_tasks(n)) then();
  }

  PYGBT_KERNEL void add_up(const RowRun& run, std::int32_t k) const {
    const QuantisedRows target = targets.rows(tree->first_leaf_target + k, Precision::kLeaf);
    Cell sum{0, 0};
    for (std::int64_t i = run.begin + thread(); i < run.begin + run.n; i += n_threads())
      sum += target.weighted(rows[run.buffer][i]);
    sum = block_sum(sum, shared<Cell>());
    if (thread() != 0) return;
    Cell& cell = out[row_major(run.item, k, width)];
    add(&cell.g, sum.g);
    add(&cell.h, sum.h);
  }
};

// The blocks do `beside`, too.
template <class Beside>
struct AddLeafKernel {
  Pieces leaves;
  const RowId* rows[2];
  const float* values;  // [leaf][width]
  float* scores;  // [row][n_targets]
  const TreeArguments* tree;
  std::int32_t width, n_targets;
  Beside beside;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t target = tree->first_leaf_target;
    for (std::int64_t piece = block(), n = leaves.n(); piece < n; piece += n_blocks()) {
      const RowRun run = leaves[piece];
      for (std::int64_t i = run.begin + thread(); i < run.begin + run.n; i += n_threads())
        for (std::int32_t k = 0; k < width; ++k)
          scores[row_major(rows[run.buffer][i], target + k, n_targets)] += values[row_major(run.item, k, width)];
    }
    beside();
  }
};

// A residual quantile as a leaf value, once bounds have made `value` of it. NaN as it is: processors differ in what they
// make of it.
PYGBT_KERNEL float learnt(float quantile, double value, double learning_rate) {
  return quantile == quantile ? static_cast<float>(learning_rate * value) : quantile;
}

template <class Then>
void CudaBackend::launch_leaf_sums(const Pieces& leaves, std::int64_t most_leaves, Cell* out, const Then& then) {
  device_.launch(blocks_for(leaf_piece_size(), most_leaves), device_.policy().n_threads,
                 LeafSumKernel<Then>{quantised_targets(),
                                     tree_.data(),
                                     leaves,
                                     {rows_[0].data(), rows_[1].data()},
                                     out,
                                     leaf_width(request_),
                                     {arrivals_.data()},
                                     then},
                 block_scratch());
}

template <class Beside>
void CudaBackend::launch_add_scores(const Pieces& leaves, std::int64_t most_leaves, const ScoredTree& tree,
                                    const Beside& beside) {
  device_.launch(blocks_for(leaf_piece_size(), most_leaves), device_.policy().n_threads,
                 AddLeafKernel<Beside>{leaves,
                                       {rows_[0].data(), rows_[1].data()},
                                       tree.leaf_values,
                                       scores_.data(),
                                       tree_.data(),
                                       tree.width,
                                       n_targets_,
                                       beside});
  if (draws_all()) return;
  launch_rows(n_rows_, WalkKernel{rows_[0].data(), n_drawn_.data(), n_rows_, tree.nodes, tree.bins, table_.columns(),
                                  tree.leaf_values, scores_.data(), tree_.data(), tree.width, n_targets_});
}

}  // namespace pygbt::device
