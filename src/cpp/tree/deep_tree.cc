// SPDX-License-Identifier: Apache-2.0
#include "tree/deep_tree.h"

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstring>
#include <utility>

#include "math/order_key.h"
#include "math/round_down.h"

namespace pygbt {
namespace {

constexpr std::int32_t kStepsPastMean = 4;
constexpr std::size_t kMostVectors = 4096;
constexpr std::size_t kLeavesAVector = 4;  // fewer on average: no gain

constexpr std::size_t at(std::int32_t i) { return static_cast<std::size_t>(i); }

// Nodes with indices of 32 bits, in the order of DeepTree, and the sets.
class Layout {
 public:
  explicit Layout(const Tree& tree) : tree_(tree) {}

  // Depth first, the child with more rows first.
  void run(DeepTree& out) {
    nodes_.resize(tree_.left.size() + 1, {0, 0, 0});
    out.flags.resize(nodes_.size(), 0);
    std::vector<Place> open = {{0, 0, 0}};
    std::uint32_t n_pairs = 1;
    std::int32_t depth = 0;
    double rows = 0.0, steps = 0.0;  // of the training rows at leaves; all leaves count a little, as counts may be 0
    while (!open.empty()) {
      const Place here = open.back();
      open.pop_back();
      const std::int32_t left = tree_.left[at(here.from)];
      if (left < 0) {
        nodes_[here.to] = {static_cast<std::uint32_t>(~left), (here.to & 1) * kDeepPlaneUnit, here.to / 2};
        const double weight = static_cast<double>(tree_.count[at(here.from)]) + 0x1p-10;
        rows += weight;
        depth = std::max(depth, here.depth);
        steps += weight * here.depth;
        continue;
      }
      nodes_[here.to] = split(at(here.from), n_pairs, out.flags[here.to], out.sets);
      Place first = {left, 2 * n_pairs, here.depth + 1}, second = {left + 1, 2 * n_pairs + 1, here.depth + 1};
      if (tree_.count[at(left)] < tree_.count[at(left) + 1]) std::swap(first, second);
      open.push_back(second);
      open.push_back(first);
      ++n_pairs;
    }
    out.first_steps = std::min(depth, static_cast<std::int32_t>(steps / rows) + kStepsPastMean);
    if (!fill(out.near)) fill(out.far);
  }

 private:
  struct Place {
    std::int32_t from = 0;  // in the tree
    std::uint32_t to = 0;
    std::int32_t depth = 0;
  };

  DeepNode<std::uint32_t> split(std::size_t i, std::uint32_t pair, std::uint8_t& flags,
                                std::vector<std::uint32_t>& sets) const {
    const std::uint32_t plane = (static_cast<std::uint32_t>(tree_.feature[i]) + kDeepConstants) * kDeepPlaneUnit;
    flags = tree_.default_left[i] == 0 ? kDeepMissingRight : 0;
    if (!tree_.is_set(i)) return {order_key(round_down(tree_.threshold[i])), plane, pair};
    const auto key = static_cast<std::uint32_t>(sets.size());
    sets.push_back(static_cast<std::uint32_t>(tree_.cat_words[i]));
    for (std::int32_t word = 0; word < tree_.cat_words[i]; ++word)
      sets.push_back(~tree_.cat_bits[at(tree_.cat_begin[i] + word)]);
    flags |= kDeepSet;
    return {key, plane, pair};
  }

  template <class Index>
  bool fill(std::vector<DeepNode<Index>>& out) const {
    out.resize(nodes_.size());
    bool fits = true;
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      const auto& node = nodes_[i];
      out[i] = {node.key, static_cast<Index>(node.plane), static_cast<Index>(node.pair)};
      fits &= out[i].plane == node.plane && out[i].pair == node.pair;
    }
    if (!fits) out = {};
    return fits;
  }

  const Tree& tree_;
  std::vector<DeepNode<std::uint32_t>> nodes_;
};

// Leaf vectors that differ, found by hashing; gives up where there are too many of them.
void collect_vectors(const Tree& tree, DeepTree& out) {
  const auto n = static_cast<std::size_t>(tree.n_leaves());
  const auto width = static_cast<std::size_t>(tree.width);
  const std::size_t most = std::min(kMostVectors, n / kLeavesAVector);
  std::vector<std::uint16_t> table(2 * std::bit_ceil(most + 1), 0);  // vector + 1, 0 = free
  out.vector_of.resize(n);
  std::size_t n_vectors = 0;
  for (std::size_t leaf = 0; leaf < n; ++leaf) {
    const float* value = tree.leaf_value.data() + leaf * width;
    std::uint64_t hash = 0;
    for (std::size_t k = 0; k < width; ++k) {
      hash = (hash ^ std::bit_cast<std::uint32_t>(value[k])) * 0x9e3779b97f4a7c15u;
      hash ^= hash >> 32;
    }
    std::size_t cell = hash & (table.size() - 1);
    for (; table[cell] != 0; cell = (cell + 1) & (table.size() - 1)) {
      if (std::memcmp(out.vectors.data() + (table[cell] - 1u) * width, value, width * sizeof(float)) == 0) break;
    }
    if (table[cell] == 0) {
      if (n_vectors == most) {
        out.vectors = {};
        out.vector_of = {};
        return;
      }
      out.vectors.insert(out.vectors.end(), value, value + width);
      table[cell] = static_cast<std::uint16_t>(++n_vectors);
    }
    out.vector_of[leaf] = static_cast<std::uint16_t>(table[cell] - 1);
  }
}

}  // namespace

DeepTree make_deep_tree(const Tree& tree) {
  DeepTree out;
  Layout(tree).run(out);
  if (tree.width > 1) collect_vectors(tree, out);
  return out;
}

}  // namespace pygbt
