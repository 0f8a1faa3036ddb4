// SPDX-License-Identifier: Apache-2.0
// The seam of prediction on a device: rows of raw values down the trees of a model. Filled by model/walk_forest, called by
// model/device_predict. A Walker holds one model on one device and may be used from many threads at once.
//
// Values become codes once a row: the number of the model's thresholds of the feature below the value, so that a code
// answers each `x > threshold` exactly. A feature has a plane of codes for each side that its splits send missing values
// to: with missing left the code of a missing value is 0, with missing right it is the largest. Categories have one plane:
// 0 is missing, code + 1 the category.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/column.h"
#include "math/links.h"
#include "tree/walk_node.h"

namespace pygbt {

// How rows go down the trees. The results are the same bits.
enum class WalkPath : std::uint8_t {
  kPerfect,  // shallow trees filled up to perfect ones, in shared memory piece by piece; a thread a few rows
  kPacked,  // trees of any depth, nodes of 8 bytes in device memory; a thread a few rows
  kTrees,  // the same nodes, a thread a tree: few rows
  kRaw,  // thresholds and raw values, a thread a row: whatever has no room for codes
};

// A feature that some tree tests.
struct WalkFeature {
  std::int32_t feature = 0;  // of the model
  std::int32_t n_categories = -1;  // -1 = numeric; codes from here on are missing
  std::int32_t n_thresholds = 0;  // finite ones and -inf: no value exceeds +inf
  std::int32_t thresholds = 0;  // first in `narrow` and `exact`
  std::int32_t plane[2] = {-1, -1};  // missing values right, left; -1 = none. Categories: the first
  bool wide = false;
};

struct WalkTree {
  std::int64_t value = 0;  // first of its leaf values
  std::int64_t node = 0;  // first of its nodes
  std::int64_t word = 0;  // first of its category words, as the model has them
  std::int32_t set = 0;  // first of its categorical splits
  std::int32_t number = 0;  // in the model
  std::int32_t target = 0;
  std::int32_t width = 1;
};

// What all paths share. Trees stand by target where each has one, else as in the model; a target's trees in order.
struct WalkForest {
  std::vector<WalkFeature> features;  // ascending
  std::vector<float> narrow;  // thresholds rounded down to float32: what float32 values meet
  std::vector<double> exact;  // thresholds
  std::vector<WalkTree> trees;
  std::vector<float> leaf_values;  // [leaf][width] of each tree
  std::vector<float> base_score;  // [output]
  std::int32_t n_planes = 0;
  std::int32_t depth = 0;  // of the deepest tree
  bool one_byte = false;  // all codes fit in a byte, and there are no categories
  bool coded = true;  // codes, planes and sets fit the nodes
};

// Heaps: children of node i are 2i and 2i + 1, the root is 1; below a leaf all rows go left.
struct PerfectTrees {
  static constexpr std::int32_t kMostDepth = 12;

