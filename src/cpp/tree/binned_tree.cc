// SPDX-License-Identifier: Apache-2.0
#include "tree/binned_tree.h"

#include <algorithm>
#include <limits>
#include <string>

#include "base/error.h"
#include "math/route.h"

namespace pygbt {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

const FeatureCuts& cuts_of(const Cuts& cuts, FeatureId feature) {
  require(feature >= 0 && feature < cuts.n_features(), "a tree splits on feature " + std::to_string(feature) +
                                                           ", the data has " + std::to_string(cuts.n_features()));
  return cuts.features[static_cast<std::size_t>(feature)];
}

// bin b <=> x <= edges[b - 1]; the last bin has no edge: every value goes left, only missing ones right.
double threshold_of(const FeatureCuts& cuts, Bin bin) {
  const std::size_t edge = static_cast<std::size_t>(bin) - 1;
  return edge < cuts.edges.size() ? cuts.edges[edge] : kInf;
}

Bin bin_of(const FeatureCuts& cuts, double threshold) {
  // All values go left. Where +inf itself is an edge the last bin is empty, so the two cuts agree.
  if (threshold == kInf) return static_cast<Bin>(std::max(cuts.n_bins - 1, 1));
  const auto edge = std::lower_bound(cuts.edges.begin(), cuts.edges.end(), threshold);
  require(edge != cuts.edges.end() && *edge == threshold,
          "the model was trained on other bin edges than this data: build the Dataset with reference= the edges the "
          "model was trained on");
  return static_cast<Bin>(edge - cuts.edges.begin() + 1);
}

std::size_t words_for(std::int32_t bits) { return static_cast<std::size_t>((bits + 31) / 32); }

}  // namespace

Tree to_tree(const BinnedTree& binned, const Cuts& cuts) {
  Tree tree;
  tree.width = binned.width;
  tree.target = binned.target;
  tree.leaf_value = binned.leaf_value;
  const std::size_t n = binned.nodes.size();
  tree.left.resize(n);
  tree.feature.assign(n, -1);
  tree.threshold.assign(n, 0.0);
  tree.default_left.assign(n, 0);
  tree.gain.assign(n, 0.0f);
  tree.cover.resize(n);
  tree.count.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    const BinnedNode& node = binned.nodes[i];
    tree.left[i] = node.left;
    tree.cover[i] = node.cover;
    tree.count[i] = node.count;
    if (node.left < 0) continue;
    const FeatureCuts& feature = cuts_of(cuts, node.feature);
    tree.feature[i] = node.feature;
    tree.gain[i] = node.gain;
    tree.default_left[i] = node.missing_left ? 1 : 0;
    if (node.cat_begin < 0) {
      tree.threshold[i] = threshold_of(feature, node.bin);
      continue;
    }
    // One bit for every code of the feature, so that a code beyond the words is one the training data did not have.
    const std::int32_t n_codes = feature.n_bins - 1;
    std::uint32_t* words = tree.add_set(i, words_for(n_codes));
    for (std::int32_t code = 0; code < n_codes; ++code) {
      if (goes_left(static_cast<Bin>(code + 1), binned.cat_bits.data() + node.cat_begin, node.cat_words))
        words[code / 32] |= 1u << (code % 32);
    }
  }
  return tree;
}

BinnedTree to_bins(const Tree& tree, const Cuts& cuts) {
  BinnedTree binned;
  binned.width = tree.width;
  binned.target = tree.target;
  binned.leaf_value = tree.leaf_value;
  binned.nodes.resize(tree.left.size());
  for (std::size_t i = 0; i < tree.left.size(); ++i) {
    BinnedNode& node = binned.nodes[i];
    node.left = tree.left[i];
    node.cover = tree.cover[i];
    node.count = tree.count[i];
    if (node.left < 0) continue;
    const FeatureCuts& feature = cuts_of(cuts, tree.feature[i]);
    node.feature = tree.feature[i];
    node.gain = tree.gain[i];
    node.missing_left = tree.default_left[i] != 0;
    require(feature.categorical == tree.is_set(i),
            "feature " + std::to_string(node.feature) + " is categorical in the model or in the data, but not in both");
    if (!feature.categorical) {
      node.bin = bin_of(feature, tree.threshold[i]);
      continue;
    }
    node.cat_begin = static_cast<std::int32_t>(binned.cat_bits.size());
    node.cat_words = static_cast<std::int32_t>(words_for(feature.n_bins));
    binned.cat_bits.resize(binned.cat_bits.size() + words_for(feature.n_bins), 0);
    std::uint32_t* words = binned.cat_bits.data() + node.cat_begin;
    for (std::int32_t bin = 0; bin < feature.n_bins; ++bin) {
      const std::int32_t code = bin - 1;
      const bool known = bin > 0 && code < 32 * tree.cat_words[i];
      const bool left =
          known ? ((tree.cat_bits[static_cast<std::size_t>(tree.cat_begin[i] + code / 32)] >> (code % 32)) & 1u) != 0
                : node.missing_left;
      if (left) words[bin / 32] |= 1u << (bin % 32);
    }
  }
  return binned;
}

}  // namespace pygbt
