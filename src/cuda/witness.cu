// SPDX-License-Identifier: Apache-2.0
// What the cuts of shared trees are worth to each task, and what the best of its own would have been: after the search of a
// step one more of the same nodes for each task, with the factors of the others 0. As Grower::testify on the host.
#include <cstddef>
#include <vector>

#include "block.h"
#include "cuda_backend.h"
#include "cut_account.h"
#include "device.h"
#include "math/layout.h"

namespace pygbt::device {

namespace {

// Units of every task's search [task][2][width]: of g, then of h. One block.
struct WitnessUnitsKernel {
  NarrowMeans means;  // for its scales
  const TreeArguments* tree;
  const CellUnits* factors;  // [task][width]
  double* units;
  std::int32_t n_tasks, width;
  Precision precision;

  PYGBT_KERNEL void operator()() const {
    for (std::int32_t i = thread(); i < n_tasks * width; i += n_threads()) {
      const std::int32_t task = i / width, k = i % width;
      const Quantiser& scales = means.scales[(tree->first_target + k) * kPrecisions + static_cast<int>(precision)];
      double* const of_task = units + std::int64_t{2} * task * width;
      of_task[k] = means.weight_unit / scales.g_scale * factors[i].g;
      of_task[width + k] = means.weight_unit / scales.h_scale * factors[i].h;
    }
  }
};

// The nodes of a step, each to be cut by itself; their histograms are made by now.
struct WitnessQueriesKernel {
  Frontier tree;
  Query* queries;
  NodeSet* sets;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = first_row(); i < tree.state->n_queries; i += row_step()) {
      const auto q = static_cast<std::int32_t>(i);
      queries[q] = tree.queries[q];
      queries[q].sibling = {};
      queries[q].set = q;
      sets[q] = {q, 1, tree.lists_by_depth ? tree.nodes[tree.searched[q]].depth : 0};
    }
  }
};

}  // namespace

// Memory of the searches of all tasks, and their accounts, which begin at 0.
void CudaBackend::make_witnesses(const TreeKind& kind, std::int64_t n_queries) {
  WitnessMemory& memory = witness_;
  std::vector<CellUnits> factors;
  for (const std::vector<CellUnits>& task : kind.witnesses) factors.insert(factors.end(), task.begin(), task.end());
  const auto n_tasks = static_cast<std::int64_t>(kind.witnesses.size());
  memory.factors.put(factors);
  memory.units.make(2 * factors.size());
  memory.queries.make(n_queries);
  memory.sets.make(n_queries);
  memory.cuts.make(n_queries);
  memory.left.make(n_queries * kind.width);
  memory.left_bins.make(n_queries * category_words());
  memory.worth.make(n_queries);
  memory.gains.make_zero(static_cast<std::size_t>(2 * n_tasks));
  memory.n_nodes.make_zero(1);
}

void CudaBackend::launch_witness_units(const TreeOrder& order) {
  const auto n_tasks = static_cast<std::int32_t>(order.kind.witnesses.size());
  device_.launch(
      1, device_.policy().n_threads,
      WitnessUnitsKernel{narrow_means(), tree_.data(), witness_.factors.data(), witness_.units.data(), n_tasks,
                         order.kind.width, order.request.wide ? Precision::kWide : Precision::kNarrow});
}

// After the search of a step, whose memory is used again.
void CudaBackend::launch_witnesses(const TreeOrder& order, const Search& step, std::int64_t n_queries) {
  const Frontier& tree = growth_.now->tree;
  WitnessMemory& memory = witness_;
  const std::int32_t width = order.kind.width;
  const auto n_tasks = static_cast<std::int64_t>(order.kind.witnesses.size());
  launch_rows(n_queries, WitnessQueriesKernel{tree, memory.queries.data(), memory.sets.data()});
  Search search = search_memory(order.kind.rules, static_cast<std::size_t>(n_queries),
                                static_cast<std::size_t>(n_queries), false, step.most_features);
  search.queries = memory.queries.data();
  search.sets = memory.sets.data();
  search.n_queries = search.n_sets = step.n_queries;
  search.lists = step.lists;
  search.n_lists = step.n_lists;
  search.sums = step.sums;
  search.lower = step.lower;
  search.upper = step.upper;
  search.allowed = step.allowed;
  search.one_row_allowed = step.shared;
  search.min_category_hessian = step.min_category_hessian;
  search.monotone = step.monotone;
  for (std::int64_t task = 0; task < n_tasks; ++task) {
    search.g_units = memory.units.data() + 2 * task * width;
    search.h_units = search.g_units + width;
    launch_search(search, {nullptr, memory.cuts.data(), memory.left.data(), memory.left_bins.data(), tree.n_words},
                  n_queries,
                  AccountKernel{tree, memory.cuts.data(), memory.factors.data() + task * width, search.g_units,
                                memory.worth.data(), memory.gains.data() + task, memory.gains.data() + n_tasks + task,
                                task == 0 ? memory.n_nodes.data() : nullptr});
  }
}

CutGains CudaBackend::cut_gains() {
  CutGains gains;
  if (witness_.gains.size() == 0) return gains;
  const std::vector<double> sums = witness_.gains.get();
  const auto half = static_cast<std::ptrdiff_t>(sums.size() / 2);
  gains.shared.assign(sums.begin(), sums.begin() + half);
  gains.own.assign(sums.begin() + half, sums.end());
  gains.n_nodes = witness_.n_nodes.get()[0];
  return gains;
}

}  // namespace pygbt::device
