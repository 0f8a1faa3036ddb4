// SPDX-License-Identifier: Apache-2.0
// A large tree as many rows walk it together. Values become 32-bit keys of the same order (math/order_key.h), so one
// integer comparison decides a numeric split, whatever the feature, and the nodes depend on nothing but their tree.
// Siblings are adjacent, and the pair below the child that more training rows reached follows its parent's pair: a row
// mostly finds its next node in the cache line at hand or the one behind it.
#pragma once

#include <cstdint>
#include <vector>

#include "tree/tree.h"

namespace pygbt {

// Pair p are nodes 2 p and 2 p + 1; node 0 is the root, node 1 is not used. A row goes to 2 * pair + (key < x), where x is
// the row's key in the node's plane. A leaf stays: its plane is a constant, its pair its own, its key the leaf index.
template <class Index>
struct DeepNode {
  std::uint32_t key;
  Index plane;  // the plane's number times kDeepPlaneUnit
  Index pair;
};

// Planes of keys: two constants (all 0: left; all ones: right), then feature f at f + kDeepConstants.
inline constexpr std::uint32_t kDeepConstants = 2;
inline constexpr std::uint32_t kDeepPlaneUnit = 16;

// Of a node.
inline constexpr std::uint8_t kDeepMissingRight = 1;  // missing values go right
inline constexpr std::uint8_t kDeepSet = 2;           // a categorical split: its key leads into `sets`

struct DeepTree {
  std::vector<DeepNode<std::uint16_t>> near;  // [node], or empty:
  std::vector<DeepNode<std::uint32_t>> far;  // [node] of trees that need more than 16 bits
  std::vector<std::uint8_t> flags;  // [node]
  std::vector<std::uint32_t> sets;  // of a categorical split: number of words, then one bit a code, 1 = goes right
  std::int32_t first_steps = 1;  // most rows are at their leaf by then

  // Where leaves of several values repeat each other (classes, mostly pure): the different ones and who has which.
  std::vector<float> vectors;  // [vector][width]
  std::vector<std::uint16_t> vector_of;  // [leaf]; empty: leaf_value itself
};

DeepTree make_deep_tree(const Tree& tree);

}  // namespace pygbt
