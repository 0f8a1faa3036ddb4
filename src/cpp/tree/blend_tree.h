// SPDX-License-Identifier: Apache-2.0
// A tree as straight-line code over a chunk of rows. Splits test small integer codes (a plane = the codes of one
// feature for the rows of the chunk): code >= cut goes right. Bottom up, a split blends the exits of its children:
//
//   exits of the node = codes >= cut ? exits of the right child : exits of the left child
//
// so a vector instruction decides one split for 16 to 64 rows, no row waits for another and nothing branches.
// Exits are numbered from left to right: leaves, or nodes where a row goes on by walking (large trees).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pygbt {

inline constexpr std::int32_t kChunkBytes = 256;  // a plane: 256 rows of one-byte codes, or 128 of two-byte codes
inline constexpr std::int32_t kMostExits = 256;   // of one tree, so that an exit fits in a byte

// A node over codes. A leaf leads to itself: `left` is its own index and no code reaches its cut (see code_leaf).
struct CodeNode {
  std::int32_t left = 0;
  std::uint16_t plane = 0;
  std::uint16_t cut = 0;
};

// Where a vector of exits lies, in units of 64 bytes: a slot (flagged), or a constant that all rows share.
using Operand = std::uint16_t;
inline constexpr Operand kSlotFlag = 1u << 15;

// A perfect subtree of kDepth levels whose leaves are exits `exit`, `exit` + 1, ...: evaluated without leaving the
// registers. Tests level by level from the left.
template <int kDepth>
struct PerfectOp {
  static constexpr int kTests = (1 << kDepth) - 1;
  std::uint16_t plane[kTests], cut[kTests];
  std::uint16_t exit;
  Operand out;
};

struct BlendOp {  // any other split: at least one child is a slot
  std::uint16_t plane, cut;
  Operand left, right, out;
};

struct LevelOp {  // a level of a symmetric tree: rows that go right add `weight` to their exit
  std::uint16_t plane, cut, weight;
};

// What a kernel runs: views of the operations of one tree.
struct BlendProgram {
  const PerfectOp<3>* octets = nullptr;
  const PerfectOp<2>* quartets = nullptr;
  const PerfectOp<1>* pairs = nullptr;
  const BlendOp* blends = nullptr;
  const LevelOp* levels = nullptr;  // instead of all others
  std::int32_t n_octets = 0;
  std::int32_t n_quartets = 0;
  std::int32_t n_pairs = 0;
  std::int32_t n_blends = 0;
  std::int32_t n_levels = 0;
};

// Operations of one or more trees, back to back.
struct BlendCode {
  struct Sizes {
    std::size_t octets = 0, quartets = 0, pairs = 0, blends = 0, levels = 0;
  };

  std::vector<PerfectOp<3>> octets;
  std::vector<PerfectOp<2>> quartets;
  std::vector<PerfectOp<1>> pairs;
  std::vector<BlendOp> blends;
  std::vector<LevelOp> levels;

  Sizes sizes() const { return {octets.size(), quartets.size(), pairs.size(), blends.size(), levels.size()}; }
  BlendProgram program(const Sizes& begin, const Sizes& end) const;
};

// Slots start after the constants 0 .. kMostExits - 1; a slot is one chunk. Slot 0 holds the exits of the tree.
inline constexpr std::int32_t kSlotUnits = kChunkBytes / 64;
inline constexpr std::int32_t kMostSlots = kMostExits / 2;
inline constexpr std::int64_t kExitScratchBytes = (kMostExits + kMostSlots * kSlotUnits) * 64;
inline constexpr std::int64_t kFirstSlotByte = kMostExits * 64;

// Appends the operations of the tree's top to `code`; exits[i] = node of exit i. Nodes that are no split of the top
// are exits: leaves (is_leaf), and where there are more than `most_exits` leaves the deepest splits.
void append_blends(std::span<const CodeNode> nodes, std::int32_t most_exits, BlendCode& code,
                   std::vector<std::int32_t>& exits);

}  // namespace pygbt
