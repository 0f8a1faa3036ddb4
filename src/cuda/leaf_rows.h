// SPDX-License-Identifier: Apache-2.0
// Wide sums of the leaves' rows, and the update of every row's score: passes over the rows by the marks of their leaves.
// Called by the operations of the seam and by the growth of whole trees, which does more in the same launches.
#pragma once

#include <algorithm>
#include <cstdint>

#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "leaf_cells.h"
#include "leaf_marks.h"
#include "math/layout.h"
#include "quantised.h"
#include "walk_rows.h"

namespace pygbt::device {

PYGBT_KERNEL std::uint32_t lane() { return static_cast<std::uint32_t>(thread() % kLanes); }

// Rows and the marks of their leaves. A warp takes them a group at a time, a thread some that lie 32 apart.
struct MarkedRows {
  static constexpr int kAtOnce = 4;  // of a thread
  static constexpr int kGroup = kAtOnce * kLanes;
  static_assert(kGroup % LeafMarks::kMostInWord == 0);

  LeafMarks marks;
  const std::int32_t* n_leaves;  // [1]
  std::int64_t n;

  struct Group {
    std::uint32_t n;
    LeafMarks marks;
  };
  PYGBT_KERNEL Group group(std::int64_t begin) const {
    return {static_cast<std::uint32_t>(n - begin < kGroup ? n - begin : kGroup), marks.from(begin)};
  }
};

// Block 0 adds up nothing: it does `beside`, meanwhile. Once all sums are known one block does `then`.
template <class Beside, class Then>
struct LeafSumKernel {
  static constexpr int kMostThreads = 512;
  static constexpr int kLeastBlocks = 2;
  static constexpr int kAtOnce = MarkedRows::kAtOnce;

  QuantisedTargets targets;
  const TreeArguments* tree;
  MarkedRows rows;
  Cell* out;  // [leaf][width], zero before
  std::int32_t width;
  std::size_t cell_bytes;
  Arrivals arrivals;
  Beside beside;
  Then then;

  PYGBT_KERNEL void operator()() const {
    if (block() == 0)
      beside();
    else
      for (std::int32_t k = 0; k < width && *rows.n_leaves > 0; ++k) add_up(k);
    if (arrivals.last_of(n_blocks())) then();
  }

  PYGBT_KERNEL void add_up(std::int32_t k) const {
    const LeafCells cells(*rows.n_leaves, cell_bytes);
    Cell* const of_target = out + k;
    if (cells.n_copies > 0) {
      cells.clear();
      visit_rows(k, [&](auto& leaf, auto& cell) { cells.add_to(leaf, cell); });
      cells.flush(of_target, width);
      return;
    }
    visit_rows(k, [&](auto& leaf, auto& cell) {
      for (int u = 0; u < kAtOnce; ++u) {
        if (leaf[u] == static_cast<std::uint32_t>(cells.n_leaves)) continue;
        Cell& sum = of_target[std::int64_t{leaf[u]} * width];
        add_to_memory(&sum.g, cell[u].g);
        add_to_memory(&sum.h, cell[u].h);
      }
    });
  }

  // Calls add_to(leaf [kAtOnce], cell [kAtOnce]); leaf number *rows.n_leaves: none.
  template <class AddTo>
  PYGBT_KERNEL void visit_rows(std::int32_t k, const AddTo& add_to) const {
    const auto n_leaves = static_cast<std::uint32_t>(*rows.n_leaves);
    const QuantisedRows target = targets.rows(tree->first_leaf_target + k, Precision::kLeaf);
    const std::int64_t first = (block() - 1) * n_threads() + thread() - lane(), step = (n_blocks() - 1) * n_threads();
    for (std::int64_t begin = first * kAtOnce; begin < rows.n; begin += step * kAtOnce) {
      const auto [n, marks] = rows.group(begin);
      std::uint32_t leaf[kAtOnce], weight[kAtOnce];
      float g[kAtOnce], h[kAtOnce];
      PYGBT_UNROLL
      for (int u = 0; u < kAtOnce; ++u) {
        const std::uint32_t i = lane() + static_cast<std::uint32_t>(u * kLanes), at = i < n ? i : 0;
        const std::uint32_t mark = marks[at];
        leaf[u] = i < n && mark < n_leaves ? mark : n_leaves;
        g[u] = target.g[begin + at];
        h[u] = target.h[begin + at];
        weight[u] = static_cast<std::uint32_t>(target.weight(begin + at));
      }
      Cell cell[kAtOnce];
      PYGBT_UNROLL
      for (int u = 0; u < kAtOnce; ++u) {
        const Cell plain = target.plain(g[u], h[u]);
        const std::int64_t w = weight[u];
        cell[u] = {w * plain.g, w * plain.h};
      }
      add_to(leaf, cell);
    }
  }
};

// All targets of a group of rows: scores of neighbouring threads are neighbours. The blocks do `beside`, too.
template <class Beside>
struct AddLeafKernel {
  static constexpr int kAtOnce = MarkedRows::kAtOnce;

