// SPDX-License-Identifier: Apache-2.0
// Rows down the trees, one struct a path of backend/walker.h. Each says how trees are laid in shared memory (`stage`), where
// rows end (`walk`: an Exit a row), and what a row finds there: `value`, of trees of width 1, and `leaf`.
#pragma once

#include <cstdint>

#include "device.h"
#include "walk_codes.h"

namespace pygbt::device {

// What a block has: its tile of rows, and shared memory behind the codes.
template <class Code>
struct Tile {
  CodeTile<Code> codes;
  std::uint64_t* area;
};

// A test as the rows of a tile meet it.
struct PlacedByteTest {
  using Code = std::uint8_t;
  using Stored = PerfectTrees::ByteTest;
  std::uint32_t word;  // cut << 24 | place

  PYGBT_KERNEL static PlacedByteTest of(Stored test, std::uint32_t pitch) {
    return {(test.word & 0xff000000u) | CodeTile<Code>::place(test.word & 0xffffffu, pitch)};
  }
  // lane and place have no bit in common. Above the cut: whatever the lower bits are.
  PYGBT_KERNEL bool right(const Code* codes, std::uint32_t lane, const std::uint32_t*) const {
    return (static_cast<std::uint32_t>(codes[lane | (word & 0xffffffu)]) << 24) > word;
  }
};

struct PlacedTest {
  using Code = std::uint16_t;
  using Stored = PerfectTrees::Test;
  std::uint32_t place;
  std::uint32_t cut;

  PYGBT_KERNEL static PlacedTest of(Stored test, std::uint32_t pitch) {
    return {(test.plane & Stored::kSet) | CodeTile<Code>::place(test.plane & ~Stored::kSet, pitch), test.cut};
  }
  PYGBT_KERNEL bool right(const Code* codes, std::uint32_t lane, const std::uint32_t* words) const {
    const std::uint32_t code = codes[lane | (place & ~Stored::kSet)];
    if ((place & Stored::kSet) == 0) return code > cut;
    return ((words[cut + code / 32] >> (code % 32)) & 1u) != 0;
  }
};

// Shallow trees, filled up: a block lays some of them in shared memory, walks its rows down these, and goes on.
template <class Test>
struct PerfectPath {
  using Code = typename Test::Code;
  using Exit = std::uint32_t;

  const typename Test::Stored* tests;  // [tree][2^depth]
  const float* values;  // [tree][2^depth]
  const std::int32_t* leaves;  // [tree][2^depth]
  const std::uint32_t* words;
  std::int32_t depth;
  std::int32_t n_staged;  // trees that have room

  PYGBT_KERNEL std::int32_t n_at_once() const { return n_staged; }

  PYGBT_KERNEL void stage(const Tile<Code>& tile, std::int32_t first, std::int32_t n, bool with_values) const {
    sync();  // those who read the trees before
    const std::int64_t from = static_cast<std::int64_t>(first) << depth;
    auto* const staged = reinterpret_cast<Test*>(tile.area);
    for (std::int32_t i = thread(); i < n << depth; i += n_threads())
      staged[i] = Test::of(tests[from + i], tile.codes.pitch);
    if (with_values) {
      float* const to = staged_values(tile);
      for (std::int32_t i = thread(); i < n << depth; i += n_threads()) to[i] = values[from + i];
    }
    sync();
  }

  // t: of the staged trees. Rows by their lanes. A node is where it lies, in bytes from the first staged tree, and so is
  // an exit: the children of the node at `a` of a tree at `b` lie at 2a - b and behind it.
  template <int kRows>
  PYGBT_KERNEL void walk(const Tile<Code>& tile, const Rows&, const std::int64_t*, std::int32_t, std::int32_t t,
                         const std::uint32_t* lanes, Exit* at) const {
    const auto* const trees = reinterpret_cast<const char*>(tile.area);
    const Code* const codes = tile.codes.codes;
    const std::uint32_t base = (static_cast<std::uint32_t>(t) << depth) * kBytes;
    const Test root = *reinterpret_cast<const Test*>(trees + base + kBytes);
    PYGBT_UNROLL
    for (int r = 0; r < kRows; ++r) at[r] = base + (root.right(codes, lanes[r], words) ? 3 * kBytes : 2 * kBytes);
    for (std::int32_t level = 1; level < depth; ++level) {
      PYGBT_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const Test test = *reinterpret_cast<const Test*>(trees + at[r]);
        at[r] += at[r] - base;
        add_if<kBytes>(test.right(codes, lanes[r], words), at[r]);
      }
    }
  }

  PYGBT_KERNEL float value(const Tile<Code>& tile, const WalkTree*, std::int32_t, std::int32_t, Exit exit) const {
    return staged_values(tile)[place(exit)];
  }
  PYGBT_KERNEL std::int32_t leaf(std::int32_t first, std::int32_t, Exit exit) const {
    return leaves[(static_cast<std::int64_t>(first) << depth) + place(exit)];
  }

