// SPDX-License-Identifier: Apache-2.0
// Absolute error about the median as a criterion: each side keeps its cases in a Fenwick tree over the ranks of the
// targets, so that its median and the deviation from it cost log n. Sums are exact integers.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"
#include "cart/cart_options.h"
#include "cart/cases.h"
#include "cart/level_order.h"
#include "decision/response.h"
#include "math/impurity.h"

namespace pygbt {

// Weights and weighted values by rank, with prefix sums.
class MedianSums {
 public:
  struct Sums {
    std::int64_t weight = 0, value = 0;
  };

  void reset(std::size_t n_ranks) { tree_.assign(n_ranks + 1, {}); }
  void add(std::size_t rank, std::int64_t weight, std::int64_t value) {
    for (std::size_t i = rank + 1; i < tree_.size(); i += i & -i) {
      tree_[i].weight += weight;
      tree_[i].value += value;
    }
  }
  // Rank of the lower weighted median of total weight `all`, and the sums of the ranks below it.
  std::size_t median(std::int64_t all, Sums& below) const {
    std::size_t at = 0;
    below = {};
    for (std::size_t step = std::bit_floor(tree_.size() - 1); step > 0; step /= 2) {
      if (at + step < tree_.size() && 2 * (below.weight + tree_[at + step].weight) < all) {
        at += step;
        below.weight += tree_[at].weight;
        below.value += tree_[at].value;
      }
    }
    return at;
  }

 private:
  std::vector<Sums> tree_;  // [rank + 1]
};

class AbsoluteSides {
 public:
  using Case = ValueCase;
  static constexpr bool kCells = false;
  std::int32_t width = 2;  // of a cell: [0] weight, [1] weight x target, to order categories by

  AbsoluteSides(const Response&, const CartOptions&) {}

  void count(std::int64_t* cell, const Case& one) const {
    cell[0] += one.weight;
    cell[1] += std::int64_t{one.weight} * one.y;
  }
  bool reads_rows() const { return false; }
  void finish_cell(std::int64_t*) const {}
  std::vector<LevelOrder> level_orders() const { return {{1, 0}}; }
  bool order_is_exact() const { return false; }  // neither that of means nor that of medians
  Ratio mean(const std::int64_t* cell) const { return {cell[1], cell[0]}; }
  // All cases that `total` counts begin on the right.
  void start(std::span<const Case> cases, const std::int64_t*) {
    values_.clear();
    for (const Case& one : cases) values_.push_back(one.y);
    std::sort(values_.begin(), values_.end());
    values_.erase(std::unique(values_.begin(), values_.end()), values_.end());
    for (Side* side : {&left_, &right_}) {
      side->ranks.reset(values_.size());
      side->weight = side->value = 0;
    }
    for (const Case& one : cases) change(right_, rank(one), one, 1);
    parent_ = deviation(right_);
  }
  double parent() const { return -static_cast<double>(parent_); }
  void add(const Case& one) {
    const std::size_t r = rank(one);
    change(right_, r, one, -1);
    change(left_, r, one, 1);
  }
  void remove(const Case& one) {
    const std::size_t r = rank(one);
    change(left_, r, one, -1);
    change(right_, r, one, 1);
  }
  bool alike() const { return deviation(left_) + deviation(right_) == parent_; }  // a median serves both sides
  CutScore score() const { return {-static_cast<double>(deviation(left_) + deviation(right_)), 1.0}; }
  bool perfect() const { return false; }
  std::int64_t left_weight() const { return left_.weight; }
  std::int64_t right_weight() const { return right_.weight; }

 private:
  struct Side {
    MedianSums ranks;
    std::int64_t weight = 0, value = 0;
  };

  std::size_t rank(const Case& one) const {
    return static_cast<std::size_t>(std::lower_bound(values_.begin(), values_.end(), one.y) - values_.begin());
  }
  static void change(Side& side, std::size_t r, const Case& one, std::int64_t sign) {
    const std::int64_t w = sign * one.weight;
    side.ranks.add(r, w, w * one.y);
    side.weight += w;
    side.value += w * one.y;
  }
  // Sum of weight x |y - median|.
  Int128 deviation(const Side& side) const {
    if (side.weight == 0) return 0;
    MedianSums::Sums below;
    const std::int64_t median = values_[side.ranks.median(side.weight, below)];
    // Differences of sums of equal weight: each stays below the largest sum.
    const std::int64_t low = median * below.weight - below.value;
    const std::int64_t high = (side.value - below.value) - median * (side.weight - below.weight);
    return Int128{low} + high;
  }

  std::vector<std::int64_t> values_;  // distinct targets, ascending
  Side left_, right_;
  Int128 parent_ = 0;
};

}  // namespace pygbt
