// SPDX-License-Identifier: Apache-2.0
// Rows of raw values down the thresholds of all trees: a thread a row, trees in order, so that the float32 sums are those
// of the host.
#include <memory>

#include "backend/walker.h"
#include "block.h"
#include "buffer.h"
#include "device.h"
#include "factory.h"
#include "math/layout.h"
#include "runtime.h"

namespace pygbt::device {

namespace {

struct Trees {
  const WalkForest::Root* roots;  // [tree]
  const WalkNode* nodes;
  const std::int32_t* leaf;  // [node]
  const float* leaf_values;
  const CategorySet* sets;
  const std::uint32_t* words;
  std::int32_t n_trees;

  // values: of the row, `stride` apart.
  PYGBT_KERNEL std::int32_t leaf_of(const WalkForest::Root& root, const double* values, std::int64_t stride) const {
    std::int32_t at = 0;
    for (;;) {
      const WalkNode node = nodes[root.node + at];
      if (node.left == at) return leaf[root.node + at];
      const double value = values[static_cast<std::int64_t>(node.test & WalkNode::kFeature) * stride];
      at = node.left + goes_right<true, true>(node, value, sets + root.set, words + root.word);
    }
  }
};

struct ScoreKernel {
  Trees trees;
  const double* values;  // [column][n_rows]
  float* scores;  // [row][n_outputs]
  std::int64_t n_rows;
  std::int32_t n_outputs;
  Link link;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n_rows; row += row_step()) {
      float* const out = scores + row_major(row, 0, n_outputs);
      for (std::int32_t t = 0; t < trees.n_trees; ++t) {
        const WalkForest::Root root = trees.roots[t];
        const std::int32_t leaf = trees.leaf_of(root, values + row, n_rows);
        for (std::int32_t k = 0; k < root.width; ++k)
          out[root.target + k] += trees.leaf_values[root.value + row_major(leaf, k, root.width)];
      }
      apply_link(link, out, n_outputs);
    }
  }
};

struct LeafKernel {
  Trees trees;
  const double* values;  // [column][n_rows]
  std::int32_t* out;  // [row][tree]
  std::int64_t n_rows;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n_rows; row += row_step())
      for (std::int32_t t = 0; t < trees.n_trees; ++t)
        out[row_major(row, t, trees.n_trees)] = trees.leaf_of(trees.roots[t], values + row, n_rows);
  }
};

class CudaWalker final : public Walker {
 public:
  explicit CudaWalker(int ordinal)
      : device_(ordinal),
        roots_(device_),
        nodes_(device_),
        leaf_(device_),
        leaf_values_(device_),
        sets_(device_),
        words_(device_),
        values_(device_),
        scores_(device_),
        leaves_(device_) {}

  void load(const WalkForest& forest) override {
    n_outputs_ = forest.n_outputs;
    trees_ = {roots_.put(forest.roots),
              nodes_.put(forest.nodes),
              leaf_.put(forest.leaf),
              leaf_values_.put(forest.values),
              sets_.put(forest.sets),
              words_.put(forest.words),
              static_cast<std::int32_t>(forest.roots.size())};
  }

  void add_scores(std::span<const double> values, std::int64_t n_rows, Link link, std::span<float> scores) override {
    launch(n_rows, ScoreKernel{trees_, values_.put(values), scores_.put(scores), n_rows, n_outputs_, link});
    scores_.get(scores.data(), scores.size());
  }

  void leaves(std::span<const double> values, std::int64_t n_rows, std::span<std::int32_t> out) override {
    launch(n_rows, LeafKernel{trees_, values_.put(values), leaves_.make(out.size()), n_rows});
    leaves_.get(out.data(), out.size());
  }

 private:
  template <class Kernel>
  void launch(std::int64_t n_rows, const Kernel& kernel) {
    const Policy& policy = device_.policy();
    const std::int64_t blocks = (n_rows + policy.n_threads - 1) / policy.n_threads;
    device_.launch(blocks < policy.n_blocks ? blocks : policy.n_blocks, policy.n_threads, kernel);
  }

  Device device_;
  std::int32_t n_outputs_ = 1;
  Trees trees_{};
  Buffer<WalkForest::Root> roots_;
  Buffer<WalkNode> nodes_;
  Buffer<std::int32_t> leaf_;
  Buffer<float> leaf_values_;
  Buffer<CategorySet> sets_;
  Buffer<std::uint32_t> words_;
  Buffer<double> values_;
  Buffer<float> scores_;
  Buffer<std::int32_t> leaves_;
};

}  // namespace

Walker* make_cuda_walker(int ordinal) { return new CudaWalker(ordinal); }

}  // namespace pygbt::device
