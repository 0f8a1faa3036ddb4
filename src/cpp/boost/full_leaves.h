// SPDX-License-Identifier: Apache-2.0
// Leaf values of softmax trees with vector leaves by the whole curvature of the leaf (math/full_leaves.h), for trees that
// the grow loop leads. The rows' probabilities are made on the host.
#pragma once

#include "data/dataset.h"
#include "grow/grower.h"
#include "math/losses.h"

namespace pygbt {

class FullSoftmaxLeaves final : public LeafSolver {
 public:
  // All outlive it. One softmax task over all targets; lambda > 0, as H alone is singular.
  FullSoftmaxLeaves(const TaskLoss& task, const TaskTargets& targets, const Dataset& data, double lambda, int n_threads)
      : task_(task), targets_(targets), data_(data), lambda_(lambda), n_threads_(n_threads) {}

  void solve(Backend& backend, std::span<const NodeId> leaves, std::int32_t first_target, std::span<const Cell> sums,
             std::span<const CellUnits> units, std::span<double> values) override;
  FullLeaves order() const override { return {task_, lambda_}; }

 private:
  void add_row(std::int64_t row, const float* scores, double scale, std::vector<std::int64_t>& sums) const;

  TaskLoss task_;
  TaskTargets targets_;
  const Dataset& data_;
  double lambda_;
  int n_threads_;
};

}  // namespace pygbt
