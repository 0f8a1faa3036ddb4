// SPDX-License-Identifier: Apache-2.0
// Random tables and random models over their bins, for tests that want any sound model rather than a good one.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "data/dataset.h"
#include "model/model.h"
#include "tree/binned_tree.h"

namespace pygbt::testing {

// Draws that follow from the seed alone.
class Random {
 public:
  explicit Random(std::uint64_t seed) : seed_(seed) {}
  std::uint32_t bits() { return random_bits(seed_, Draw::kRow, 0, next_++); }
  std::int32_t below(std::int32_t n) { return static_cast<std::int32_t>(bits() % static_cast<std::uint32_t>(n)); }
  bool chance(std::int32_t percent) { return below(100) < percent; }
  double unit() { return bits() * 0x1p-32; }

 private:
  std::uint64_t seed_;
  std::uint64_t next_ = 0;
};

// Columns that alternate float32, float64 and category codes, with missing values, infinities and values that repeat.
struct RandomTable {
  std::int64_t n_rows = 0;
  std::vector<std::vector<float>> narrow;
  std::vector<std::vector<double>> wide;
  std::vector<std::vector<std::int32_t>> codes;
  std::vector<ColumnView> columns;
  std::vector<std::int32_t> n_categories;

  RandomTable() = default;
  RandomTable(const RandomTable&) = delete;  // the views point into the vectors
  RandomTable& operator=(const RandomTable&) = delete;
};

inline double random_value(Random& random) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  switch (random.below(12)) {
    case 0:
      return std::numeric_limits<double>::quiet_NaN();
    case 1:
      return kInf;
    case 2:
      return -kInf;
    case 3:
      return -0.0;
    case 4:
      return std::numeric_limits<float>::denorm_min();
    case 5:
      return random.below(4);
    default:
      return random.unit() * 6.0 - 3.0;
  }
}

inline std::unique_ptr<RandomTable> random_table(std::int64_t n_rows, std::int32_t n_columns, Random& random) {
  auto table = std::make_unique<RandomTable>();
  table->n_rows = n_rows;
  for (std::int32_t f = 0; f < n_columns; ++f) {
    ColumnView view;
    table->n_categories.push_back(f % 3 == 2 ? 2 + random.below(70) : 0);
    if (f % 3 == 0) {
      auto& values = table->narrow.emplace_back();
      for (std::int64_t i = 0; i < n_rows; ++i) values.push_back(static_cast<float>(random_value(random)));
      view = {.type = ColumnType::f32, .data = reinterpret_cast<const char*>(values.data()), .stride = sizeof(float)};
    } else if (f % 3 == 1) {
      auto& values = table->wide.emplace_back();
      for (std::int64_t i = 0; i < n_rows; ++i) values.push_back(random_value(random));
      view = {.type = ColumnType::f64, .data = reinterpret_cast<const char*>(values.data()), .stride = sizeof(double)};
    } else {
      auto& values = table->codes.emplace_back();
      for (std::int64_t i = 0; i < n_rows; ++i) values.push_back(random.below(table->n_categories.back() + 1) - 1);
      view = {.type = ColumnType::i32,
              .categorical = true,
              .data = reinterpret_cast<const char*>(values.data()),
              .stride = sizeof(std::int32_t)};
    }
    table->columns.push_back(view);
  }
  return table;
}

inline Dataset bins_of(const RandomTable& table, std::int32_t max_bin, CutsPtr reference = nullptr) {
  DatasetInput input;
  input.n_rows = table.n_rows;
  input.columns = table.columns;
  input.n_categories = table.n_categories;
  input.max_bin = max_bin;
  input.reference = std::move(reference);
  input.n_threads = 1;
  return make_dataset(input);
}

// Splits a random leaf `n_splits` times, best-first style: children are numbered as they are made.
inline BinnedTree random_tree(const Cuts& cuts, std::int32_t n_splits, std::int32_t width, std::int32_t target,
                              Random& random) {
  BinnedTree tree;
  tree.width = width;
  tree.target = target;
  tree.nodes.resize(1);
  std::vector<std::size_t> open = {0};
  for (std::int32_t s = 0; s < n_splits; ++s) {
    const auto pick = static_cast<std::size_t>(random.below(static_cast<std::int32_t>(open.size())));
    const std::int32_t f = random.below(cuts.n_features());
    const FeatureCuts& feature = cuts.features[static_cast<std::size_t>(f)];
    if (feature.n_bins < 2) continue;
    BinnedNode node;
    node.left = static_cast<std::int32_t>(tree.nodes.size());
    node.feature = f;
    node.missing_left = random.chance(50);
    node.gain = static_cast<float>(random.unit() * 10.0);
    if (feature.categorical) {
      node.cat_begin = static_cast<std::int32_t>(tree.cat_bits.size());
      node.cat_words = (feature.n_bins + 31) / 32;
      for (std::int32_t w = 0; w < node.cat_words; ++w) tree.cat_bits.push_back(random.bits());
      auto& first = tree.cat_bits[static_cast<std::size_t>(node.cat_begin)];
      first = node.missing_left ? first | 1u : first & ~1u;
    } else {
      node.bin = static_cast<Bin>(1 + random.below(feature.n_bins - 1));
    }
    tree.nodes[open[pick]] = node;
    open[pick] = tree.nodes.size();
    open.push_back(tree.nodes.size() + 1);
    tree.nodes.resize(tree.nodes.size() + 2);
  }
  std::int32_t n_leaves = 0;
  for (BinnedNode& node : tree.nodes) {
    node.count = random.below(1000);
    node.cover = random.unit() * 100.0;
    if (node.left >= 0) continue;
    node.left = ~n_leaves++;
    for (std::int32_t k = 0; k < width; ++k) tree.leaf_value.push_back(static_cast<float>(random.unit() - 0.5));
  }
  return tree;
}

// One tree an output and iteration, or vector leaves.
inline Model random_model(const CutsPtr& cuts, Objective objective, std::int32_t n_outputs, std::int32_t n_iterations,
                          bool vector_leaves, Random& random) {
  ModelParts parts;
  parts.cuts = cuts;
  parts.loss.objective = objective;
  parts.loss.n_targets = n_outputs;
  parts.trees_per_iteration = vector_leaves ? 1 : n_outputs;
  for (std::int32_t k = 0; k < n_outputs; ++k) parts.base_score.push_back(static_cast<float>(random.unit()));
  for (std::int32_t t = 0; t < n_iterations * parts.trees_per_iteration; ++t) {
    const std::int32_t target = vector_leaves ? 0 : t % n_outputs;
    const BinnedTree tree = random_tree(*cuts, random.below(20), vector_leaves ? n_outputs : 1, target, random);
    parts.trees.push_back(make_model_tree(to_tree(tree, *cuts)));
  }
  return Model(std::move(parts));
}

}  // namespace pygbt::testing
