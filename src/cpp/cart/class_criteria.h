// SPDX-License-Identifier: Apache-2.0
// Criteria of classification: Gini by integers alone, and Gini, entropy and twoing with a factor a class.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "cart/cart_options.h"
#include "cart/cases.h"
#include "cart/level_order.h"
#include "cart/scanner.h"
#include "cart/two_sides.h"
#include "decision/response.h"
#include "math/impurity.h"

namespace pygbt {

// Cells of classes: [0] weight, [1 + k] weight of class k.
struct ClassSides : TwoSides<ClassCase> {
  explicit ClassSides(const Response& response) { width = 1 + response.n_classes; }

  void count(std::int64_t* cell, const Case& one) const { cell[1 + one.label] += one.weight; }
  void finish_cell(std::int64_t* cell) const {
    std::int64_t sum = 0;
    for (std::int32_t k = 1; k < width; ++k) sum += cell[k];
    cell[0] = sum;
  }
  // One class's share orders levels exactly where there are two.
  std::vector<LevelOrder> level_orders() const {
    if (width <= 3) return {{width - 1, 0}};
    std::vector<LevelOrder> orders;
    for (std::int32_t k = 1; k < width; ++k) orders.push_back({k, 0});
    return orders;
  }
  bool order_is_exact() const { return width <= 3; }
  // Mean class number.
  Ratio mean(const std::int64_t* cell) const {
    Ratio mean{0, cell[0]};
    for (std::int32_t k = 1; k < width; ++k) mean.above += Int128{cell[k]} * (k - 1);
    return mean;
  }
};

// Gini without priors, for total weights below 2^31: sums of squares stay integers, and a case costs two updates.
class GiniCounts : public ClassSides {
 public:
  GiniCounts(const Response& response, const CartOptions&) : ClassSides(response) {}

  void start(std::span<const Case>, const std::int64_t* total) {
    start_sides(total);
    left_squares_ = 0;
    right_squares_ = 0;
    for (std::size_t k = 1; k < right.size(); ++k) right_squares_ += right[k] * right[k];
  }
  double parent() const { return gini_score(static_cast<double>(right_squares_), static_cast<double>(right[0])); }
  void add(const Case& one) {
    Sums sums = this->sums();
    sums.add(left.data(), right.data(), one);
    take(sums);
  }
  void add_cell(const std::int64_t* cell) { move(cell, 1); }
  void remove_cell(const std::int64_t* cell) { move(cell, -1); }
  CutScore score() const { return sums().score(); }
  bool perfect() const { return sums().perfect(); }

  // Weights and sums of squares of both sides, without the classes.
  struct Sums {
    std::int64_t left, right, left_squares, right_squares;

    void add(std::int64_t* left_cell, std::int64_t* right_cell, const Case& one) {
      const std::int64_t w = one.weight;
      std::int64_t& l = left_cell[1 + one.label];
      std::int64_t& r = right_cell[1 + one.label];
      left_squares += w * (2 * l + w);
      right_squares += w * (w - 2 * r);
      l += w;
      r -= w;
      left += w;
      right -= w;
    }
    bool perfect() const {
      constexpr std::int64_t kExact = 1 << 16;  // weights whose scores are not rounded
      return left + right < kExact && left_squares == left * left && right_squares == right * right;
    }
    CutScore score() const {
      return gini_cut_score(static_cast<double>(left_squares), static_cast<double>(left),
                            static_cast<double>(right_squares), static_cast<double>(right));
    }
  };
  Sums sums() const { return {left[0], right[0], left_squares_, right_squares_}; }
  void take(const Sums& sums) {
    left[0] = sums.left;
    right[0] = sums.right;
    left_squares_ = sums.left_squares;
    right_squares_ = sums.right_squares;
  }

 private:
  void move(const std::int64_t* cell, std::int64_t sign) {
    left[0] += sign * cell[0];
    right[0] -= sign * cell[0];
    for (std::size_t k = 1; k < left.size(); ++k) {
      const std::int64_t w = sign * cell[k];
      left_squares_ += w * (2 * left[k] + w);
      right_squares_ += w * (w - 2 * right[k]);
      left[k] += w;
      right[k] -= w;
    }
  }

  std::int64_t left_squares_ = 0, right_squares_ = 0;
};

template <>
struct Scanner<GiniCounts> {
  GiniCounts& of;
  std::int64_t* left;
  std::int64_t* right;
  GiniCounts::Sums sums;

