// SPDX-License-Identifier: Apache-2.0
// Rows go through all trees in blocks: a block's columns are converted once to float64, column by column (a float32
// column is rounded as in training), and each tree walks eight rows at a time so that their loads overlap.
#include "model/predict.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/pool.h"
#include "math/layout.h"
#include "math/links.h"

namespace pygbt {
namespace {

constexpr int kBlockRows = 64;
constexpr int kLanes = 8;                         // rows that walk a tree together
constexpr std::int64_t kTaskRows = 8 * kBlockRows;
constexpr std::int64_t kSerialWork = 1 << 15;     // row-trees below which one thread is faster

// Values of a block, [feature][kBlockRows]; only the features that the trees test are filled.
struct Block {
  std::unique_ptr<double[]> x;
  bool missing = false;   // some value is NaN
};

template <bool kMissing, bool kCategorical>
inline bool goes_right(const ModelTree& tree, const WalkNode& node, double x) {
  const bool missing_left = (node.test & WalkNode::kMissingLeft) != 0;
  if constexpr (kCategorical) {
    if ((node.test & WalkNode::kCategorical) != 0) {
      const CategorySet set = tree.sets[static_cast<std::size_t>(node.threshold)];
      if (!(x < static_cast<double>(set.n_codes))) return !missing_left;  // NaN, or a code training did not have
      const auto code = static_cast<std::uint32_t>(x);
      const std::uint32_t word = tree.tree.cat_bits[static_cast<std::size_t>(set.begin) + code / 32];
      return ((word >> (code % 32)) & 1u) == 0;
    }
  }
  const bool above = x > node.threshold;  // false for NaN
  if constexpr (!kMissing) return above;
  return above | ((x != x) & !missing_left);
}

// Leaf index of rows [first, first + lanes) of the block.
template <int lanes, bool kMissing, bool kCategorical>
inline void walk_lanes(const ModelTree& tree, const double* x, std::int32_t* leaf) {
  const WalkNode* nodes = tree.nodes.data();
  std::int32_t at[lanes] = {};
  for (std::int32_t step = 0; step < tree.depth; ++step) {
    std::int32_t moved = 0;
#pragma GCC unroll 8
    for (int i = 0; i < lanes; ++i) {
      const WalkNode& node = nodes[at[i]];
      const std::size_t feature = node.test & WalkNode::kFeature;
      const std::int32_t next = node.left + goes_right<kMissing, kCategorical>(
                                                tree, node, x[feature * kBlockRows + static_cast<std::size_t>(i)]);
      moved |= next ^ at[i];
      at[i] = next;
    }
    if (moved == 0) break;  // all rows are at leaves: deep, lopsided trees end early
  }
  for (int i = 0; i < lanes; ++i) leaf[i] = tree.leaf[static_cast<std::size_t>(at[i])];
}

template <bool kMissing, bool kCategorical>
void walk_rows(const ModelTree& tree, const double* x, int n_rows, std::int32_t* leaf) {
  int row = 0;
  for (; row + kLanes <= n_rows; row += kLanes) {
    walk_lanes<kLanes, kMissing, kCategorical>(tree, x + row, leaf + row);
  }
  for (; row < n_rows; ++row) walk_lanes<1, kMissing, kCategorical>(tree, x + row, leaf + row);
}

void walk(const ModelTree& tree, const Block& block, int n_rows, std::int32_t* leaf) {
  const double* x = block.x.get();
  if (!tree.sets.empty()) return walk_rows<true, true>(tree, x, n_rows, leaf);
  if (block.missing) return walk_rows<true, false>(tree, x, n_rows, leaf);
  walk_rows<false, false>(tree, x, n_rows, leaf);
}

// What every block of one call shares.
struct Plan {
  std::span<const TreePtr> trees;
  std::vector<FeatureId> features;  // that the trees test, ascending
  int n_threads = 1;
};

Plan make_plan(const Model& model, const PredictInput& input) {
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
  Plan plan;
  const auto per = static_cast<std::size_t>(model.trees_per_iteration());
  plan.trees = std::span(model.trees())
                   .subspan(static_cast<std::size_t>(input.begin) * per,
                            static_cast<std::size_t>(input.end - input.begin) * per);
  std::vector<bool> tested(cuts.features.size(), false);
  for (const TreePtr& tree : plan.trees) {
    for (const FeatureId f : tree->features) tested[static_cast<std::size_t>(f)] = true;
  }
  for (std::size_t f = 0; f < tested.size(); ++f) {
    if (tested[f]) plan.features.push_back(static_cast<FeatureId>(f));
  }
  const auto work = input.n_rows * static_cast<std::int64_t>(plan.trees.size());
  plan.n_threads = work < kSerialWork ? 1 : resolve_threads(input.n_threads);
  return plan;
}

void fill(Block& block, const Plan& plan, const Cuts& cuts, const PredictInput& input, std::int64_t begin, int n_rows) {
  if (!block.x) block.x = std::make_unique_for_overwrite<double[]>(cuts.features.size() * kBlockRows);
  block.missing = false;
  for (const FeatureId f : plan.features) {
    const FeatureCuts& feature = cuts.features[static_cast<std::size_t>(f)];
    double* x = block.x.get() + static_cast<std::size_t>(f) * kBlockRows;
    read_column(input.columns[static_cast<std::size_t>(f)], begin, begin + n_rows, feature.wide, x);
    if (feature.categorical) {
      for (int i = 0; i < n_rows; ++i) {  // a code that training did not have is missing
        if (x[i] > feature.n_bins - 2) x[i] = std::numeric_limits<double>::quiet_NaN();
      }
      continue;  // the walk of categorical trees always looks for missing values
    }
    bool missing = false;
    for (int i = 0; i < n_rows; ++i) missing |= x[i] != x[i];
    block.missing |= missing;
  }
}

// Calls use(tree number, leaf index of each row of the block, first row, rows) for all blocks, trees in order;
// start and finish frame a block.
template <class Start, class Use, class Finish>
void for_blocks(const Model& model, const PredictInput& input, const Plan& plan, Start start, Use use, Finish finish) {
  const std::int64_t n = input.n_rows;
  // Whole blocks, a few tasks a thread.
  std::int64_t task_rows = n / (std::int64_t{4} * plan.n_threads) / kBlockRows * kBlockRows;
  task_rows = std::clamp<std::int64_t>(task_rows, kBlockRows, kTaskRows);
  std::vector<Block> blocks(static_cast<std::size_t>(plan.n_threads));
  parallel_for(plan.n_threads, (n + task_rows - 1) / task_rows, [&](std::int64_t task, int worker) {
    Block& block = blocks[static_cast<std::size_t>(worker)];
    const std::int64_t task_end = std::min(n, (task + 1) * task_rows);
    for (std::int64_t row = task * task_rows; row < task_end; row += kBlockRows) {
      const int n_rows = static_cast<int>(std::min<std::int64_t>(kBlockRows, task_end - row));
      fill(block, plan, model.cuts(), input, row, n_rows);
      start(row, n_rows);
      std::int32_t leaf[kBlockRows];
      for (std::size_t t = 0; t < plan.trees.size(); ++t) {
        walk(*plan.trees[t], block, n_rows, leaf);
        use(t, leaf, row, n_rows);
      }
      finish(row, n_rows);
    }
  });
}

void add_leaves(const Tree& tree, const std::int32_t* leaf, int n_rows, std::int32_t n_outputs, float* out) {
  const float* values = tree.leaf_value.data();
  float* to = out + tree.target;
  if (tree.width == 1) {
    for (int i = 0; i < n_rows; ++i) to[row_major(i, 0, n_outputs)] += values[leaf[i]];
    return;
  }
  for (int i = 0; i < n_rows; ++i) {
    for (std::int32_t k = 0; k < tree.width; ++k) {
      to[row_major(i, k, n_outputs)] += values[row_major(leaf[i], k, tree.width)];
    }
  }
}

}  // namespace

void predict_scores(const Model& model, const PredictInput& input, Output output, std::span<float> out) {
  const Plan plan = make_plan(model, input);
  const std::int32_t k = model.n_outputs();
  const auto size = static_cast<std::size_t>(row_major(input.n_rows, 0, k));
  require(input.base_margin.empty() || input.base_margin.size() == size, "base_margin must have " + std::to_string(k) +
                                                                             " values for each of the " +
                                                                             std::to_string(input.n_rows) + " rows");
  require(out.size() == size, "the output must have n_rows x n_outputs values");
  const auto start = [&](std::int64_t row, int n_rows) {
    float* to = out.data() + row_major(row, 0, k);
    if (!input.base_margin.empty()) {
      std::copy_n(input.base_margin.data() + row_major(row, 0, k), row_major(n_rows, 0, k), to);
      return;
    }
    for (int i = 0; i < n_rows; ++i) std::copy_n(model.base_score().data(), k, to + row_major(i, 0, k));
  };
  const auto add = [&](std::size_t t, const std::int32_t* leaf, std::int64_t row, int n_rows) {
    add_leaves(plan.trees[t]->tree, leaf, n_rows, k, out.data() + row_major(row, 0, k));
  };
  const Link link = output == Output::kValue ? link_of(model.loss().objective) : Link::kIdentity;
  const auto finish = [&](std::int64_t row, int n_rows) {
    if (link == Link::kIdentity) return;
    for (int i = 0; i < n_rows; ++i) apply_link(link, out.data() + row_major(row + i, 0, k), k);
  };
  for_blocks(model, input, plan, start, add, finish);
}

void predict_leaves(const Model& model, const PredictInput& input, std::span<std::int32_t> out) {
  const Plan plan = make_plan(model, input);
  const auto n_trees = static_cast<std::int32_t>(plan.trees.size());
  require(out.size() == static_cast<std::size_t>(row_major(input.n_rows, 0, n_trees)),
          "the output must have n_rows x n_trees values");
  const auto nothing = [](std::int64_t, int) {};
  const auto store = [&](std::size_t t, const std::int32_t* leaf, std::int64_t row, int n_rows) {
    std::int32_t* to = out.data() + row_major(row, static_cast<std::int32_t>(t), n_trees);
    for (int i = 0; i < n_rows; ++i) to[row_major(i, 0, n_trees)] = leaf[i];
  };
  for_blocks(model, input, plan, nothing, store, nothing);
}

}  // namespace pygbt
