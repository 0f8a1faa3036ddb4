// SPDX-License-Identifier: Apache-2.0
// Leaf values of a softmax task by the whole curvature of its leaves (math/full_leaves.h).
#include <algorithm>
#include <bit>
#include <cmath>

#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "frontier.h"
#include "math/full_leaves.h"
#include "math/layout.h"
#include "math/softmax.h"

namespace pygbt::device {

namespace {

// The curvature of a leaf's rows as integers. A block takes some rows at a time: first a thread makes the probabilities of a
// row, then a thread adds up a cell of the triangle, or of fewer rows where there are more threads than cells.
struct CurvatureKernel {
  TaskLoss task;
  Pieces leaves;
  const RowId* rows[2];
  const float* scores;  // [row][n_targets]
  const float* labels;  // [row][n_labels] or nullptr, as all below
  const float* soft;  // [row][n_targets]
  const float* trust;  // [row]
  const float* temperature;  // [row]
  const std::uint32_t* weights;
  float* probabilities;  // [block][n_rows][n_targets]
  std::int64_t* sums;  // [leaf][cell] zero before
  double scale;
  std::int32_t n_rows;  // at a time, threads of a block at most
  std::int32_t n_labels;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t piece = block(), n = leaves.n(); piece < n; piece += n_blocks()) {
      const RowRun run = leaves[piece];
      for (std::int64_t begin = run.begin; begin < run.begin + run.n; begin += n_rows) {
        const std::int64_t left = run.begin + run.n - begin;
        const auto n_here = static_cast<std::int32_t>(left < n_rows ? left : n_rows);
        const std::int64_t row = thread() < n_here ? std::int64_t{rows[run.buffer][begin + thread()]} : -1;
        const CurvatureParts parts = row < 0 ? CurvatureParts{} : curvature_parts(task, task_row(row));
        add_part(run.item, row, n_here, parts.first);
        if (soft != nullptr) add_part(run.item, row, n_here, parts.second);
      }
    }
  }

  PYGBT_KERNEL TaskRow task_row(std::int64_t row) const {
    TaskRow of;
    of.labels = labels == nullptr ? nullptr : labels + row * n_labels;
    of.soft = soft == nullptr ? nullptr : soft + row * task.n_targets;
    of.trust = trust == nullptr ? 1.0f : trust[row];
    of.temperature = temperature == nullptr ? 1.0f : temperature[row];
    return of;
  }

  // Of a row a thread; all threads of the block.
  PYGBT_KERNEL void add_part(std::int32_t leaf, std::int64_t row, std::int32_t n_here,
                             const CurvaturePart& part) const {
    const std::int32_t n = task.n_targets;
    float* const mine = probabilities + block() * n_rows * n;
    auto* const factors = shared<double>();  // [row], and its weight
    auto* const times = shared<std::int64_t>() + n_rows;
    sync();  // whoever read the rows before has done so
    if (row >= 0) {
      float rest = 0.0f;
      factors[thread()] = part.weight * scale;
      times[thread()] = weights == nullptr ? std::int64_t{1} : std::int64_t{weights[row]};
      if (part.weight != 0.0)
        tempered_softmax_row(scores + row * n, n, 1.0f / part.temperature, mine + thread() * n, 1, &rest);
    }
    sync();
    const std::int32_t n_cells = n * (n + 1) / 2, n_together = n_threads() / n_cells;  // threads of a cell
    const std::int32_t step = n_together > 1 ? n_together : 1;
    if (n_together > 1 && thread() >= n_together * n_cells) return;
    for (std::int32_t cell = n_together > 1 ? thread() % n_cells : thread(); cell < n_cells; cell += n_threads()) {
      std::int32_t j = 0;
      while (triangle_at(j + 1, 0) <= cell) ++j;
      const auto k = static_cast<std::int32_t>(cell - triangle_at(j, 0));
      std::int64_t sum = 0;
      for (std::int32_t i = n_together > 1 ? thread() / n_cells : 0; i < n_here; i += step)
        if (factors[i] != 0.0) sum += times[i] * curvature_cell(mine[i * n + j], mine[i * n + k], j == k, factors[i]);
      if (sum != 0) add(sums + std::int64_t{leaf} * n_cells + cell, sum);
    }
  }
};

// A leaf a block: its sums become the curvature, that its factor, and that the values.
struct SolveLeavesKernel {
  Frontier tree;
  GrownOnDevice grown;
  const TreeArguments* arguments;
  double* curvature;  // [leaf][cell] the bits of integers at first
  double* solution;  // [leaf][n_targets]
  double unit;  // of the sums
  double lambda;