  explicit Scanner(GiniCounts& criterion)
      : of(criterion), left(criterion.left.data()), right(criterion.right.data()), sums(criterion.sums()) {}
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;
  ~Scanner() { of.take(sums); }
  bool cheap() const { return true; }
  void add(const ClassCase& one) { sums.add(left, right, one); }
  CutScore score() const { return sums.score(); }
  bool perfect() const { return sums.perfect(); }
  bool alike() const {
    of.take(sums);
    return of.alike();
  }
  std::int64_t left_weight() const { return sums.left; }
  std::int64_t right_weight() const { return sums.right; }
};

// Computed from the cells: nothing moves.
template <>
struct OneCut<GiniCounts> {
  std::int32_t width;
  const std::int64_t* low;
  const std::int64_t* total;
  GiniCounts::Sums sums;

  OneCut(GiniCounts& criterion, std::span<const ClassCase>, const std::int64_t* low_cell, const std::int64_t* both)
      : width(criterion.width), low(low_cell), total(both), sums{low[0], total[0] - low[0], 0, 0} {
    for (std::int32_t k = 1; k < width; ++k) {
      const std::int64_t l = low[k], r = total[k] - l;
      sums.left_squares += l * l;
      sums.right_squares += r * r;
    }
  }
  CutScore score() const { return sums.score(); }
  bool perfect() const { return sums.perfect(); }
  bool alike() const {
    for (std::int32_t k = 1; k < width; ++k)
      if (Int128{low[k]} * sums.right != Int128{total[k] - low[k]} * sums.left) return false;
    return true;
  }
  std::int64_t left_weight() const { return sums.left; }
  std::int64_t right_weight() const { return sums.right; }
};

// Any criterion of classes, each class times a factor (altered priors).
template <CartCriterion kCriterion>
class ClassFactors : public ClassSides {
 public:
  ClassFactors(const Response& response, const CartOptions& options)
      : ClassSides(response), factor_(options.split_factor) {
    factor_.resize(static_cast<std::size_t>(response.n_classes), 1.0);
  }

  void start(std::span<const Case>, const std::int64_t* total) { start_sides(total); }
  double parent() const { return kCriterion == CartCriterion::kTwoing ? 0.0 : side(right); }
  void add(const Case& one) {
    const auto k = static_cast<std::size_t>(1 + one.label);
    left[k] += one.weight;
    right[k] -= one.weight;
    left[0] += one.weight;
    right[0] -= one.weight;
  }
  bool alike() const {  // in the classes that have a factor
    std::int64_t l = 0, r = 0;
    for (std::size_t k = 0; k < factor_.size(); ++k) {
      if (!(factor_[k] > 0.0)) continue;
      l += left[1 + k];
      r += right[1 + k];
    }
    for (std::size_t k = 0; k < factor_.size(); ++k)
      if (factor_[k] > 0.0 && Int128{left[1 + k]} * r != Int128{right[1 + k]} * l) return false;
    return true;
  }
  CutScore score() const {
    if constexpr (kCriterion != CartCriterion::kTwoing) return {side(left) + side(right), 1.0};
    const double l = sum(left), r = sum(right);
    if (!(l > 0.0 && r > 0.0)) return {0.0, 1.0};
    double differences = 0.0;
    for (std::size_t k = 0; k < factor_.size(); ++k)
      differences += std::abs(weighted(left, k) / l - weighted(right, k) / r);
    return {twoing_score(l, r, differences), 1.0};
  }

 private:
  double weighted(const std::vector<std::int64_t>& of, std::size_t k) const {
    return factor_[k] * static_cast<double>(of[1 + k]);
  }
  double sum(const std::vector<std::int64_t>& of) const {
    double all = 0.0;
    for (std::size_t k = 0; k < factor_.size(); ++k) all += weighted(of, k);
    return all;
  }
  double side(const std::vector<std::int64_t>& of) const {
    double all = 0.0, terms = 0.0;
    for (std::size_t k = 0; k < factor_.size(); ++k) {
      const double x = weighted(of, k);
      all += x;
      terms += kCriterion == CartCriterion::kGini ? x * x : x_log_x(x);
    }
    return kCriterion == CartCriterion::kGini ? gini_score(terms, all) : entropy_score(terms, all);
  }

  std::vector<double> factor_;  // [class]
};

}  // namespace pygbt