 private:
  static constexpr std::uint32_t kBytes = sizeof(Test);

  // Of an exit, among those of all staged trees.
  PYGBT_KERNEL std::uint32_t place(Exit exit) const { return (exit - (kBytes << depth)) / kBytes; }
  PYGBT_KERNEL float* staged_values(const Tile<Code>& tile) const {
    return reinterpret_cast<float*>(reinterpret_cast<Test*>(tile.area) + (n_staged << depth));
  }
};

// Trees of any depth, read through the caches: the upper nodes of a tree lie together, and all blocks read them.
struct PackedPath {
  using Code = std::uint16_t;
  using Node = PackedTrees::Node;
  using Exit = Node;

  const Node* nodes;
  const std::uint32_t* sets;
  const std::uint32_t* words;
  const WalkTree* trees;

  PYGBT_KERNEL static bool is_leaf(Node node) { return (node.test & Node::kLeaf) != 0; }
  PYGBT_KERNEL Node next(Node node, const Node* root, const std::uint32_t* set, const CodeTile<Code>& codes,
                         std::uint32_t lane) const {
    const std::uint32_t plane = (node.test >> Node::kCutBits) & ((1u << Node::kPlaneBits) - 1);
    const std::uint32_t cut = node.test & ((1u << Node::kCutBits) - 1);
    const std::uint32_t code = codes.codes[lane + CodeTile<Code>::place(plane, codes.pitch)];
    bool right = code > cut;
    if ((node.test & Node::kSet) != 0) right = ((words[set[cut] + code / 32] >> (code % 32)) & 1u) != 0;
    return root[node.next + (right ? 1 : 0)];
  }

  PYGBT_KERNEL std::int32_t n_at_once() const { return 1 << 30; }
  PYGBT_KERNEL void stage(const Tile<Code>&, std::int32_t, std::int32_t, bool) const {}

  template <int kRows>
  PYGBT_KERNEL void walk(const Tile<Code>& tile, const Rows&, const std::int64_t*, std::int32_t first, std::int32_t t,
                         const std::uint32_t* lanes, Exit* at) const {
    const WalkTree tree = trees[first + t];
    const Node* const root = nodes + tree.node;
    const std::uint32_t* const set = sets + tree.set;
    PYGBT_UNROLL
    for (int r = 0; r < kRows; ++r) at[r] = root[0];
    for (bool on_the_way = true; on_the_way;) {
      on_the_way = false;
      PYGBT_UNROLL
      for (int r = 0; r < kRows; ++r) {
        if (is_leaf(at[r])) continue;
        at[r] = next(at[r], root, set, tile.codes, lanes[r]);
        on_the_way = true;
      }
    }
  }

  PYGBT_KERNEL float value(const Tile<Code>&, const WalkTree*, std::int32_t, std::int32_t, Exit exit) const {
    float value;
    std::memcpy(&value, &exit.next, sizeof value);
    return value;
  }
  PYGBT_KERNEL std::int32_t leaf(std::int32_t, std::int32_t, Exit exit) const {
    return static_cast<std::int32_t>(exit.test & ~Node::kLeaf);
  }
};

// No codes: values from the table, whatever its size.
struct RawPath {
  using Code = void;
  using Exit = std::int32_t;

  const WalkNode* nodes;
  const std::int32_t* leaves;
  const CategorySet* sets;
  const std::uint32_t* words;
  const WalkTree* trees;
  const WalkFeature* features;
  const float* leaf_values;

  PYGBT_KERNEL std::int32_t n_at_once() const { return 1 << 30; }
  template <class Any>
  PYGBT_KERNEL void stage(const Any&, std::int32_t, std::int32_t, bool) const {}

  template <int kRows, class Any>
  PYGBT_KERNEL void walk(const Any&, const Rows& rows, const std::int64_t* mine, std::int32_t first, std::int32_t t,
                         const std::uint32_t*, Exit* at) const {
    const WalkTree tree = trees[first + t];
    for (int r = 0; r < kRows; ++r) {
      std::int32_t i = 0;
      for (;;) {
        const WalkNode node = nodes[tree.node + i];
        if (node.left == i) break;
        const std::uint32_t f = node.test & WalkNode::kFeature;
        const double value = value_at(rows, rows.columns[f], features[f], mine[r]);
        i = node.left + (goes_right<true, true>(node, value, sets + tree.set, words + tree.word) ? 1 : 0);
      }
      at[r] = leaves[tree.node + i];
    }
  }

  template <class Any>
  PYGBT_KERNEL float value(const Any&, const WalkTree* all, std::int32_t first, std::int32_t t, Exit exit) const {
    return leaf_values[all[first + t].value + exit];
  }
  PYGBT_KERNEL std::int32_t leaf(std::int32_t, std::int32_t, Exit exit) const { return exit; }
};

}  // namespace pygbt::device