  PYGBT_KERNEL void operator()() const {
    if (block() < *tree.leaves.n_items) solve(block());
  }

  PYGBT_KERNEL void solve(std::int64_t leaf) const {
    const std::int32_t n = tree.leaf_width;
    const std::int64_t n_cells = triangle_at(n, 0);
    double* const a = curvature + leaf * n_cells;
    for (std::int64_t cell = thread(); cell < n_cells; cell += n_threads())
      a[cell] = static_cast<double>(std::bit_cast<std::int64_t>(a[cell])) * unit;
    sync();
    for (std::int32_t k = thread(); k < n; k += n_threads()) a[triangle_at(k, k)] += lambda;
    sync();
    for (std::int32_t j = 0; j < n; ++j) {
      const double pivot = cholesky_pivot(a, j);
      if (!(pivot > 0.0)) return;  // the same in all threads: the values stay
      const double root = std::sqrt(pivot);
      sync();  // all have read the diagonal
      if (thread() == 0) a[triangle_at(j, j)] = root;
      for (std::int32_t row = j + 1 + thread(); row < n; row += n_threads())
        a[triangle_at(row, j)] = cholesky_cell(a, row, j, root);
      sync();
    }
    if (thread() != 0) return;
    double* const x = solution + leaf * n;
    for (std::int32_t k = 0; k < n; ++k)
      x[k] = static_cast<double>(grown.leaf_sums[row_major(leaf, k, n)].g) * tree.leaf_g_units()[k];
    solve_by_factor(a, n, x);
    for (std::int32_t k = 0; k < n; ++k)
      grown.leaf_values[row_major(leaf, k, n)] = static_cast<float>(arguments->learning_rate * x[k]);
  }
};

// Rows whose probabilities a block keeps at a time.
std::int32_t rows_at_once(std::int32_t n_targets, int n_threads) {
  constexpr std::int32_t kFewTargets = 32, kFewRows = 32;
  return n_targets <= kFewTargets ? n_threads : std::min(kFewRows, n_threads);
}

}  // namespace

void CudaBackend::make_full_leaves(const GrowthBounds& bounds, std::int32_t n_targets) {
  const std::int64_t n_leaves = (bounds.nodes + 1) / 2;
  full_leaves_.sums.make(n_leaves * triangle_at(n_targets, 0));
  full_leaves_.solution.make(n_leaves * n_targets);
  full_leaves_.probabilities.make(blocks_for(leaf_piece_size(), n_leaves) *
                                  rows_at_once(n_targets, device_.policy().n_threads) * n_targets);
}

// Once the leaves' gradients are summed up and their values those of the rule.
void CudaBackend::launch_full_leaves(const FullLeaves& rule) {
  const GrowthKind& kind = *growth_.now;
  FullLeafMemory& memory = full_leaves_;
  const std::int64_t n_leaves = (kind.bounds.nodes + 1) / 2;
  const int n_threads = device_.policy().n_threads;
  const std::int32_t n_rows = rows_at_once(rule.task.n_targets, n_threads);
  const auto column = [](const Buffer<float>& values) { return values.size() == 0 ? nullptr : values.data(); };
  const bool own = task_columns_.labels.size() + task_columns_.soft.size() > 0;
  const double scale = curvature_scale(data_->total_weight);
  memory.sums.clear();
  device_.launch(blocks_for(leaf_piece_size(), n_leaves), n_threads,
                 CurvatureKernel{rule.task,
                                 kind.tree.leaves,
                                 {rows_[0].data(), rows_[1].data()},
                                 scores_.data(),
                                 own ? column(task_columns_.labels) : table_.labels(),
                                 column(task_columns_.soft),
                                 column(task_columns_.trust),
                                 column(task_columns_.temperature),
                                 table_.weights(),
                                 memory.probabilities.data(),
                                 memory.sums.data(),
                                 scale,
                                 n_rows,
                                 own ? task_columns_.n_labels : data_->n_labels},
                 static_cast<std::size_t>(n_rows) * (sizeof(double) + sizeof(std::int64_t)));
  device_.launch(n_leaves, n_threads,
                 SolveLeavesKernel{kind.tree, kind.grown, tree_.data(), reinterpret_cast<double*>(memory.sums.data()),
                                   memory.solution.data(), data_->weight_unit / scale, rule.lambda});
}

}  // namespace pygbt::device
