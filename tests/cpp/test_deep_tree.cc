// SPDX-License-Identifier: Apache-2.0
// The layout of large trees: the same tree in other places, hot paths in sequence.
#include <cstdint>
#include <vector>

#include "check.h"
#include "math/order_key.h"
#include "math/round_down.h"
#include "random_model.h"
#include "tree/deep_tree.h"

using namespace pygbt;
using namespace pygbt::testing;

namespace {

// Every node of the tree beside the one it became, and whether pairs follow the child with more rows.
void compare(const Tree& tree, const DeepTree& deep) {
  CHECK(deep.far.empty() && deep.near.size() == tree.left.size() + 1);
  std::vector<std::int32_t> node_at(deep.near.size(), -1);
  node_at[0] = 0;
  std::vector<std::uint32_t> open = {0};
  std::size_t seen = 0;
  while (!open.empty()) {
    const std::uint32_t to = open.back();
    open.pop_back();
    ++seen;
    const auto from = static_cast<std::size_t>(node_at[to]);
    const auto& node = deep.near[to];
    if (tree.left[from] < 0) {
      CHECK_EQ(node.key, static_cast<std::uint32_t>(~tree.left[from]));
      CHECK_EQ(std::uint32_t{node.pair}, to / 2);
      CHECK_EQ(node.plane / kDeepPlaneUnit, to % 2);  // the constant that keeps it here
      continue;
    }
    CHECK_EQ(node.plane / kDeepPlaneUnit, static_cast<std::uint32_t>(tree.feature[from]) + kDeepConstants);
    CHECK_EQ((deep.flags[to] & kDeepMissingRight) != 0, tree.default_left[from] == 0);
    CHECK_EQ((deep.flags[to] & kDeepSet) != 0, tree.is_set(from));
    if (!tree.is_set(from)) CHECK_EQ(node.key, order_key(round_down(tree.threshold[from])));
    CHECK(node.pair > to / 2);
    const auto left = static_cast<std::size_t>(tree.left[from]);
    for (std::uint32_t side = 0; side < 2; ++side) {
      node_at[2 * node.pair + side] = static_cast<std::int32_t>(left + side);
      open.push_back(2 * node.pair + side);
    }
    const std::size_t hot = tree.count[left] < tree.count[left + 1] ? 1 : 0;
    if (tree.left[left + hot] >= 0)
      CHECK_EQ(std::uint32_t{deep.near[2 * node.pair + hot].pair}, std::uint32_t{node.pair} + 1);
  }
  CHECK_EQ(seen, tree.left.size());
}

}  // namespace

TEST(deep_trees_are_the_trees_they_were_made_of) {
  Random random(5);
  const auto table = random_table(3000, 8, random);
  const Dataset data = bins_of(*table, 60);
  for (const std::int32_t n_splits : {0, 1, 2, 40, 900}) {
    const Tree tree = to_tree(random_tree(*data.cuts, n_splits, 1, 0, random), *data.cuts);
    compare(tree, make_deep_tree(tree));
  }
}

TEST(equal_leaf_vectors_are_kept_once) {
  Random random(6);
  const auto table = random_table(3000, 4, random);
  const Dataset data = bins_of(*table, 60);
  Tree tree = to_tree(random_tree(*data.cuts, 500, 3, 0, random), *data.cuts);
  CHECK(make_deep_tree(tree).vector_of.empty());  // no two alike
  for (std::size_t i = 0; i < tree.leaf_value.size(); ++i)
    tree.leaf_value[i] = static_cast<float>((i / 3) % 5 == i % 3 ? 1 : 0);
  const DeepTree deep = make_deep_tree(tree);
  CHECK_EQ(deep.vectors.size(), std::size_t{3 * 4});
  for (std::size_t leaf = 0; leaf < deep.vector_of.size(); ++leaf) {
    for (std::size_t k = 0; k < 3; ++k)
      CHECK_EQ(deep.vectors[3 * std::size_t{deep.vector_of[leaf]} + k], tree.leaf_value[3 * leaf + k]);
  }
}

TEST(large_trees_walk_with_many_rows_and_others_do_not) {
  Random random(7);
  const auto table = random_table(3000, 4, random);
  const Dataset data = bins_of(*table, 60);
  CHECK(make_model_tree(to_tree(random_tree(*data.cuts, 900, 1, 0, random), *data.cuts))->deep != nullptr);
  CHECK(make_model_tree(to_tree(random_tree(*data.cuts, 200, 1, 0, random), *data.cuts))->deep == nullptr);
}
