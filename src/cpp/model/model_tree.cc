// SPDX-License-Identifier: Apache-2.0
#include "model/model_tree.h"

#include <algorithm>
#include <limits>
#include <utility>

namespace pygbt {

TreePtr make_model_tree(Tree given) {
  auto made = std::make_shared<ModelTree>();
  made->tree = std::move(given);
  const Tree& tree = made->tree;
  const std::size_t n = tree.left.size();
  made->nodes.resize(n);
  made->leaf.assign(n, 0);
  std::vector<std::int32_t> depth(n, 0);
  std::vector<std::uint32_t> parent_feature(n, 0);
  std::vector<std::uint8_t> tests;  // [feature] whether the tree does
  for (std::size_t i = 0; i < n; ++i) {  // parents come before their children
    WalkNode& node = made->nodes[i];
    const std::int32_t left = tree.left[i];
    if (left < 0) {
      // The leaf tests its parent's feature, whose values are there; nothing exceeds +inf, so the row stays.
      node = {std::numeric_limits<double>::infinity(), static_cast<std::int32_t>(i),
              parent_feature[i] | WalkNode::kMissingLeft};
      made->leaf[i] = ~left;
      made->depth = std::max(made->depth, depth[i]);
      continue;
    }
    const auto feature = static_cast<std::uint32_t>(tree.feature[i]);
    node = {tree.threshold[i], left, feature | (tree.default_left[i] != 0 ? WalkNode::kMissingLeft : 0u)};
    if (tree.is_set(i)) {
      node.test |= WalkNode::kCategorical;
      node.threshold = static_cast<double>(made->sets.size());
      made->sets.push_back({tree.cat_begin[i], 32 * tree.cat_words[i]});
    }
    if (tests.size() <= feature) tests.resize(std::size_t{feature} + 1, 0);
    tests[feature] = 1;
    for (const std::size_t child : {static_cast<std::size_t>(left), static_cast<std::size_t>(left) + 1}) {
      depth[child] = depth[i] + 1;
      parent_feature[child] = feature;
    }
  }
  for (std::size_t feature = 0; feature < tests.size(); ++feature)
    if (tests[feature] != 0) made->features.push_back(static_cast<FeatureId>(feature));
  if (tree.n_leaves() > kShallowLeaves && made->depth > kShallowDepth)
    made->deep = std::make_unique<const DeepTree>(make_deep_tree(tree));
  return made;
}

}  // namespace pygbt
