// SPDX-License-Identifier: Apache-2.0
#include "model/forest.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "math/round_down.h"

namespace pygbt {
namespace {

constexpr std::int32_t kMostThresholds = 65534;   // of a feature: codes and missing_right fit in two bytes
constexpr std::int32_t kByteThresholds = 255;
constexpr std::int64_t kMostPlanes = 65535;
constexpr std::uint16_t kNoCut = 65535;           // no code reaches it: rows stay at a leaf
constexpr std::int32_t kTopExits = 64;            // of a tree with more than kMostExits leaves, before rows walk

constexpr std::int64_t kExitBytes = 8;  // of operations, an exit, about

// Every threshold at the search's own places, see search_run in isa/encode.inc.
void fill_search_levels(const float* sorted, float* levels) {
  const auto fill = [&](std::size_t n, std::size_t step, std::size_t first) {
    for (std::size_t i = 0; i < n; ++i) *levels++ = sorted[i * step + first];
  };
  fill(15, 16, 15);
  *levels++ = std::numeric_limits<float>::infinity();
  fill(16, 16, 7);
  fill(32, 8, 3);
  fill(64, 4, 1);
}

std::int32_t padded_size(std::int32_t n) {
  if (n <= kByteThresholds) return kByteThresholds;
  return static_cast<std::int32_t>(std::bit_ceil(static_cast<std::uint32_t>(n) + 1) - 1);
}

class Packer {
 public:
  Packer(const Cuts& cuts, std::span<const TreePtr> trees) : cuts_(cuts), trees_(trees) {}

  std::unique_ptr<const Forest> run() {
    if (!collect_features()) return nullptr;
    for (const TreePtr& tree : trees_) {
      if (!pack(*tree)) return nullptr;
    }
    if (std::int64_t{forest_->n_planes} + forest_->n_set_planes > kMostPlanes) return nullptr;
    return std::move(forest_);
  }

 private:
  // Thresholds, planes and slots of every feature that is tested.
  bool collect_features() {
    place_.assign(cuts_.features.size(), -1);
    for (const TreePtr& tree : trees_) {
      for (const FeatureId f : tree->features) place_[static_cast<std::size_t>(f)] = 0;
    }
    for (std::size_t f = 0; f < place_.size(); ++f) {
      if (place_[f] < 0) continue;
      place_[f] = static_cast<std::int32_t>(forest_->features.size());
      ForestFeature& feature = forest_->features.emplace_back();
      feature.id = static_cast<FeatureId>(f);
      feature.wide = cuts_.features[f].wide;
      if (!cuts_.features[f].categorical) continue;
      feature.n_categories = cuts_.features[f].n_bins - 1;
      feature.category_slot = forest_->n_category_slots++;
    }
    for (const TreePtr& each : trees_) {
      const Tree& tree = each->tree;
      for (std::size_t i = 0; i < tree.left.size(); ++i) {
        if (tree.left[i] < 0 || tree.is_set(i)) continue;
        ForestFeature& feature = feature_of(tree.feature[i]);
        feature.exact.push_back(tree.threshold[i]);
        feature.plane[tree.default_left[i]] = 0;
      }
    }
    for (ForestFeature& feature : forest_->features) {
      auto& exact = feature.exact;
      std::sort(exact.begin(), exact.end());
      exact.erase(std::unique(exact.begin(), exact.end()), exact.end());
      if (exact.size() > static_cast<std::size_t>(kMostThresholds)) return false;
      feature.n_thresholds = static_cast<std::int32_t>(exact.size());
      for (std::int32_t& plane : feature.plane) {
        if (plane == 0) plane = forest_->n_planes++;
      }
      forest_->two_byte = forest_->two_byte || feature.n_thresholds > kByteThresholds;
      if (feature.n_categories >= 0) continue;
      exact.resize(static_cast<std::size_t>(padded_size(feature.n_thresholds)) + 1,
                   std::numeric_limits<double>::infinity());
      for (const double threshold : exact) feature.narrow.push_back(round_down(threshold));
      if (feature.n_thresholds > kByteThresholds) continue;
      feature.narrow.resize(feature.narrow.size() + kSearchLevels);
      fill_search_levels(feature.narrow.data(), feature.narrow.data() + kByteThresholds + 1);
    }
    return forest_->n_planes <= kMostPlanes;
  }

  ForestFeature& feature_of(FeatureId f) {
    return forest_->features[static_cast<std::size_t>(place_[static_cast<std::size_t>(f)])];
  }

  bool pack(const ModelTree& from) {
    const Tree& tree = from.tree;
    ForestTree out;
    out.width = tree.width;
    out.target = tree.target;
    out.n_leaves = tree.n_leaves();
    out.sets = forest_->sets.size();
    nodes_.resize(tree.left.size());
    for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i] = code_node(tree, i, out);
    if (std::int64_t{forest_->n_planes} + out.n_sets > kMostPlanes) return false;
    forest_->n_set_planes = std::max(forest_->n_set_planes, out.n_sets);

