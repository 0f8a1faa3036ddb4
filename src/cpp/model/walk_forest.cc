// SPDX-License-Identifier: Apache-2.0
#include "model/walk_forest.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>
#include <numeric>

#include "math/as_trained.h"
#include "math/round_down.h"

namespace pygbt {
namespace {

constexpr std::int32_t kByteThresholds = 254;    // codes 0 .. 254; 255 is missing right
constexpr std::int32_t kMostThresholds = 65534;
constexpr std::int32_t kMostPlanes = 1 << PackedTrees::Node::kPlaneBits;
constexpr std::int32_t kMostSets = 1 << PackedTrees::Node::kCutBits;  // of a tree

template <class T>
std::int64_t size(const std::vector<T>& items) {
  return static_cast<std::int64_t>(items.size());
}
template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// Place of every feature of the model in WalkForest::features.
std::vector<std::int32_t> places(const Model& model, const WalkForest& forest) {
  std::vector<std::int32_t> place(model.cuts().features.size(), -1);
  for (std::size_t i = 0; i < forest.features.size(); ++i)
    place[static_cast<std::size_t>(forest.features[i].feature)] = static_cast<std::int32_t>(i);
  return place;
}

void find_features(const Model& model, WalkForest& forest) {
  const auto& cuts = model.cuts().features;
  std::vector<std::vector<double>> thresholds(cuts.size());
  std::vector<std::array<bool, 2>> sides(cuts.size());  // of missing values that occur: right, left
  std::vector<bool> tested(cuts.size(), false);
  for (const TreePtr& each : model.trees()) {
    const Tree& tree = each->tree;
    for (std::size_t i = 0; i < tree.left.size(); ++i) {
      if (tree.left[i] < 0) continue;
      const auto f = static_cast<std::size_t>(tree.feature[i]);
      tested[f] = true;
      if (cuts[f].categorical) continue;
      sides[f][tree.default_left[i]] = true;
      if (tree.threshold[i] < std::numeric_limits<double>::infinity()) thresholds[f].push_back(tree.threshold[i]);
    }
  }
  forest.one_byte = true;
  for (std::size_t f = 0; f < cuts.size(); ++f) {
    if (!tested[f]) continue;
    WalkFeature& feature = forest.features.emplace_back();
    feature.feature = static_cast<std::int32_t>(f);
    feature.wide = cuts[f].wide;
    feature.thresholds = static_cast<std::int32_t>(forest.exact.size());
    if (cuts[f].categorical) {
      feature.n_categories = cuts[f].n_bins - 1;
      feature.plane[0] = forest.n_planes++;
      forest.one_byte = false;
      continue;
    }
    auto& sorted = thresholds[f];
    std::sort(sorted.begin(), sorted.end());
    sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
    feature.n_thresholds = static_cast<std::int32_t>(sorted.size());
    append(forest.exact, sorted);
    for (const double threshold : sorted) forest.narrow.push_back(round_down(threshold));
    for (const std::size_t side : {std::size_t{0}, std::size_t{1}})
      if (sides[f][side]) feature.plane[side] = forest.n_planes++;
    forest.one_byte = forest.one_byte && feature.n_thresholds <= kByteThresholds;
    forest.coded = forest.coded && feature.n_thresholds <= kMostThresholds;
  }
  forest.coded = forest.coded && forest.n_planes <= kMostPlanes;
}

void find_trees(const Model& model, WalkForest& forest) {
  std::vector<WalkTree> trees;
  std::vector<std::int32_t> order;
  bool one_target_each = true;
  for (std::int32_t t = 0; t < model.n_trees(); ++t) {
    const ModelTree& from = *model.trees()[static_cast<std::size_t>(t)];
    order.push_back(t);
    trees.push_back({.number = t, .target = from.tree.target, .width = from.tree.width});
    one_target_each = one_target_each && from.tree.width == 1;
    forest.depth = std::max(forest.depth, from.depth);
    forest.coded = forest.coded && size(from.sets) <= kMostSets;
  }
  if (one_target_each)
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
      return trees[static_cast<std::size_t>(a)].target < trees[static_cast<std::size_t>(b)].target;
    });
  std::int64_t node = 0, word = 0, set = 0;
  for (const std::int32_t t : order) {
    const ModelTree& from = *model.trees()[static_cast<std::size_t>(t)];
    WalkTree tree = trees[static_cast<std::size_t>(t)];
    tree.value = size(forest.leaf_values);
    tree.node = node;
    tree.word = word;
    tree.set = static_cast<std::int32_t>(set);
    node += size(from.nodes);
    word += size(from.tree.cat_bits);
    set += size(from.sets);
    append(forest.leaf_values, from.tree.leaf_value);
    forest.trees.push_back(tree);
  }
  forest.coded = forest.coded && set <= std::numeric_limits<std::int32_t>::max();
}

// A split as a test of a plane.
struct PlaneTest {
  std::uint32_t plane = 0;
  std::uint32_t cut = 0;    // numeric: right if the code is above
  std::uint32_t words = 0;  // categorical: first word of the set
  bool is_set = false;
};

class Splits {
 public:
  Splits(const Model& model, const WalkForest& forest) : forest_(forest), place_(places(model, forest)) {}

  // Of an inner node; the words of a set are appended.
  PlaneTest test(const Tree& tree, std::size_t i, std::vector<std::uint32_t>& words) const {
    const WalkFeature& feature =
        forest_.features[static_cast<std::size_t>(place_[static_cast<std::size_t>(tree.feature[i])])];
    PlaneTest test;
    test.is_set = tree.is_set(i);
    test.plane = static_cast<std::uint32_t>(feature.plane[test.is_set ? 0 : tree.default_left[i]]);
    if (test.is_set) {
      test.words = static_cast<std::uint32_t>(words.size());
      append_set(tree, i, feature.n_categories, words);
    } else {  // +inf: above all of them
      test.cut = static_cast<std::uint32_t>(
          rank_of(forest_.exact.data() + feature.thresholds, feature.n_thresholds, tree.threshold[i]));
    }
    return test;
  }

