// SPDX-License-Identifier: Apache-2.0
#include "model/arrays.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include "base/error.h"
#include "model/validate.h"

namespace pygbt {
namespace {

constexpr std::uint8_t kCategoricalFlag = 1, kWideFlag = 2;
constexpr std::size_t kMostWords = (std::size_t{1} << 31) - 1;  // of one tree: Tree::cat_begin is an int32

template <class T>
void append(std::vector<T>& to, const std::vector<T>& from) {
  to.insert(to.end(), from.begin(), from.end());
}

// Hands out consecutive parts of an array and never more than it has.
template <class T>
class Reader {
 public:
  Reader(const std::vector<T>& values, const char* name) : rest_(values), name_(name) {}

  std::vector<T> take(std::size_t n) {
    if (n > rest_.size()) throw CorruptModel(std::string("model: array ") + name_ + " is too short");
    std::vector<T> part(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(n));
    rest_ = rest_.subspan(n);
    return part;
  }
  void finish() const {
    if (!rest_.empty()) throw CorruptModel(std::string("model: array ") + name_ + " is too long");
  }

 private:
  std::span<const T> rest_;
  const char* name_;
};

std::size_t size_of(std::int32_t n) {
  if (n < 0) throw CorruptModel("model: a length is negative");
  return static_cast<std::size_t>(n);
}

void append_tree(ModelArrays& out, const Tree& tree, bool categories) {
  out.tree_nodes.push_back(tree.n_nodes());
  out.tree_width.push_back(tree.width);
  out.tree_target.push_back(tree.target);
  append(out.left, tree.left);
  append(out.feature, tree.feature);
  append(out.threshold, tree.threshold);
  append(out.default_left, tree.default_left);
  append(out.gain, tree.gain);
  append(out.cover, tree.cover);
  append(out.count, tree.count);
  append(out.leaf_value, tree.leaf_value);
  if (!categories) return;
  if (tree.cat_words.empty())
    out.cat_words.insert(out.cat_words.end(), tree.left.size(), 0);
  else
    append(out.cat_words, tree.cat_words);
  for (std::size_t i = 0; i < tree.left.size(); ++i) {  // in node order, wherever they lie in the tree
    if (!tree.is_set(i)) continue;
    const auto first = tree.cat_bits.begin() + tree.cat_begin[i];
    out.cat_bits.insert(out.cat_bits.end(), first, first + tree.cat_words[i]);
  }
}

// Whether float32 would lose something: a feature that is wide, or trees of an earlier model that had one.
bool needs_wide(const ModelArrays& arrays) {
  for (const std::uint8_t flags : arrays.cuts_flags) {
    if ((flags & kWideFlag) != 0) return true;
  }
  const auto rounds = [](double x) { return static_cast<double>(static_cast<float>(x)) != x; };
  return std::any_of(arrays.threshold.begin(), arrays.threshold.end(), rounds) ||
         std::any_of(arrays.cuts_edges.begin(), arrays.cuts_edges.end(), rounds);
}

CutsPtr read_cuts(const ModelArrays& arrays) {
  auto cuts = std::make_shared<Cuts>();
  const std::size_t n = arrays.cuts_n_bins.size();
  if (arrays.cuts_flags.size() != n || arrays.cuts_n_edges.size() != n) {
    throw CorruptModel("model: arrays of features differ in length");
  }
  Reader edges(arrays.cuts_edges, "cuts_edges");
  for (std::size_t f = 0; f < n; ++f) {
    FeatureCuts feature;
    if (arrays.cuts_flags[f] > (kCategoricalFlag | kWideFlag)) throw CorruptModel("model: unknown kind of feature");
    feature.categorical = (arrays.cuts_flags[f] & kCategoricalFlag) != 0;
    feature.wide = (arrays.cuts_flags[f] & kWideFlag) != 0;
    feature.n_bins = arrays.cuts_n_bins[f];
    feature.edges = edges.take(size_of(arrays.cuts_n_edges[f]));
    cuts->features.push_back(std::move(feature));
  }
  edges.finish();
  validate_cuts(*cuts);
  return cuts;
}

}  // namespace

ModelArrays to_arrays(const Model& model) {
  ModelArrays out;
  out.loss = model.loss();
  out.trees_per_iteration = model.trees_per_iteration();
  out.base_score = model.base_score();
  for (const FeatureCuts& feature : model.cuts().features) {
    out.cuts_n_bins.push_back(feature.n_bins);
    out.cuts_flags.push_back(
        static_cast<std::uint8_t>((feature.categorical ? kCategoricalFlag : 0) | (feature.wide ? kWideFlag : 0)));
    out.cuts_n_edges.push_back(static_cast<std::int32_t>(feature.edges.size()));
    append(out.cuts_edges, feature.edges);
  }
  bool categories = false;
  for (const TreePtr& tree : model.trees()) categories = categories || !tree->sets.empty();
  for (const TreePtr& tree : model.trees()) append_tree(out, tree->tree, categories);
  out.wide = needs_wide(out);
  return out;
}

Model from_arrays(const ModelArrays& arrays) {
  ModelParts parts;
  parts.cuts = read_cuts(arrays);
  parts.loss = arrays.loss;
  parts.base_score = arrays.base_score;
  parts.trees_per_iteration = arrays.trees_per_iteration;
  const std::size_t n_trees = arrays.tree_nodes.size();
  if (arrays.tree_width.size() != n_trees || arrays.tree_target.size() != n_trees) {
    throw CorruptModel("model: arrays of trees differ in length");
  }
  Reader left(arrays.left, "left"), feature(arrays.feature, "feature"), cat_words(arrays.cat_words, "cat_words");
  Reader threshold(arrays.threshold, "threshold"), cover(arrays.cover, "cover");
  Reader default_left(arrays.default_left, "default_left");
  Reader gain(arrays.gain, "gain"), leaf_value(arrays.leaf_value, "leaf_value");
  Reader count(arrays.count, "count");
  Reader cat_bits(arrays.cat_bits, "cat_bits");
  for (std::size_t t = 0; t < n_trees; ++t) {
    const std::size_t n = size_of(arrays.tree_nodes[t]);
    Tree tree;
    tree.width = arrays.tree_width[t];
    tree.target = arrays.tree_target[t];
    tree.left = left.take(n);
    tree.feature = feature.take(n);
    tree.threshold = threshold.take(n);
    tree.default_left = default_left.take(n);
    tree.gain = gain.take(n);
    tree.cover = cover.take(n);
    tree.count = count.take(n);
    tree.leaf_value = leaf_value.take((n + 1) / 2 * size_of(tree.width));
    if (!arrays.cat_words.empty()) tree.cat_words = cat_words.take(n);
    tree.cat_begin.assign(tree.cat_words.size(), -1);
    std::size_t n_words = 0;
    for (std::size_t i = 0; i < tree.cat_words.size(); ++i) {
      if (tree.cat_words[i] == 0) continue;
      tree.cat_begin[i] = static_cast<std::int32_t>(n_words);
      n_words += size_of(tree.cat_words[i]);
      if (n_words > kMostWords) throw CorruptModel("model: a tree has too many categories");
    }
    tree.cat_bits = cat_bits.take(n_words);
    validate_tree(tree, *parts.cuts, static_cast<std::int32_t>(parts.base_score.size()), static_cast<std::int64_t>(t));
    parts.trees.push_back(make_model_tree(std::move(tree)));
  }
  left.finish(), feature.finish(), threshold.finish(), default_left.finish(), cat_words.finish();
  gain.finish(), cover.finish(), count.finish(), leaf_value.finish(), cat_bits.finish();
  validate_parts(parts);
  if (arrays.wide != needs_wide(arrays)) throw CorruptModel("model: thresholds are stored with a wrong precision");
  return Model(std::move(parts));
}

}  // namespace pygbt
