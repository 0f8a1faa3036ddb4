// SPDX-License-Identifier: Apache-2.0
// From leaves to scores: wide sums, exact residual quantiles, and the update of every row's score.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>

#include "backend/cpu_backend.h"
#include "backend/isa_dispatch.h"
#include "backend/tree_scores.h"
#include "base/error.h"
#include "base/pool.h"
#include "math/layout.h"
#include "math/order_key.h"
#include "math/quantise.h"
#include "math/weighted_quantile.h"

namespace pygbt {

namespace {

constexpr std::int64_t kLeafRun = 4096;
constexpr std::int64_t kSumRun = 1024;
constexpr std::int64_t kWalkGrain = 2048;  // rows a task walks down a tree at least

}  // namespace

std::uint32_t CpuBackend::mark_of(std::int64_t row) const {
  std::uint32_t mark = 0;  // little endian
  std::memcpy(&mark, marks_.data() + (row << mark_type_), std::size_t{1} << mark_type_);
  return mark;
}

// Marks the rows of the leaves that no final cut has marked.
void CpuBackend::mark_leaves(std::span<const NodeId> leaves) {
  std::vector<NodeId> bare;
  std::int64_t n_rows = 0;
  for (const NodeId leaf : leaves) {
    if (rows_at(leaf).marked) continue;
    bare.push_back(leaf);
    n_rows += rows_at(leaf).count;
  }
  parallel_for(n_rows < kLeafRun ? 1 : n_threads_, n_rows > 0 ? n_tiles_ : 0, [&](std::int64_t tile, int) {
    for (const NodeId leaf : bare) {
      const Piece rows = piece(leaf, tile, 0, segments(leaf)[tile].count);
      MarkTask task;
      task.rows = rows.rows;
      task.first_row = rows.first_row;
      task.n = rows.n;
      task.left = static_cast<std::uint32_t>(leaf) + 1;
      task.marks = marks_.data();
      kernels().mark_rows[mark_type_](task);
    }
  });
  for (const NodeId leaf : bare) rows_at(leaf).marked = true;
}

// A task is one target over some rows, or over all where there are many targets.
void CpuBackend::leaf_sums(std::span<const NodeId> leaves, std::span<Cell> out) {
  mark_leaves(leaves);
  const std::int32_t width = leaf_width(request_);
  const std::size_t n_marks = nodes_.size() + 1;
  const std::int64_t n_parts = std::clamp<std::int64_t>(n_rows_ / kSumRun, 1, (4 * n_threads_ + width - 1) / width);
  std::fill(out.begin(), out.end(), Cell{});
  std::mutex merge;
  parallel_for(n_threads_, width * n_parts, [&](std::int64_t task, int) {
    const std::int64_t k = task / n_parts, part = task % n_parts;
    const std::int64_t begin = n_rows_ * part / n_parts, end = n_rows_ * (part + 1) / n_parts;
    std::vector<Cell> even(n_marks), odd(n_marks);
    const std::int32_t target = first_leaf_target(request_) + static_cast<std::int32_t>(k);
    kernels().sum_by_mark[mark_type_](quantise_task(target, Precision::kLeaf, begin, end), marks_at(begin), even.data(),
                                      odd.data());
    const std::lock_guard lock(merge);
    for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
      const auto mark = static_cast<std::size_t>(leaves[leaf]) + 1;
      Cell& sum = out[leaf * static_cast<std::size_t>(width) + static_cast<std::size_t>(k)];
      sum += even[mark];
      sum += odd[mark];
    }
  });
  comm_->allreduce_sum({reinterpret_cast<std::int64_t*>(out.data()), out.size() * 2});
}