  MarkedRows rows;
  const float* values;  // [leaf][width]
  float* scores;  // [row][n_targets]
  const TreeArguments* tree;
  std::int32_t width, n_targets;
  Beside beside;

  PYGBT_KERNEL void operator()() const {
    const auto n_leaves = static_cast<std::uint32_t>(*rows.n_leaves);
    float* const of_target = scores + tree->first_leaf_target;
    const std::int64_t first = first_row() - lane(), step = row_step();
    for (std::int64_t begin = first * kAtOnce; begin < rows.n && n_leaves > 0; begin += step * kAtOnce) {
      float* const of_group = of_target + row_major(begin, 0, n_targets);
      if (width == 1)
        add_to_group<true>(begin, n_leaves, of_group);
      else
        add_to_group<false>(begin, n_leaves, of_group);
    }
    beside();
  }

  template <bool kOne>
  PYGBT_KERNEL void add_to_group(std::int64_t begin, std::uint32_t n_leaves, float* of_group) const {
    const auto [n_rows, marks] = rows.group(begin);
    const auto n_values = static_cast<std::uint32_t>(width), n = kOne ? n_rows : n_rows * n_values;
    for (std::uint32_t first = lane(); first < n; first += MarkedRows::kGroup) {
      std::uint32_t place[kAtOnce], value[kAtOnce];  // of the score, of what is added to it
      float score[kAtOnce];
      bool here[kAtOnce];
      PYGBT_UNROLL
      for (int u = 0; u < kAtOnce; ++u) {
        const std::uint32_t i = first + static_cast<std::uint32_t>(u * kLanes), at = i < n ? i : first;
        const std::uint32_t row = kOne ? at : at / n_values, k = kOne ? 0 : at - row * n_values, leaf = marks[row];
        here[u] = i < n && leaf < n_leaves;
        place[u] = row * static_cast<std::uint32_t>(n_targets) + k;
        value[u] = here[u] ? leaf * n_values + k : 0;
        score[u] = of_group[place[u]];
      }
      PYGBT_UNROLL
      for (int u = 0; u < kAtOnce; ++u) score[u] += values[value[u]];
      PYGBT_UNROLL
      for (int u = 0; u < kAtOnce; ++u)
        if (here[u]) of_group[place[u]] = score[u];
    }
  }
};

// A residual quantile as a leaf value, once bounds have made `value` of it. NaN as it is: processors differ in what they
// make of it.
PYGBT_KERNEL float learnt(float quantile, double value, double learning_rate) {
  return quantile == quantile ? static_cast<float>(learning_rate * value) : quantile;
}

template <class Beside, class Then>
void CudaBackend::launch_leaf_sums(const MarkedLeaves& leaves, Cell* out, const Beside& beside, const Then& then) {
  const Policy& policy = device_.policy();
  // As many copies as pay; one where there is no room for more, and none where there is none for one.
  const auto one = static_cast<std::size_t>(leaves.most + 1) * LeafCells::kBytes;
  const std::size_t wanted = std::max(one, std::min(one * kLanes, policy.leaf_bytes));
  const std::size_t cell_bytes = wanted <= policy.shared_bytes ? wanted : 0;
  const std::size_t scratch = static_cast<std::size_t>(policy.leaf_threads) / kWarp * sizeof(Cell);
  const std::int64_t blocks = std::min(policy.leaf_blocks - 1, (n_rows_ + policy.leaf_rows - 1) / policy.leaf_rows);
  device_.launch(1 + blocks, policy.leaf_threads,
                 LeafSumKernel<Beside, Then>{quantised_targets(),
                                             tree_.data(),
                                             {leaves.marks, leaves.n, n_rows_},
                                             out,
                                             leaf_width(request_),
                                             cell_bytes,
                                             {arrivals_.data()},
                                             beside,
                                             then},
                 std::max(cell_bytes, scratch));
}

template <class Beside>
void CudaBackend::launch_add_scores(const MarkedLeaves& leaves, const ScoredTree& tree, const Beside& beside) {
  using Kernel = AddLeafKernel<Beside>;
  const std::int64_t of_block = static_cast<std::int64_t>(warps()) * MarkedRows::kGroup;
  device_.launch(std::min(device_.policy().n_blocks, (n_rows_ + of_block - 1) / of_block), device_.policy().n_threads,
                 Kernel{{leaves.marks, leaves.n, n_rows_},
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
