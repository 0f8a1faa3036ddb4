// SPDX-License-Identifier: Apache-2.0
// The seam of prediction on a device: trees down whose thresholds rows of raw values walk. Filled and called by
// model/device_predict.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "math/links.h"
#include "tree/walk_node.h"

namespace pygbt {

// Trees back to back. Features of the nodes are columns of the values given.
struct WalkForest {
  struct Root {
    std::int64_t node = 0;   // first of the tree in `nodes` and `leaf`
    std::int64_t value = 0;  // in `values`
    std::int64_t set = 0;    // in `sets`
    std::int64_t word = 0;   // in `words`
    std::int32_t target = 0;
    std::int32_t width = 1;
  };
  std::vector<Root> roots;            // [tree]
  std::vector<WalkNode> nodes;        // children counted from the tree's first node
  std::vector<std::int32_t> leaf;     // [node] number of the leaf in its tree, 0 at inner nodes
  std::vector<float> values;          // [leaf][width] of each tree
  std::vector<CategorySet> sets;      // words counted from the tree's first
  std::vector<std::uint32_t> words;
  std::int32_t n_outputs = 1;
};

class Walker {
 public:
  virtual ~Walker() = default;

  virtual void load(const WalkForest& forest) = 0;
  // values [column][n_rows], NaN = missing. scores [row][n_outputs]: margins to start from; becomes these plus the trees
  // in order, float32, with the link applied.
  virtual void add_scores(std::span<const double> values, std::int64_t n_rows, Link link, std::span<float> scores) = 0;
  // Number of each row's leaf, out [row][tree].
  virtual void leaves(std::span<const double> values, std::int64_t n_rows, std::span<std::int32_t> out) = 0;
};

// Of a device whose module has been loaded; throws Unsupported else.
std::unique_ptr<Walker> make_walker(const std::string& device, int ordinal);

}  // namespace pygbt
