// SPDX-License-Identifier: Apache-2.0
// What a cut is judged by. A criterion holds the sums of both sides of a cut while cases, or cells of cases, move from
// the right to the left; its score is computed from these integers alone, so any order of cases gives the same.
//
// A cell is `width` integers that add up: [0] is the weight, the rest are the criterion's.
#pragma once

#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "cart/cart_options.h"
#include "cart/cases.h"
#include "cart/level_order.h"
#include "cart/scanner.h"
#include "decision/response.h"
#include "math/impurity.h"

namespace pygbt {

// Sums of two sides. kCells: cells may stand for their cases.
template <class OneCase>
struct TwoSides {
  using Case = OneCase;
  static constexpr bool kCells = true;

  std::int32_t width = 1;
  std::vector<std::int64_t> left, right;  // [width]

  void start_sides(const std::int64_t* total) {
    left.assign(static_cast<std::size_t>(width), 0);
    right.assign(total, total + width);
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
  std::int64_t left_weight() const { return left[0]; }
  std::int64_t right_weight() const { return right[0]; }
  bool reads_rows() const { return false; }  // whether it looks up the row of a case
  // Called once a cell that has been counted; classes sum up their weight only here.
  void finish_cell(std::int64_t*) const {}
};

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
  double score() const { return sums().score(); }

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
    double score() const {
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
  void add(const ClassCase& one) { sums.add(left, right, one); }
  double score() const { return sums.score(); }
  bool alike() const {
    of.take(sums);
    return of.alike();
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
  double score() const {
    if constexpr (kCriterion != CartCriterion::kTwoing) return side(left) + side(right);
    const double l = sum(left), r = sum(right);
    if (!(l > 0.0 && r > 0.0)) return 0.0;
    double differences = 0.0;
    for (std::size_t k = 0; k < factor_.size(); ++k)
      differences += std::abs(weighted(left, k) / l - weighted(right, k) / r);
    return twoing_score(l, r, differences);
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

// Squared error of T targets. Cells: [0] weight, [1 + t] weight x target. Sums are judged about the node's mean, so that
// a large mean costs no digits.
class SquaredSides : public TwoSides<ValueCase> {
 public:
  SquaredSides(const Response& response, const CartOptions&)
      : targets_(response.target.data()), n_targets_(static_cast<std::size_t>(response.n_targets)) {
    width = 1 + response.n_targets;
    centre_.assign(n_targets_, 0);
    for (const double unit : response.target_unit) {
      const double relative = unit / response.target_unit[0];
      scale_.push_back(relative * relative);
    }
  }

  void count(std::int64_t* cell, const Case& one) const {
    const std::int64_t w = one.weight;
    cell[0] += w;
    if (n_targets_ == 1) {
      cell[1] += w * one.y;
      return;
    }
    const std::int64_t* y = targets_ + static_cast<std::size_t>(one.row) * n_targets_;
    for (std::size_t t = 0; t < n_targets_; ++t) cell[1 + t] += w * y[t];
  }
  std::vector<LevelOrder> level_orders() const {
    std::vector<LevelOrder> orders;
    for (std::int32_t t = 1; t < width; ++t) orders.push_back({t, 0});
    return orders;
  }
  bool order_is_exact() const { return n_targets_ == 1; }
  Ratio mean(const std::int64_t* cell) const { return {cell[1], cell[0]}; }
  void start(std::span<const Case>, const std::int64_t* total) {
    start_sides(total);
    for (std::size_t t = 0; t < n_targets_; ++t) centre_[t] = total[0] > 0 ? total[1 + t] / total[0] : 0;
  }
  double parent() const { return side(right); }
  void add(const Case& one) {
    const std::int64_t w = one.weight;
    left[0] += w;
    right[0] -= w;
    if (n_targets_ == 1) {
      left[1] += w * one.y;
      right[1] -= w * one.y;
      return;
    }
    const std::int64_t* y = targets_ + static_cast<std::size_t>(one.row) * n_targets_;
    for (std::size_t t = 0; t < n_targets_; ++t) {
      left[1 + t] += w * y[t];
      right[1 + t] -= w * y[t];
    }
  }
  std::size_t n_targets() const { return n_targets_; }
  bool reads_rows() const { return n_targets_ > 1; }
  std::int64_t centre() const { return centre_[0]; }
  double score() const {
    if (n_targets_ != 1) return side(left) + side(right);
    return mean_cut_score(static_cast<double>(left[1] - centre_[0] * left[0]), static_cast<double>(left[0]),
                          static_cast<double>(right[1] - centre_[0] * right[0]), static_cast<double>(right[0]));
  }

 private:
  double side(const std::vector<std::int64_t>& of) const {
    const auto w = static_cast<double>(of[0]);
    double all = 0.0;
    for (std::size_t t = 0; t < n_targets_; ++t)
      all += scale_[t] * mean_score(static_cast<double>(of[1 + t] - centre_[t] * of[0]), w);
    return all;
  }

  const std::int64_t* targets_;  // [row][target]
  std::size_t n_targets_;
  std::vector<std::int64_t> centre_;  // [target]
  std::vector<double> scale_;         // [target] units of the target, squared, in those of the first
};

// One target: four sums in registers.
template <>
struct Scanner<SquaredSides> {
  SquaredSides& of;
  bool one_target;
  std::int64_t centre, weight, sum;  // of both sides; sums are about the centre
  std::int64_t left = 0, left_sum = 0;

  explicit Scanner(SquaredSides& criterion)
      : of(criterion), one_target(criterion.n_targets() == 1), centre(criterion.centre()) {
    weight = of.left[0] + of.right[0];
    left = of.left[0];
    left_sum = of.left[1] - centre * left;
    sum = left_sum + of.right[1] - centre * of.right[0];
  }
  Scanner(const Scanner&) = delete;
  Scanner& operator=(const Scanner&) = delete;
  ~Scanner() {
    if (!one_target) return;
    const std::int64_t before = of.left[0], moved = left - before;
    const std::int64_t moved_sum = left_sum + centre * left - of.left[1];
    of.left[0] += moved;
    of.right[0] -= moved;
    of.left[1] += moved_sum;
    of.right[1] -= moved_sum;
  }
  void add(const ValueCase& one) {
    if (!one_target) return of.add(one);
    left += one.weight;
    left_sum += std::int64_t{one.weight} * (one.y - centre);
  }
  double score() const {
    if (!one_target) return of.score();
    return mean_cut_score(static_cast<double>(left_sum), static_cast<double>(left), static_cast<double>(sum - left_sum),
                          static_cast<double>(weight - left));
  }
  bool alike() const { return one_target ? Int128{left_sum} * weight == Int128{sum} * left : of.alike(); }
  std::int64_t left_weight() const { return one_target ? left : of.left_weight(); }
  std::int64_t right_weight() const { return one_target ? weight - left : of.right_weight(); }
};

// Poisson: target 0 is the number of events, target 1, if given, the time in which they came, else 1 a row. Cells:
// [0] weight, [1] events, [2] time.
class PoissonSides : public TwoSides<ValueCase> {
 public:
  PoissonSides(const Response& response, const CartOptions&)
      : targets_(response.target.data()), n_targets_(static_cast<std::size_t>(response.n_targets)) {
    width = 3;
    event_unit_ = response.target_unit[0];
    time_unit_ = n_targets_ > 1 ? response.target_unit[1] : 1.0;
  }

  bool reads_rows() const { return n_targets_ > 1; }
  std::int64_t time(const Case& one) const {
    return n_targets_ == 1 ? 1 : targets_[static_cast<std::size_t>(one.row) * n_targets_ + 1];
  }
  void count(std::int64_t* cell, const Case& one) const {
    const std::int64_t w = one.weight;
    cell[0] += w;
    cell[1] += w * one.y;
    cell[2] += w * time(one);
  }
  std::vector<LevelOrder> level_orders() const { return {{1, 2}}; }
  bool order_is_exact() const { return true; }
  Ratio mean(const std::int64_t* cell) const { return {cell[1], cell[2]}; }
  void start(std::span<const Case>, const std::int64_t* total) { start_sides(total); }
  double parent() const { return side(right); }
  bool alike() const { return Int128{left[1]} * right[2] == Int128{right[1]} * left[2]; }
  void add(const Case& one) {
    const std::int64_t w = one.weight, events = w * one.y, t = w * time(one);
    left[0] += w;
    right[0] -= w;
    left[1] += events;
    right[1] -= events;
    left[2] += t;
    right[2] -= t;
  }
  double score() const { return side(left) + side(right); }

 private:
  double side(const std::vector<std::int64_t>& of) const {
    return 2.0 * poisson_score(static_cast<double>(of[1]) * event_unit_, static_cast<double>(of[2]) * time_unit_);
  }

  const std::int64_t* targets_;
  std::size_t n_targets_;
  double event_unit_ = 1.0, time_unit_ = 1.0;
};

}  // namespace pygbt