// Radix selection on order-preserving keys: four passes of 256 integer counts find the key that holds the rank.
void CpuBackend::leaf_quantiles(std::span<const NodeId> leaves, std::int32_t target, double alpha,
                                std::span<float> out) {
  finish_pending();
  const std::uint64_t level = quantile_level(alpha);
  const bool own = !task_targets_.quantile_labels.empty();
  const float* const labels = own ? task_targets_.quantile_labels.data() : data_->labels.data();
  const std::int32_t n_labels = own ? n_targets_ : data_->n_labels;
  const std::int32_t label_column = n_labels == 1 ? 0 : target;
  const auto n_leaves = static_cast<std::int64_t>(leaves.size());
  std::vector<std::int64_t> total(leaves.size(), 0);
  std::vector<RankSearch> search(leaves.size());
  std::vector<std::int64_t> counts(leaves.size() * 256);
  for (int shift = 24; shift >= 0; shift -= 8) {
    std::fill(counts.begin(), counts.end(), 0);
    parallel_for(nodes_[0].count < kLeafRun ? 1 : n_threads_, n_leaves, [&](std::int64_t leaf, int) {
      const auto at = static_cast<std::size_t>(leaf);
      std::int64_t* count = counts.data() + at * 256;
      visit_pieces(leaves[at], 0, rows_at(leaves[at]).count, [&](const Piece& piece) {
        for (std::int64_t i = 0; i < piece.n; ++i) {
          const std::int64_t row = piece.row(i);
          const float label = labels[row_major(row, label_column, n_labels)];
          if (std::isnan(label)) continue;
          const float residual = label - scores_[static_cast<std::size_t>(row_major(row, target, n_targets_))];
          const std::uint32_t key = order_key(residual);
          if (!search[at].follows(key, shift)) continue;
          count[(key >> shift) & 255u] += data_->weight(row);
        }
      });
    });
    comm_->allreduce_sum(counts);
    for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
      const std::int64_t* count = counts.data() + leaf * 256;
      if (shift == 24)
        for (int byte = 0; byte < 256; ++byte) total[leaf] += count[byte];
      // Smallest value whose cumulative weight reaches alpha * total.
      const auto wanted = static_cast<std::int64_t>(quantile_rank(level, static_cast<std::uint64_t>(total[leaf])));
      search[leaf].step(count, wanted, shift);
    }
  }
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf)
    out[leaf] = total[leaf] == 0 ? 0.0f : value_of_key(search[leaf].prefix);
}

// Rows outside the tree get the mark of the leaf they walk to.
void CpuBackend::mark_not_drawn(const BinnedTree& tree, std::span<const NodeId> leaf_nodes) {
  const auto n = static_cast<std::int64_t>(not_drawn_.size());
  parallel_ranges(n_threads_, n, kWalkGrain, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      MarkTask task;
      task.first_row = not_drawn_[static_cast<std::size_t>(i)];
      task.n = 1;
      const auto leaf = static_cast<std::size_t>(leaf_of(tree, *data_, task.first_row));
      task.left = static_cast<std::uint32_t>(leaf_nodes[leaf]) + 1;
      task.marks = marks_.data();
      kernels().mark_rows[mark_type_](task);
    }
  });
}

// The scores change when their rows are next looked at: in the pass that makes the gradients, or in finish_pending.
void CpuBackend::add_scores(const BinnedTree& tree, std::span<const NodeId> leaf_nodes) {
  finish_pending();
  mark_leaves(leaf_nodes);
  mark_not_drawn(tree, leaf_nodes);
  const auto width = static_cast<std::size_t>(tree.width);
  pending_.target = tree.target;
  pending_.width = tree.width;
  pending_.values.assign((nodes_.size() + 1) * width, 0.0f);
  for (std::size_t leaf = 0; leaf < leaf_nodes.size(); ++leaf)
    std::copy_n(tree.leaf_value.begin() + static_cast<std::ptrdiff_t>(leaf * width), width,
                pending_.values.begin() +
                    static_cast<std::ptrdiff_t>((static_cast<std::size_t>(leaf_nodes[leaf]) + 1) * width));
  if (is_beside_) finish_pending();  // the next pass over the scores is another backend's
}

void CpuBackend::apply_pending(std::int64_t begin, std::int64_t end) {
  kernels().add_by_mark[mark_type_](marks_at(begin), end - begin, pending_.values.data(), pending_.width,
                                    scores_.data() + row_major(begin, pending_.target, n_targets_), n_targets_);
}

void CpuBackend::finish_pending() {
  if (pending_.values.empty()) return;
  parallel_ranges(n_threads_, n_rows_, kLeafRun,
                  [&](std::int64_t begin, std::int64_t end, int) { apply_pending(begin, end); });
  pending_.values.clear();
}

}  // namespace pygbt
