// SPDX-License-Identifier: Apache-2.0
// What a cut is judged by. A criterion holds the sums of both sides of a cut while cases, or cells of cases, move from
// the right to the left; its score is computed from these integers alone, so any order of cases gives the same.
//
// A cell is `width` integers that add up: [0] is the weight, the rest are the criterion's.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.h"

namespace pygbt {

// Sums of two sides. kCells: cells may stand for their cases.
template <class OneCase>
struct TwoSides {
  using Case = OneCase;
  static constexpr bool kCells = true;

  std::int32_t width = 1;
  std::vector<std::int64_t> left, right;  // [width]

  void start_sides(const std::int64_t* total) {
    const auto n = static_cast<std::size_t>(width);
    if (left.size() != n) {
      left.resize(n);
      right.resize(n);
    }
    for (std::size_t i = 0; i < left.size(); ++i) {
      left[i] = 0;
      right[i] = total[i];
    }
  }
  void add_cell(const std::int64_t* cell) {
    for (std::size_t i = 0; i < left.size(); ++i) {
      left[i] += cell[i];
      right[i] -= cell[i];
    }
  }
  void remove_cell(const std::int64_t* cell) {
    for (std::size_t i = 0; i < left.size(); ++i) {
      left[i] -= cell[i];
      right[i] += cell[i];
    }
  }
  // Whether both sides have the same mean of every sum, so that the cut gains nothing; `score` may say 1e-16.
  bool alike() const {
    for (std::size_t i = 1; i < left.size(); ++i)
      if (Int128{left[i]} * right[0] != Int128{right[i]} * left[0]) return false;
    return true;
  }
  // Whether both sides are known to be pure, and all such cuts to score exactly the same.
  bool perfect() const { return false; }
  std::int64_t left_weight() const { return left[0]; }
  std::int64_t right_weight() const { return right[0]; }
  bool reads_rows() const { return false; }  // whether it looks up the row of a case
  // Called once a cell that has been counted; classes sum up their weight only here.
  void finish_cell(std::int64_t*) const {}
};

}  // namespace pygbt
