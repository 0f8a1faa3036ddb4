// SPDX-License-Identifier: Apache-2.0
// Checks a call, then runs it over tasks of consecutive rows: together down the trees where most of these
// are large (model/deep_rows), through the packed forest (model/forest_rows), or tree by tree down the thresholds where
// there are too few rows to pay for packing.
#include "model/predict.h"

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/pool.h"
#include "math/layout.h"
#include "math/links.h"
#include "model/deep_rows.h"
#include "model/forest_rows.h"
#include "model/plain_walk.h"

namespace pygbt {
namespace {

constexpr std::int64_t kPlainTaskRows = 8 * kBlockRows;
constexpr std::int64_t kSerialWork = 1 << 15;  // row-trees below which one thread is faster

PredictPlan make_plan(const Model& model, const PredictInput& input) {
  const Cuts& cuts = model.cuts();
  require(input.columns.size() == cuts.features.size(), "X has " + std::to_string(input.columns.size()) +
                                                            " columns, the model was trained on " +
                                                            std::to_string(cuts.features.size()));
  require(input.begin >= 0 && input.begin <= input.end && input.end <= model.n_iterations(),
          "iterations " + std::to_string(input.begin) + " to " + std::to_string(input.end) + " lie outside 0 to " +
              std::to_string(model.n_iterations()));
  for (std::size_t f = 0; f < cuts.features.size(); ++f) {
    if (input.columns[f].categorical == cuts.features[f].categorical) continue;
    throw InvalidArgument("column " + std::to_string(f) + " of X is " +
                          (cuts.features[f].categorical ? "numeric, the model was trained on categories"
                                                        : "categorical, the model was trained on numbers"));
  }
  PredictPlan plan;
  const auto per = static_cast<std::size_t>(model.trees_per_iteration());
  plan.first_tree = static_cast<std::size_t>(input.begin) * per;
  plan.n_trees = static_cast<std::size_t>(input.end - input.begin) * per;
  std::vector<bool> tested(cuts.features.size(), false);
  for (std::size_t t = 0; t < plan.n_trees; ++t) {
    for (const FeatureId f : model.trees()[plan.first_tree + t]->features) tested[static_cast<std::size_t>(f)] = true;
  }
  for (std::size_t f = 0; f < tested.size(); ++f) {
    if (tested[f]) plan.features.push_back(static_cast<FeatureId>(f));
  }
  const auto work = input.n_rows * static_cast<std::int64_t>(plan.n_trees);
  plan.n_threads = work < kSerialWork ? 1 : resolve_threads(input.n_threads);
  return plan;
}

// Calls body(first row, end, worker) for tasks of whole units of rows, a few tasks a thread.
template <class Body>
void for_tasks(std::int64_t n, std::int64_t unit, std::int64_t most, int n_threads, Body body) {
  std::int64_t rows = n / (std::int64_t{4} * n_threads) / unit * unit;
  rows = std::clamp(rows, unit, most);
  parallel_for(n_threads, (n + rows - 1) / rows,
               [&](std::int64_t task, int worker) { body(task * rows, std::min(n, (task + 1) * rows), worker); });
}

// Calls use(tree number, leaf index of each row of the block, first row, rows) for all blocks, trees in order;
// start and finish frame a block.
template <class Start, class Use, class Finish>
void walk_blocks(const Model& model, const PredictInput& input, const PredictPlan& plan, Start start, Use use,
                 Finish finish) {
  std::vector<Block> blocks(static_cast<std::size_t>(plan.n_threads));
  for_tasks(input.n_rows, kBlockRows, kPlainTaskRows, plan.n_threads,
            [&](std::int64_t begin, std::int64_t end, int worker) {
              Block& block = blocks[static_cast<std::size_t>(worker)];
              for (std::int64_t row = begin; row < end; row += kBlockRows) {
                const int n_rows = static_cast<int>(std::min<std::int64_t>(kBlockRows, end - row));
                fill(block, plan.features, model.cuts(), input.columns, row, n_rows);
                start(row, n_rows);
                std::int32_t leaf[kBlockRows];
                for (std::size_t t = 0; t < plan.n_trees; ++t) {
                  walk(*model.trees()[plan.first_tree + t], block, n_rows, leaf);
                  use(t, leaf, row, n_rows);
                }
                finish(row, n_rows);
              }
            });
}

void add_leaves(const Tree& tree, const std::int32_t* leaf, int n_rows, std::int32_t n_outputs, float* out) {
  const float* values = tree.leaf_value.data();
  float* to = out + tree.target;
  for (int i = 0; i < n_rows; ++i) {
    for (std::int32_t k = 0; k < tree.width; ++k) {
      to[row_major(i, k, n_outputs)] += values[row_major(leaf[i], k, tree.width)];
    }
  }
}

// Tasks over the packed forest; run(rows of the worker, first row, end).
template <class Run>
void run_forest(const Model& model, const PredictInput& input, const PredictPlan& plan, const Forest& forest, Run run) {
  const ForestCall call{.forest = forest,
                        .features = plan.features,
                        .columns = input.columns,
                        .first_tree = plan.first_tree,
                        .n_trees = plan.n_trees,
                        .n_outputs = model.n_outputs()};
  std::vector<ForestRows> workers(static_cast<std::size_t>(plan.n_threads));
  const std::int64_t unit = forest.chunk_rows();
  for_tasks(input.n_rows, unit, unit * ForestRows::kTaskChunks, plan.n_threads,
            [&](std::int64_t begin, std::int64_t end, int worker) {
              run(workers[static_cast<std::size_t>(worker)], call, begin, end);
            });
}

constexpr std::int64_t kMostDeepTasks = 2;  // a thread's: each reads all trees
constexpr std::int64_t kLeastDeepRows = 256;

bool serves_deep(const Model& model, const PredictInput& input, const PredictPlan& plan) {
  return !input.plain && input.n_rows >= kDeepLanes &&
         mostly_deep(std::span(model.trees()).subspan(plan.first_tree, plan.n_trees));
}

// Tasks over large trees; run as above.
template <class Run>
void run_deep(const Model& model, const PredictInput& input, const PredictPlan& plan, Run run) {
  const DeepCall call(model, plan.features, input.columns, plan.first_tree, plan.n_trees);
  std::vector<DeepRows> workers(static_cast<std::size_t>(plan.n_threads));
  const std::int64_t share = input.n_rows / (kMostDeepTasks * plan.n_threads) / kDeepLanes * kDeepLanes;
  const std::int64_t rows =
      std::clamp<std::int64_t>(share, std::min<std::int64_t>(kLeastDeepRows, call.task_rows), call.task_rows);
  parallel_for(plan.n_threads, (input.n_rows + rows - 1) / rows, [&](std::int64_t task, int worker) {
    run(workers[static_cast<std::size_t>(worker)], call, task * rows, std::min(input.n_rows, (task + 1) * rows));
  });
}

// The packed forest, or nullptr: walk.
const Forest* forest_of(const Model& model, const PredictInput& input) {
  return input.plain ? nullptr : model.forest(input.n_rows);
}

}  // namespace

PredictPlan plan_scores(const Model& model, const PredictInput& input, std::span<const float> out) {
  PredictPlan plan = make_plan(model, input);
  const std::int32_t k = model.n_outputs();
  const auto size = static_cast<std::size_t>(row_major(input.n_rows, 0, k));
  require(input.base_margin.empty() || input.base_margin.size() == size, "base_margin must have " + std::to_string(k) +
                                                                             " values for each of the " +
                                                                             std::to_string(input.n_rows) + " rows");
  require(out.size() == size, "the output must have n_rows x n_outputs values");
  return plan;
}

PredictPlan plan_leaves(const Model& model, const PredictInput& input, std::span<const std::int32_t> out) {
  PredictPlan plan = make_plan(model, input);
  require(out.size() == static_cast<std::size_t>(row_major(input.n_rows, 0, static_cast<std::int32_t>(plan.n_trees))),
          "the output must have n_rows x n_trees values");
  return plan;
}

void predict_scores(const Model& model, const PredictInput& input, Output output, std::span<float> out) {
  const PredictPlan plan = plan_scores(model, input, out);
  const std::int32_t k = model.n_outputs();
  const Link link = output == Output::kValue ? link_of(model.loss().objective) : Link::kIdentity;
  const auto start = [&](std::int64_t row, std::int64_t n_rows) {
    float* to = out.data() + row_major(row, 0, k);
    if (!input.base_margin.empty()) {
      std::copy_n(input.base_margin.data() + row_major(row, 0, k), row_major(n_rows, 0, k), to);
      return;
    }
    for (std::int64_t i = 0; i < n_rows; ++i) std::copy_n(model.base_score().data(), k, to + row_major(i, 0, k));
  };
  if (serves_deep(model, input, plan)) {
    run_deep(model, input, plan, [&](DeepRows& rows, const DeepCall& call, std::int64_t begin, std::int64_t end) {
      start(begin, end - begin);
      rows.add_scores(call, begin, end, out);
      predict_kernels().link(link, out.data() + row_major(begin, 0, k), end - begin, k);
    });
    return;
  }
  if (const Forest* const forest = forest_of(model, input)) {
    run_forest(model, input, plan, *forest,
               [&](ForestRows& rows, const ForestCall& call, std::int64_t begin, std::int64_t end) {
                 rows.scores(call, begin, end, model.base_score(), input.base_margin, link, out);
               });
    return;
  }
  const auto add = [&](std::size_t t, const std::int32_t* leaf, std::int64_t row, int n_rows) {
    const Tree& tree = model.trees()[plan.first_tree + t]->tree;
    add_leaves(tree, leaf, n_rows, k, out.data() + row_major(row, 0, k));
  };
  const auto finish = [&](std::int64_t row, int n_rows) {
    if (link == Link::kIdentity) return;
    for (int i = 0; i < n_rows; ++i) apply_link(link, out.data() + row_major(row + i, 0, k), k);
  };
  walk_blocks(model, input, plan, start, add, finish);
}

void predict_leaves(const Model& model, const PredictInput& input, std::span<std::int32_t> out) {
  const PredictPlan plan = plan_leaves(model, input, out);
  const auto n_trees = static_cast<std::int32_t>(plan.n_trees);
  if (serves_deep(model, input, plan)) {
    run_deep(model, input, plan, [&](DeepRows& rows, const DeepCall& call, std::int64_t begin, std::int64_t end) {
      rows.leaves(call, begin, end, out);
    });
    return;
  }
  if (const Forest* const forest = forest_of(model, input)) {
    run_forest(model, input, plan, *forest,
               [&](ForestRows& rows, const ForestCall& call, std::int64_t begin, std::int64_t end) {
                 rows.leaves(call, begin, end, out);
               });
    return;
  }
  const auto nothing = [](std::int64_t, int) {};
  const auto store = [&](std::size_t t, const std::int32_t* leaf, std::int64_t row, int n_rows) {
    std::int32_t* to = out.data() + row_major(row, static_cast<std::int32_t>(t), n_trees);
    for (int i = 0; i < n_rows; ++i) to[row_major(i, 0, n_trees)] = leaf[i];
  };
  walk_blocks(model, input, plan, nothing, store, nothing);
}

}  // namespace pygbt
