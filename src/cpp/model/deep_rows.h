// SPDX-License-Identifier: Apache-2.0
// Rows through models of large trees: the values of a task's rows become keys, then tree after tree is walked by all of
// them while its nodes are in the cache (tree/deep_tree.h). Nothing is packed first. One DeepRows a thread; it owns
// the scratch space.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/deep_kernels.h"
#include "base/huge_pages.h"
#include "data/column.h"
#include "model/model.h"

namespace pygbt {

struct DeepCall {
  const Model& model;
  std::span<const FeatureId> features;  // that the trees of the call test, ascending
  std::span<const ColumnView> columns;  // [feature of the model]
  std::span<const TreePtr> trees;
  std::vector<const DeepTree*> deep;  // [tree]
  std::vector<std::unique_ptr<const DeepTree>> made;  // for the few small ones
  bool any_sets = false;
  std::int32_t task_rows = kMostDeepRows;

  DeepCall(const Model& model, std::span<const FeatureId> features, std::span<const ColumnView> columns,
           std::size_t first_tree, std::size_t n_trees);
};

// Whether rows are better walked than run through model/forest: most trees are large.
bool mostly_deep(std::span<const TreePtr> trees);

class DeepRows {
 public:
  // Adds the trees to out [row of the table][n_outputs] of rows [begin, end), at most task_rows.
  void add_scores(const DeepCall& call, std::int64_t begin, std::int64_t end, std::span<float> out);

  // out [row of the table][tree of the call].
  void leaves(const DeepCall& call, std::int64_t begin, std::int64_t end, std::span<std::int32_t> out);

 private:
  void prepare(const DeepCall& call, std::int64_t begin, std::int64_t end);
  bool encode(const DeepCall& call);
  bool store_keys(const float* x, const double* exact, std::int32_t first, std::int32_t n, std::size_t plane);
  void store_categories(const double* codes, std::int32_t first, std::int32_t n, std::size_t plane);
  void store(const std::uint32_t* keys, bool missing, std::int32_t first, std::int32_t n, std::size_t plane);
  void run_tree(const DeepCall& call, std::size_t t);
  std::int32_t sure_leaf(const DeepCall& call, const ModelTree& tree, std::int32_t row) const;

  HugeVector<std::uint32_t> keys_;
  std::vector<DeepRow> open_;
  std::vector<std::int32_t> leaf_;
  std::vector<std::uint8_t> unsure_;
  std::vector<double> exact_;  // [feature of the call][row of the task], where keys are inexact
  std::int64_t begin_ = 0;
  DeepKeys view_;  // its flags stay for the next task
};

}  // namespace pygbt