 private:
  // Bit 0: missing values, bit c + 1: category c.
  static void append_set(const Tree& tree, std::size_t i, std::int32_t n_categories,
                         std::vector<std::uint32_t>& words) {
    const std::size_t first = words.size();
    words.resize(first + static_cast<std::size_t>(n_categories / 32 + 1), 0);
    for (std::int32_t bit = 0; bit <= n_categories; ++bit) {
      const std::int32_t code = bit - 1;
      const bool known = code >= 0 && code / 32 < tree.cat_words[i];
      bool left = tree.default_left[i] != 0;
      if (known)
        left = ((tree.cat_bits[static_cast<std::size_t>(tree.cat_begin[i] + code / 32)] >> (code % 32)) & 1u) != 0;
      if (!left) words[first + static_cast<std::size_t>(bit / 32)] |= 1u << (bit % 32);
    }
  }

  const WalkForest& forest_;
  std::vector<std::int32_t> place_;
};

}  // namespace

WalkForest make_walk_forest(const Model& model) {
  WalkForest forest;
  forest.base_score = model.base_score();
  find_features(model, forest);
  find_trees(model, forest);
  return forest;
}

PerfectTrees make_perfect_trees(const Model& model, const WalkForest& forest) {
  const Splits splits(model, forest);
  PerfectTrees out;
  out.depth = std::max(1, forest.depth);
  const std::size_t n = std::size_t{1} << out.depth;
  const std::size_t cells = forest.trees.size() * n;
  out.values.assign(cells, 0.0f);
  out.leaf.assign(cells, 0);
  if (forest.one_byte)
    out.byte_tests.assign(cells, {0xff000000u});  // no code is above: left
  else
    out.tests.assign(cells, {0, 0xffffu});
  std::vector<std::int32_t> node(2 * n);  // [heap] of the tree, or the leaf that ended above
  for (std::size_t t = 0; t < forest.trees.size(); ++t) {
    const ModelTree& from = *model.trees()[static_cast<std::size_t>(forest.trees[t].number)];
    const Tree& tree = from.tree;
    node[1] = 0;
    for (std::size_t at = 1; at < n; ++at) {
      const auto i = static_cast<std::size_t>(node[at]);
      const std::int32_t left = tree.left[i];
      node[2 * at] = left < 0 ? node[at] : left;
      node[2 * at + 1] = left < 0 ? node[at] : left + 1;
      if (left < 0) continue;
      const PlaneTest test = splits.test(tree, i, out.words);
      if (forest.one_byte)
        out.byte_tests[t * n + at] = {test.cut << 24 | test.plane};
      else
        out.tests[t * n + at] = {test.plane | (test.is_set ? PerfectTrees::Test::kSet : 0),
                                 test.is_set ? test.words : test.cut};
    }
    for (std::size_t exit = 0; exit < n; ++exit) {
      const std::int32_t leaf = ~tree.left[static_cast<std::size_t>(node[n + exit])];
      out.leaf[t * n + exit] = leaf;
      if (tree.width == 1) out.values[t * n + exit] = tree.leaf_value[static_cast<std::size_t>(leaf)];
    }
  }
  return out;
}

PackedTrees make_packed_trees(const Model& model, const WalkForest& forest) {
  using Node = PackedTrees::Node;
  const Splits splits(model, forest);
  PackedTrees out;
  std::vector<std::int32_t> order;  // nodes of the tree, breadth first
  for (const WalkTree& each : forest.trees) {
    const Tree& tree = model.trees()[static_cast<std::size_t>(each.number)]->tree;
    order.assign(1, 0);
    std::uint32_t n_sets = 0;
    for (std::size_t at = 0; at < order.size(); ++at) {
      const auto i = static_cast<std::size_t>(order[at]);
      const std::int32_t left = tree.left[i];
      Node& node = out.nodes.emplace_back();
      if (left < 0) {
        node.test = Node::kLeaf | static_cast<std::uint32_t>(~left);
        if (tree.width == 1) node.next = std::bit_cast<std::uint32_t>(tree.leaf_value[static_cast<std::size_t>(~left)]);
        continue;
      }
      node.next = static_cast<std::uint32_t>(order.size());
      order.push_back(left);
      order.push_back(left + 1);
      const PlaneTest test = splits.test(tree, i, out.words);
      node.test = test.plane << Node::kCutBits | (test.is_set ? Node::kSet | n_sets : test.cut);
      if (!test.is_set) continue;
      out.sets.push_back(test.words);
      ++n_sets;
    }
  }
  return out;
}

RawTrees make_raw_trees(const Model& model, const WalkForest& forest) {
  const std::vector<std::int32_t> place = places(model, forest);
  RawTrees out;
  for (const WalkTree& each : forest.trees) {
    const ModelTree& from = *model.trees()[static_cast<std::size_t>(each.number)];
    for (WalkNode node : from.nodes) {
      const std::int32_t at = place.empty() ? 0 : place[node.test & WalkNode::kFeature];
      node.test = (node.test & ~WalkNode::kFeature) | static_cast<std::uint32_t>(std::max(at, 0));
      out.nodes.push_back(node);
    }
    append(out.leaf, from.leaf);
    append(out.sets, from.sets);
    append(out.words, from.tree.cat_bits);
  }
  return out;
}

}  // namespace pygbt
