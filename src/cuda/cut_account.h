// SPDX-License-Identifier: Apache-2.0
// What the cuts of a step are worth to a task beside the best of its own. Searched for by witness.cu, launched by split.cu.
#pragma once

#include <cstdint>

#include "block.h"
#include "device.h"
#include "frontier.h"
#include "math/gain.h"
#include "math/layout.h"

namespace pygbt::device {

// A task's account of a step, node after node. By the last block of its search.
struct AccountKernel {
  Frontier tree;
  const Candidate* own;  // [query] the best cuts of the task
  const CellUnits* factors;  // [width]
  const double* units;  // [2][width]
  double* worth;  // [query] scratch
  double* shared_gain;  // [1]
  double* own_gain;
  std::int64_t* n_nodes;  // [1], or nullptr: another task counts them

  PYGBT_KERNEL void operator()() const {
    const std::int32_t n = tree.state->n_queries;
    for (std::int32_t q = thread(); q < n; q += n_threads()) worth[q] = gain_of(tree.searched[q]);
    sync();
    if (thread() != 0) return;
    double shared_sum = *shared_gain, own_sum = *own_gain;
    std::int64_t n_cut = 0;
    for (std::int32_t q = 0; q < n; ++q) {
      if (tree.cuts[tree.searched[q]].feature < 0) continue;
      shared_sum += worth[q];
      own_sum += own[q].feature >= 0 ? own[q].gain : 0.0;
      ++n_cut;
    }
    *shared_gain = shared_sum;
    *own_gain = own_sum;
    if (n_nodes != nullptr) *n_nodes += n_cut;
  }

  // Of the node's cut to the task.
  PYGBT_KERNEL double gain_of(NodeId id) const {
    const Cell* const node = tree.sums + row_major(id, 0, tree.width);
    const Cell* const left = tree.left + row_major(id, 0, tree.width);
    if (tree.cuts[id].feature < 0) return 0.0;
    const double of_left = gain([&](std::int32_t k) { return left[k]; });
    const double of_right = gain([&](std::int32_t k) { return node[k] - left[k]; });
    return of_left + of_right - gain([&](std::int32_t k) { return node[k]; });
  }
  template <class Sums>
  PYGBT_KERNEL double gain(Sums&& sums) const {
    double sum = 0.0;
    for (std::int32_t k = 0; k < tree.width; ++k) {
      if (factors[k].g == 0.0) continue;
      const Cell cell = sums(k);
      sum += gain_free(static_cast<double>(cell.g) * units[k], static_cast<double>(cell.h) * units[tree.width + k],
                       tree.leaf_rule);
    }
    return sum;
  }
};

}  // namespace pygbt::device
