// SPDX-License-Identifier: Apache-2.0
// From leaves to scores: wide sums, exact residual quantiles, and the update of every row's score.
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/layout.h"
#include "math/order_key.h"
#include "math/weighted_quantile.h"
#include "walk_rows.h"

namespace pygbt::device {

namespace {

constexpr int kBytes = 256;  // values of a byte of a key

// A block a run of a leaf's rows.
struct LeafSumKernel {
  QuantisedRows target;
  const RowRun* runs;
  const RowId* rows[2];
  Cell* out;  // [leaf][width], zero before
  std::int32_t k, width;

  PYGBT_KERNEL void operator()() const {
    const RowRun run = runs[block()];
    Cell sum{0, 0};
    for (std::int64_t i = run.begin + thread(); i < run.begin + run.n; i += n_threads())
      sum += target.weighted(rows[run.buffer][i]);
    sum.g = block_sum(sum.g, shared<std::int64_t>());
    sum.h = block_sum(sum.h, shared<std::int64_t>());
    if (thread() != 0) return;
    Cell& cell = out[row_major(run.item, k, width)];
    add(&cell.g, sum.g);
    add(&cell.h, sum.h);
  }
};

// Weights of a run's residuals by the byte of their keys at `shift`, if they follow what is found so far.
struct ResidualKernel {
  const RowRun* runs;
  const RowId* rows[2];
  const float* labels;   // [row][n_labels]
  const float* scores;   // [row][n_targets]
  const std::uint32_t* weights;
  const RankSearch* searches;  // [leaf]
  std::int64_t* counts;        // [leaf][kBytes], zero before
  std::int32_t label, n_labels, target, n_targets;
  int shift;

  PYGBT_KERNEL void operator()() const {
    const RowRun run = runs[block()];
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

// A block a run of a leaf's rows.
struct AddLeafKernel {
  const RowRun* runs;
  const RowId* rows[2];
  const float* values;  // [leaf][width]
  float* scores;        // [row][n_targets]
  std::int32_t target, width, n_targets;

  PYGBT_KERNEL void operator()() const {
    const RowRun run = runs[block()];
    for (std::int64_t i = run.begin + thread(); i < run.begin + run.n; i += n_threads())
      for (std::int32_t k = 0; k < width; ++k)
        scores[row_major(rows[run.buffer][i], target + k, n_targets)] += values[row_major(run.item, k, width)];
  }
};

}  // namespace

void CudaBackend::leaf_sums(std::span<const NodeId> leaves, std::span<Cell> out) {
  const Policy& policy = device_.policy();
  Buffer<RowRun> runs(device_);
  Buffer<Cell> sums(device_);
  runs.put(runs_of(leaves, policy.chunk_rows));
  sums.make_zero(out.size());
  for (std::int32_t k = 0; k < request_.width; ++k) {
    const std::int32_t target = request_.first_target + k;
    device_.launch(static_cast<std::int64_t>(runs.size()), policy.n_threads,
                   LeafSumKernel{quantised_rows(target, quantiser(target, Precision::kLeaf)),
                                 runs.data(),
                                 {rows_[0].data(), rows_[1].data()},
                                 sums.data(),
                                 k,
                                 request_.width},
                   warps() * sizeof(std::int64_t));
  }
  sums.get(out.data(), out.size());
}

void CudaBackend::leaf_quantiles(std::span<const NodeId> leaves, std::int32_t target, double alpha,
                                 std::span<float> out) {
  const Policy& policy = device_.policy();
  Buffer<RowRun> runs(device_);
  Buffer<RankSearch> searches(device_);
  Buffer<std::int64_t> counts(device_), totals(device_);
  runs.put(runs_of(leaves, policy.chunk_rows));
  searches.put(std::vector<RankSearch>(leaves.size()));
  totals.make(leaves.size());
  for (int shift = 24; shift >= 0; shift -= 8) {
    counts.make_zero(leaves.size() * kBytes);
    device_.launch(static_cast<std::int64_t>(runs.size()), policy.n_threads,
                   ResidualKernel{runs.data(),
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
  Buffer<RowRun> runs(device_);
  Buffer<float> values(device_);
  runs.put(runs_of(leaf_nodes, policy.chunk_rows));
  values.put(tree.leaf_value);
  device_.launch(static_cast<std::int64_t>(runs.size()), policy.n_threads,
                 AddLeafKernel{runs.data(),
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
