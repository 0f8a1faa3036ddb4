// SPDX-License-Identifier: Apache-2.0
// From leaves to scores: wide sums, exact residual quantiles, and the update of every row's score.
#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>

#include "backend/cpu_backend.h"
#include "backend/isa_dispatch.h"
#include "backend/tree_scores.h"
#include "base/error.h"
#include "base/pool.h"
#include "math/layout.h"
#include "math/quantise.h"
#include "math/weighted_quantile.h"

namespace pygbt {

namespace {

constexpr std::int64_t kLeafRun = 16384;

struct LeafRun {
  std::size_t leaf;
  std::int64_t begin, end;
};

template <class Count>
std::vector<LeafRun> leaf_runs(std::size_t n_leaves, Count&& count_of) {
  std::vector<LeafRun> runs;
  for (std::size_t leaf = 0; leaf < n_leaves; ++leaf) {
    const std::int64_t count = count_of(leaf);
    const std::int64_t pieces = (count + kLeafRun - 1) / kLeafRun;
    for (std::int64_t p = 0; p < pieces; ++p) runs.push_back({leaf, count * p / pieces, count * (p + 1) / pieces});
  }
  return runs;
}

// Ascending order of the key = ascending order of the float, -0.0 equal to +0.0.
std::uint32_t order_key(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value + 0.0f);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

float value_of_key(std::uint32_t key) { return std::bit_cast<float>(key & 0x80000000u ? key & 0x7fffffffu : ~key); }

}  // namespace

void CpuBackend::leaf_sums(std::span<const NodeId> leaves, std::span<Cell> out) {
  std::fill(out.begin(), out.end(), Cell{});
  const std::int32_t width = request_.width;
  const int bits = quantiser_bits(Precision::kLeaf, false, total_weight_);
  const std::int64_t limit = (std::int64_t{1} << bits) - 1;
  const auto runs = leaf_runs(leaves.size(), [&](std::size_t i) { return rows_at(leaves[i]).count; });
  std::mutex merge;
  parallel_for(
      nodes_[0].count < kLeafRun ? 1 : n_threads_, static_cast<std::int64_t>(runs.size()), [&](std::int64_t r, int) {
        const LeafRun& run = runs[static_cast<std::size_t>(r)];
        const RowId* ids = rows(rows_at(leaves[run.leaf]));
        for (std::int32_t k = 0; k < width; ++k) {
          const std::int32_t target = request_.first_target + k;
          SumTask task;
          task.g = g_.data() + target_major(target, 0, n_rows_);
          task.h = h_.data() + target_major(target, 0, n_rows_);
          task.rows = ids + run.begin;
          task.n = run.end - run.begin;
          task.weights = weights();
          task.g_scale = quantiser_scale(max_g_[static_cast<std::size_t>(target)], bits);
          task.h_scale = quantiser_scale(max_h_[static_cast<std::size_t>(target)], bits);
          task.limit = limit;
          const RowSums sums = kernels().sum_rows(task);
          const std::lock_guard lock(merge);
          out[run.leaf * static_cast<std::size_t>(width) + static_cast<std::size_t>(k)] += Cell{sums.g, sums.h};
        }
      });
  comm_->allreduce_sum({reinterpret_cast<std::int64_t*>(out.data()), out.size() * 2});
}

// Radix selection on order-preserving keys: four passes of 256 integer counts find the key that holds the rank.
void CpuBackend::leaf_quantiles(std::span<const NodeId> leaves, std::int32_t target, double alpha,
                                std::span<float> out) {
  const std::uint64_t level = quantile_level(alpha);
  const std::int32_t label_column = data_->n_labels == 1 ? 0 : target;
  const auto n_leaves = static_cast<std::int64_t>(leaves.size());
  std::vector<std::int64_t> total(leaves.size(), 0);
  std::vector<std::uint32_t> prefix(leaves.size(), 0);
  std::vector<std::int64_t> below(leaves.size(), 0);
  std::vector<std::int64_t> counts(leaves.size() * 256);
  for (int shift = 24; shift >= 0; shift -= 8) {
    std::fill(counts.begin(), counts.end(), 0);
    parallel_for(nodes_[0].count < kLeafRun ? 1 : n_threads_, n_leaves, [&](std::int64_t leaf, int) {
      const auto at = static_cast<std::size_t>(leaf);
      const NodeRows& node = rows_at(leaves[at]);
      std::int64_t* count = counts.data() + at * 256;
      for (std::int64_t i = 0; i < node.count; ++i) {
        const RowId row = rows(node)[i];
        const float residual = data_->labels[static_cast<std::size_t>(row_major(row, label_column, data_->n_labels))] -
                               scores_[static_cast<std::size_t>(row_major(row, target, n_targets_))];
        const std::uint32_t key = order_key(residual);
        if (shift < 24 && (key >> (shift + 8)) != (prefix[at] >> (shift + 8))) continue;
        count[(key >> shift) & 255u] += data_->weight(row);
      }
    });
    comm_->allreduce_sum(counts);
    for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
      const std::int64_t* count = counts.data() + leaf * 256;
      if (shift == 24)
        for (int byte = 0; byte < 256; ++byte) total[leaf] += count[byte];
      // Smallest value whose cumulative weight reaches alpha * total.
      const auto wanted = static_cast<std::int64_t>(quantile_rank(level, static_cast<std::uint64_t>(total[leaf])));
      std::uint32_t byte = 0;
      while (byte < 255 && below[leaf] + count[byte] < wanted) below[leaf] += count[byte++];
      while (byte < 255 && count[byte] == 0) ++byte;
      prefix[leaf] |= byte << shift;
    }
  }
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf)
    out[leaf] = total[leaf] == 0 ? 0.0f : value_of_key(prefix[leaf]);
}

void CpuBackend::add_scores(const BinnedTree& tree, std::span<const NodeId> leaf_nodes) {
  const std::int32_t width = tree.width;
  const auto runs = leaf_runs(leaf_nodes.size(), [&](std::size_t i) { return rows_at(leaf_nodes[i]).count; });
  parallel_for(n_rows_ < kLeafRun ? 1 : n_threads_, static_cast<std::int64_t>(runs.size()), [&](std::int64_t r, int) {
    const LeafRun& run = runs[static_cast<std::size_t>(r)];
    const RowId* ids = rows(rows_at(leaf_nodes[run.leaf]));
    const float* value = tree.leaf_value.data() + run.leaf * static_cast<std::size_t>(width);
    for (std::int64_t i = run.begin; i < run.end; ++i) {
      float* score = scores_.data() + row_major(ids[i], tree.target, n_targets_);
      for (std::int32_t k = 0; k < width; ++k) score[k] += value[k];
    }
  });
  parallel_ranges(
      n_threads_, static_cast<std::int64_t>(not_drawn_.size()), 2048, [&](std::int64_t begin, std::int64_t end, int) {
        for (std::int64_t i = begin; i < end; ++i) {
          const RowId row = not_drawn_[static_cast<std::size_t>(i)];
          const float* value = tree.leaf_value.data() + static_cast<std::int64_t>(leaf_of(tree, *data_, row)) * width;
          float* score = scores_.data() + row_major(row, tree.target, n_targets_);
          for (std::int32_t k = 0; k < width; ++k) score[k] += value[k];
        }
      });
}

}  // namespace pygbt