  struct ByteTest {
    std::uint32_t word = 0;  // cut << 24 | plane: right if the code is above
  };
  struct Test {
    static constexpr std::uint32_t kSet = 1u << 31;
    std::uint32_t plane = 0;  // and the flag of a categorical split
    std::uint32_t cut = 0;  // categorical: first word of its set
  };
  std::int32_t depth = 1;
  std::vector<ByteTest> byte_tests;  // [tree][2^depth] where WalkForest::one_byte
  std::vector<Test> tests;  // [tree][2^depth] else
  std::vector<float> values;  // [tree][2^depth] by exit, of trees of width 1
  std::vector<std::int32_t> leaf;  // [tree][2^depth] number of the leaf by exit
  std::vector<std::uint32_t> words;  // a bit a code: right
};

// Breadth first: what all rows read lies together; siblings are neighbours.
struct PackedTrees {
  struct Node {
    static constexpr std::uint32_t kLeaf = 1u << 31, kSet = 1u << 30;
    static constexpr std::uint32_t kPlaneBits = 14, kCutBits = 16;
    std::uint32_t test = 0;  // kSet, plane << 16, cut (or number of the tree's set); leaf: kLeaf, its number
    std::uint32_t next = 0;  // left child, counted from the root; leaf of width 1: its value's bits
  };
  std::vector<Node> nodes;
  std::vector<std::uint32_t> sets;  // first word of each
  std::vector<std::uint32_t> words;  // a bit a code: right
};

struct RawTrees {
  std::vector<WalkNode> nodes;  // features are places in WalkForest::features
  std::vector<std::int32_t> leaf;  // [node] number of the leaf, 0 at inner nodes
  std::vector<CategorySet> sets;  // words counted from the tree's first
  std::vector<std::uint32_t> words;
};

// A tested feature's column as it lies.
struct WalkColumn {
  std::int64_t offset = 0;  // bytes from the first column's first row
  std::int64_t stride = 0;  // bytes from row to row
  ColumnType type = ColumnType::f32;
  bool codes = false;  // of categories; else values: of a categorical feature those of WalkRows::categories
  bool exact = false;  // met by float64 thresholds
  bool aligned = true;
  std::int32_t category = 0;  // first in WalkRows::categories
  std::int32_t n_categories = 0;
};

// Categories by value, for columns that are not coded yet: ascending a column, each with its code.
struct WalkCategories {
  std::vector<double> values;
  std::vector<std::int32_t> codes;
};

struct WalkSegment {  // trees [first, end) that add to the same outputs
  std::int32_t first = 0, end = 0;
  std::int32_t target = 0;
  std::int32_t width = 1;
};

struct WalkCall {
  WalkPath path = WalkPath::kPacked;
  std::vector<WalkSegment> segments;  // of all trees wanted
  bool leaves = false;  // the output is the number of the leaf, [row][tree], else the sums, [row][output]
  std::int32_t first_tree = 0;  // of the model, for leaves
  std::int32_t n_trees = 0;
  Link link = Link::kIdentity;
  std::int64_t n_rows = 0;
  std::vector<WalkColumn> columns;  // [feature of the forest]
  bool by_row = false;  // rows rather than columns lie together
  WalkCategories categories;
};

// Margins on the device to start from.
struct WalkMargins {
  const void* data = nullptr;  // nullptr = the base score
  std::int64_t row_stride = 0, column_stride = 0;  // bytes
  ColumnType type = ColumnType::f32;
};

// A table on the host, which goes to the device chunk by chunk.
struct WalkChunks {
  std::int64_t n_rows = 1;  // of a chunk; columns' offsets and strides are those of one
  std::int64_t bytes = 0;  // of a chunk
  std::function<void(std::int64_t first, std::int64_t n, std::byte* to)> fill;
  const float* margins = nullptr;  // [row][output]; nullptr = the base score
};

class Walker {
 public:
  virtual ~Walker() = default;

  // Whether a model can take a path here, and the one to take for n_rows rows.
  virtual bool fits(const WalkForest& forest, WalkPath path) const = 0;
  virtual WalkPath path_for(const WalkForest& forest, std::int64_t n_rows) const = 0;
  // Bytes of a chunk.
  virtual std::size_t chunk_bytes() const = 0;

  // To the device, once: the forest, then what a path needs before it is first taken.
  virtual void load(const WalkForest& forest) = 0;
  virtual void load(const PerfectTrees& trees) = 0;
  virtual void load(const PackedTrees& trees) = 0;
  virtual void load(const RawTrees& trees) = 0;

  // rows and out on the device, out float32 or int32. Throws InvalidArgument where a margin is not finite. The work is
  // done when it returns.
  virtual void run(const WalkCall& call, const void* rows, const WalkMargins& margins, void* out) = 0;
  virtual void run(const WalkCall& call, const WalkChunks& rows, void* out) = 0;
};

// Of a device whose module has been loaded; throws Unsupported else.
std::unique_ptr<Walker> make_walker(const std::string& device, int ordinal);

}  // namespace pygbt