    out.code_begin = forest_->code.sizes();
    append_blends(nodes_, out.n_leaves <= kMostExits ? kMostExits : kTopExits, forest_->code, exits_);
    out.code_end = forest_->code.sizes();
    out.n_exits = static_cast<std::int32_t>(exits_.size());
    out.exits = forest_->exit_at.size();
    out.depth = depth_below_exits();
    out.nodes = forest_->nodes.size();
    if (out.depth > 0) {
      forest_->exit_at.insert(forest_->exit_at.end(), exits_.begin(), exits_.end());
      forest_->nodes.insert(forest_->nodes.end(), nodes_.begin(), nodes_.end());
      forest_->node_leaf.insert(forest_->node_leaf.end(), from.leaf.begin(), from.leaf.end());
    } else {
      for (const std::int32_t node : exits_) forest_->exit_at.push_back(from.leaf[static_cast<std::size_t>(node)]);
    }
    out.values = forest_->values.size();
    pack_values(tree, out);
    out.bytes = kExitBytes * out.n_exits +
                static_cast<std::int64_t>(sizeof(float) * (forest_->values.size() - out.values)) +
                (out.depth > 0 ? static_cast<std::int64_t>(sizeof(CodeNode) * nodes_.size()) : 0);
    forest_->trees.push_back(out);
    return true;
  }

  CodeNode code_node(const Tree& tree, std::size_t i, ForestTree& out) {
    if (tree.left[i] < 0) return {static_cast<std::int32_t>(i), 0, kNoCut};
    const ForestFeature& feature = feature_of(tree.feature[i]);
    if (tree.is_set(i)) {
      forest_->sets.push_back(
          {place_[static_cast<std::size_t>(tree.feature[i])], static_cast<std::int32_t>(forest_->set_words.size())});
      append_set(tree, i, feature.n_categories);
      return {tree.left[i], static_cast<std::uint16_t>(forest_->n_planes + out.n_sets++), 1};
    }
    const auto end = feature.exact.begin() + feature.n_thresholds;
    const auto at = std::lower_bound(feature.exact.begin(), end, tree.threshold[i]);
    return {tree.left[i], static_cast<std::uint16_t>(feature.plane[tree.default_left[i]]),
            static_cast<std::uint16_t>(at - feature.exact.begin() + 1)};
  }

  // One bit a code and one for missing values: set = right.
  void append_set(const Tree& tree, std::size_t i, std::int32_t n_categories) {
    const std::size_t first = forest_->set_words.size();
    forest_->set_words.resize(first + static_cast<std::size_t>(n_categories / 32 + 1), 0);
    for (std::int32_t code = 0; code <= n_categories; ++code) {
      const bool known = code < n_categories && code / 32 < tree.cat_words[i];
      const auto word = static_cast<std::size_t>(tree.cat_begin[i] + code / 32);
      const bool left = known ? ((tree.cat_bits[word] >> (code % 32)) & 1u) != 0 : tree.default_left[i] != 0;
      if (!left) forest_->set_words[first + static_cast<std::size_t>(code / 32)] |= 1u << (code % 32);
    }
  }

  std::int32_t depth_below_exits() const {
    std::vector<std::int32_t> level, next;
    for (const std::int32_t node : exits_) {
      if (nodes_[static_cast<std::size_t>(node)].left != node) level.push_back(node);
    }
    std::int32_t depth = 0;
    for (; !level.empty(); ++depth, level.swap(next)) {
      next.clear();
      for (const std::int32_t node : level) {
        const std::int32_t left = nodes_[static_cast<std::size_t>(node)].left;
        for (const std::int32_t child : {left, left + 1}) {
          if (nodes_[static_cast<std::size_t>(child)].left != child) next.push_back(child);
        }
      }
    }
    return depth;
  }

  // One table an output: by exit where exits are leaves (padded for the loads of the kernel), else by leaf.
  void pack_values(const Tree& tree, const ForestTree& out) {
    const std::int32_t n = out.depth > 0 ? out.n_leaves : out.n_exits;
    for (std::int32_t k = 0; k < tree.width; ++k) {
      for (std::int32_t i = 0; i < n; ++i) {
        const std::int32_t leaf = out.depth > 0 ? i : forest_->exit_at[out.exits + static_cast<std::size_t>(i)];
        forest_->values.push_back(
            tree.leaf_value[static_cast<std::size_t>(leaf) * static_cast<std::size_t>(tree.width) +
                            static_cast<std::size_t>(k)]);
      }
      if (out.depth == 0 && n < 64) forest_->values.resize(forest_->values.size() + static_cast<std::size_t>(64 - n));
    }
  }

  const Cuts& cuts_;
  std::span<const TreePtr> trees_;
  std::unique_ptr<Forest> forest_ = std::make_unique<Forest>();
  std::vector<std::int32_t> place_;   // [feature] in Forest::features, -1 = not tested
  std::vector<CodeNode> nodes_;       // of the tree that is being packed
  std::vector<std::int32_t> exits_;
};

}  // namespace

Thresholds<float> ForestFeature::narrow_view() const {
  const bool byte = n_thresholds <= kByteThresholds;
  return {narrow.data(), byte ? narrow.data() + kByteThresholds + 1 : nullptr, n_thresholds, padded_size(n_thresholds)};
}

Thresholds<double> ForestFeature::exact_view() const {
  return {exact.data(), nullptr, n_thresholds, padded_size(n_thresholds)};
}

std::unique_ptr<const Forest> make_forest(const Cuts& cuts, std::span<const TreePtr> trees) {
  return Packer(cuts, trees).run();
}

const Forest* LazyForest::after_rows(std::int64_t n_rows, const Cuts& cuts, std::span<const TreePtr> trees) {
  const Made* made = made_.load(std::memory_order_acquire);
  if (made == nullptr) {
    if (rows_.fetch_add(n_rows, std::memory_order_relaxed) + n_rows < kRowsThatPay) return nullptr;
    auto fresh = std::make_unique<const Made>(make_forest(cuts, trees));
    if (made_.compare_exchange_strong(made, fresh.get(), std::memory_order_acq_rel)) made = fresh.release();
  }
  return made->forest.get();
}

}  // namespace pygbt
