// SPDX-License-Identifier: Apache-2.0
#include "model/validate.h"

#include <cmath>
#include <string>
#include <vector>

#include "base/error.h"

namespace pygbt {
namespace {

constexpr std::int32_t kMostBins = 1 << 16;

void sound(bool condition, const char* what) {
  if (!condition) throw CorruptModel(std::string("model: ") + what);
}

struct TreeCheck {
  const Tree& tree;
  const Cuts& cuts;
  std::int64_t index;

  void sound(bool condition, const char* what) const {
    if (!condition) throw CorruptModel("model, tree " + std::to_string(index) + ": " + what);
  }

  void lengths() const {
    const std::size_t n = tree.left.size();
    sound(n >= 1 && n % 2 == 1, "a tree has an odd number of nodes");
    sound(n < (std::size_t{1} << 31), "too many nodes");
    sound(tree.feature.size() == n && tree.threshold.size() == n && tree.default_left.size() == n &&
              (tree.cat_begin.size() == n || tree.cat_begin.empty()) &&
              tree.cat_words.size() == tree.cat_begin.size() && tree.gain.size() == n && tree.cover.size() == n &&
              tree.count.size() == n,
          "arrays of nodes differ in length");
    sound(tree.leaf_value.size() == (n + 1) / 2 * static_cast<std::size_t>(tree.width),
          "leaf values do not match the number of leaves");
  }

  // Children follow their parent and every pair has one parent: a tree, so every walk ends at a leaf.
  void shape() const {
    const auto n = static_cast<std::int64_t>(tree.left.size());
    std::vector<bool> has_parent(static_cast<std::size_t>((n - 1) / 2), false);  // [pair of siblings]
    std::int32_t n_leaves = 0;
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t left = tree.left[static_cast<std::size_t>(i)];
      if (left < 0) {
        sound(~left == n_leaves, "leaves are not numbered in the order of nodes");
        ++n_leaves;
        continue;
      }
      sound(left > i && left + 1 < n, "a child does not follow its parent");
      sound(left % 2 == 1, "children are not in pairs");
      const auto pair = static_cast<std::size_t>(left / 2);
      sound(!has_parent[pair], "a node has two parents");
      has_parent[pair] = true;
    }
    // n_leaves leaves and n - n_leaves splits, each with a pair of its own.
    sound(n_leaves == (n + 1) / 2, "a node has no parent");
  }

  void split(std::size_t i) const {
    const std::int32_t f = tree.feature[i];
    sound(f >= 0 && f < cuts.n_features(), "a split tests a feature that does not exist");
    const FeatureCuts& feature = cuts.features[static_cast<std::size_t>(f)];
    sound(feature.categorical == tree.is_set(i), "a split and its feature differ in kind");
    if (!feature.categorical) {
      sound(tree.cat_words.empty() || tree.cat_words[i] == 0, "a numeric split has categories");
      sound(!std::isnan(tree.threshold[i]), "a threshold is NaN");
      return;
    }
    const std::int64_t begin = tree.cat_begin[i], words = tree.cat_words[i];
    sound(words >= 1 && words <= kMostBins / 32, "a split has a wrong number of categories");
    sound(begin + words <= static_cast<std::int64_t>(tree.cat_bits.size()), "categories of a split are out of range");
  }

  void numbers() const {
    for (std::size_t i = 0; i < tree.left.size(); ++i) {
      sound(tree.default_left[i] <= 1, "the side of missing values is neither left nor right");
      sound(!std::isnan(tree.gain[i]) && !std::isnan(tree.cover[i]), "a gain or cover is NaN");
      sound(tree.count[i] >= 0, "a count is negative");
      if (tree.left[i] >= 0) {
        split(i);
      } else {
        sound(tree.feature[i] == -1 && (tree.cat_begin.empty() || (tree.cat_begin[i] == -1 && tree.cat_words[i] == 0)),
              "a leaf has a split");
      }
    }
    for (const float value : tree.leaf_value) sound(std::isfinite(value), "a leaf value is not finite");
  }
};

}  // namespace

void validate_cuts(const Cuts& cuts) {
  sound(cuts.features.size() <= WalkNode::kFeature, "too many features");
  for (const FeatureCuts& feature : cuts.features) {
    sound(feature.n_bins >= 1 && feature.n_bins <= kMostBins, "a feature has a wrong number of bins");
    if (feature.categorical) {
      sound(feature.edges.empty() && !feature.wide, "a categorical feature has edges");
      continue;
    }
    const auto n_edges = static_cast<std::int32_t>(feature.edges.size());
    sound(feature.n_bins == 1 ? n_edges == 0 : feature.n_bins == n_edges + 2, "bins and edges of a feature differ");
    for (std::size_t i = 0; i < feature.edges.size(); ++i) {
      sound(!std::isnan(feature.edges[i]), "an edge is NaN");
      sound(i == 0 || feature.edges[i - 1] < feature.edges[i], "edges do not ascend");
    }
  }
}

void validate_tree(const Tree& tree, const Cuts& cuts, std::int32_t n_outputs, std::int64_t index) {
  const TreeCheck check{tree, cuts, index};
  check.sound(tree.width >= 1 && tree.width <= n_outputs, "leaves have a wrong number of values");
  check.sound(tree.target >= 0 && tree.target <= n_outputs - tree.width,
              "the tree adds to an output that does not exist");
  check.lengths();
  check.shape();
  check.numbers();
}

void validate_parts(const ModelParts& parts) {
  const LossSpec& loss = parts.loss;
  sound(parts.cuts != nullptr, "edges are missing");
  sound(!parts.base_score.empty() && parts.base_score.size() < (std::size_t{1} << 31), "there are no outputs");
  for (const float margin : parts.base_score) sound(std::isfinite(margin), "a base score is not finite");
  sound(static_cast<std::size_t>(loss.n_targets) == parts.base_score.size(),
        "outputs and base scores differ in number");
  sound(parts.trees.size() < (std::size_t{1} << 31), "too many trees");
  sound(parts.trees_per_iteration >= 1 && parts.trees.size() % static_cast<std::size_t>(parts.trees_per_iteration) == 0,
        "the last iteration is incomplete");
  sound(std::isfinite(loss.huber_delta) && loss.huber_delta > 0.0f, "huber_delta is out of range");
  sound(loss.tweedie_power > 1.0f && loss.tweedie_power < 2.0f, "tweedie_variance_power is out of range");
  sound(std::isfinite(loss.scale_pos_weight) && loss.scale_pos_weight > 0.0f, "scale_pos_weight is out of range");
  sound(!loss.quantile_alpha.empty(), "quantile_alpha is empty");
  for (const double level : loss.quantile_alpha) sound(level > 0.0 && level < 1.0, "quantile_alpha is out of range");
}

}  // namespace pygbt
