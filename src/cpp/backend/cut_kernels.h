// SPDX-License-Identifier: Apache-2.0
// The cuts of a few columns of one node of a classical tree, by sums of its cases a code: counted, gone through in the
// order of the codes, and judged all at once. A node of few cases costs what its cases cost, whatever codes a column has:
// a bit says which codes occur, and the sums are cleared as they are read. Plain data, for isa/cuts.inc.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/types.h"
#include "cart/case.h"

namespace pygbt {

// Cells of class cuts: [class] 16-bit weights, in parts of so many.
inline constexpr std::int32_t kClassesAPart = 8;
inline constexpr std::int32_t kMostClassParts = 2;
// The largest weight of a node with such cells: squares of two parts' sums fit 32 bits.
inline constexpr std::int64_t kMostClassWeight = (std::int64_t{1} << 15) - 1;

// The sums of a column: a mark for each code that occurs, then a cell for each code. Both are 0 between two nodes. Codes of
// one byte have bytes as marks. Those of two have bits, and before these a byte for each 64 of them.
template <class T>
struct CodeRoom {
  static constexpr std::size_t kCodes = sizeof(T) == 1 ? 1 << 8 : 1 << 12;
  static constexpr std::size_t kMarkBytes = sizeof(T) == 1 ? kCodes : kCodes / 64 + kCodes / 8;

  static constexpr std::size_t bytes(std::size_t cell) { return kMarkBytes + kCodes * cell; }
};

// Columns with codes of one type, at most kMostCodeColumns.
inline constexpr std::int32_t kMostCodeColumns = 8;
struct CodeColumns {
  std::int32_t n = 0;
  const std::uint8_t* codes = nullptr;  // of row 0 in the first column
  std::ptrdiff_t offset[kMostCodeColumns] = {};  // bytes from there to each column
  std::size_t stride = 1;  // bytes from row to row
  std::int32_t n_codes[kMostCodeColumns] = {};  // at most CodeRoom::kCodes
  std::uint8_t* room = nullptr;  // [kMostCodeColumns] CodeRoom::bytes each
};

// Sums of a code of a value column.
struct ValueCell {
  std::int64_t weight, sum;
};

// A cut above each code that occurs in a column, the columns one after the other; that above the last code is none. The
// arrays have room for kCutPadding more, which the kernels clear.
inline constexpr std::int32_t kCutPadding = 8;
struct ClassCut {
  std::int32_t left_squares, right_squares;  // sums over the classes of squared weights
  std::int32_t left;  // weight
  std::int32_t code;  // below the cut
};
struct ValueCuts {
  std::int64_t* left = nullptr;  // weight
  std::int64_t* left_sum = nullptr;  // about the centre
  std::int32_t* code = nullptr;  // below the cut
};

// What a cut is judged by.
struct CutRules {
  std::int64_t weight = 0;  // of the node
  std::int64_t sum = 0;  // of its values, about the centre
  std::int64_t least = 1;  // weight of a side
  double parent = 0.0;  // score of the node
};

struct BestCut {
  std::int32_t at = -1;  // the first of the best; -1: none is allowed
  double improvement = 0.0;
};

// One for codes of one byte, one for two; of classes one per number of parts.
struct CutKernels {
  // Add the cases to the cells of each column and mark their codes.
  void (*count_classes[2][kMostClassParts])(const CodeColumns& columns, const ClassCase* cases, std::int64_t n);
  void (*count_values[2])(const CodeColumns& columns, const ValueCase* cases, std::int64_t n);
  // Turn cells into cuts and clear them; end [column]: cuts up to its last. Return the number of cuts.
  // total: weight of each class of the node, parts filled up with zeros; left [cut][class]: the same below each cut.
  std::int32_t (*class_cuts[2][kMostClassParts])(const CodeColumns& columns, const std::uint16_t* total, ClassCut* cuts,
                                                 std::uint16_t* left, std::int32_t* end);
  std::int32_t (*value_cuts[2])(const CodeColumns& columns, std::int64_t centre, const ValueCuts& cuts,
                                std::int32_t* end);
  // Cells of the joint bits of the mask in the word of each case's row, side by side, at most 8: two copies of
  // [bits][class], 0 between two nodes, to which cases are added in turn. words: [row][n_words].
  void (*count_joint[kMostClassParts])(const std::uint64_t* words, std::size_t n_words, std::uint64_t mask,
                                       std::int32_t n_bits, const ClassCase* cases, std::int64_t n,
                                       std::uint16_t* cells);
  // high [bit][class]: the sums of the cells that have the bit. Clears the cells.
  void (*fold_joint[kMostClassParts])(std::uint16_t* cells, std::int32_t n_bits, std::uint16_t* high);
  // out [n]: the bits of the mask in the word of each case's row, side by side, at most 8. words: [row][n_words]; of
  // ClassCases, of ValueCases.
  void (*joint_bits[2])(const std::uint64_t* words, std::size_t n_words, std::uint64_t mask, const void* cases,
                        std::int64_t n, std::uint8_t* out);
  // The cut that improves most, the first of equal ones.
  BestCut (*best_class_cut)(const ClassCut* cuts, std::int32_t n, const CutRules& rules);
  BestCut (*best_value_cut)(const ValueCuts& cuts, std::int32_t n, const CutRules& rules);
};

}  // namespace pygbt
