// SPDX-License-Identifier: Apache-2.0
// All trees of a model packed for rows by the hundred. Values become codes once (code = number of the model's
// thresholds of the feature below the value), then every tree is straight-line code over codes: tree/blend_tree.h.
// Immutable; made at most once a model, when enough rows have been predicted to pay for it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backend/predict_kernels.h"
#include "data/cuts.h"
#include "model/model_tree.h"
#include "tree/blend_tree.h"

namespace pygbt {

// A feature that some tree tests.
struct ForestFeature {
  FeatureId id = 0;
  bool wide = false;
  std::int32_t plane[2] = {-1, -1};   // [missing right, missing left] planes of a numeric feature; -1 = none
  std::int32_t n_categories = -1;     // -1 = numeric; codes from here on are missing
  std::int32_t category_slot = -1;    // among the categorical features
  std::vector<float> narrow;          // thresholds rounded down to float32, padded; then the search levels
  std::vector<double> exact;          // thresholds, padded
  std::int32_t n_thresholds = 0;

  Thresholds<float> narrow_view() const;
  Thresholds<double> exact_view() const;
};

struct ForestSet {  // a categorical split: its plane exists only while its tree runs
  std::int32_t feature = 0;  // in Forest::features
  std::int32_t words = 0;    // first word in Forest::set_words
};

struct ForestTree {
  std::int32_t width = 1;
  std::int32_t target = 0;
  std::int32_t n_exits = 1;
  std::int32_t n_leaves = 1;
  BlendCode::Sizes code_begin, code_end;  // in Forest::code
  std::size_t values = 0;             // [width][exit or leaf] in Forest::values
  std::size_t exits = 0;              // [exit] in Forest::exit_at: leaf, or node where rows walk on
  std::size_t sets = 0;               // first in Forest::sets
  std::int32_t n_sets = 0;
  std::size_t nodes = 0;              // in Forest::nodes, where `depth` > 0
  std::int32_t depth = 0;             // steps from the exits to the deepest leaf; 0 = every exit is a leaf
  std::int64_t bytes = 0;             // what a chunk reads of the tree
};

struct Forest {
  bool two_byte = false;
  std::int32_t n_planes = 0;          // of the features
  std::int32_t n_set_planes = 0;      // of the tree with most categorical splits; they come after the others
  std::int32_t n_category_slots = 0;
  std::vector<ForestFeature> features;
  std::vector<ForestTree> trees;
  BlendCode code;
  std::vector<float> values;
  std::vector<std::int32_t> exit_at;
  std::vector<ForestSet> sets;
  std::vector<std::uint32_t> set_words;
  std::vector<CodeNode> nodes;
  std::vector<std::int32_t> node_leaf;  // beside `nodes`

  std::int32_t chunk_rows() const { return two_byte ? kChunkBytes / 2 : kChunkBytes; }
  BlendProgram program(const ForestTree& tree) const { return code.program(tree.code_begin, tree.code_end); }
};

// nullptr where the trees do not fit the packed layout (more than 65,534 thresholds of a feature or planes in all).
std::unique_ptr<const Forest> make_forest(const Cuts& cuts, std::span<const TreePtr> trees);

// The forest of a model, shared by its copies; safe from many threads, without locks (so that a fork cannot hang it).
class LazyForest {
 public:
  LazyForest() = default;
  LazyForest(const LazyForest&) = delete;
  LazyForest& operator=(const LazyForest&) = delete;
  ~LazyForest() { delete made_.load(); }

  // The forest, or nullptr as long as too few rows were asked for or where there is none.
  const Forest* after_rows(std::int64_t n_rows, const Cuts& cuts, std::span<const TreePtr> trees);

 private:
  static constexpr std::int64_t kRowsThatPay = 512;

  struct Made {
    std::unique_ptr<const Forest> forest;
  };

  std::atomic<std::int64_t> rows_{0};
  std::atomic<const Made*> made_{nullptr};
};

}  // namespace pygbt
