// SPDX-License-Identifier: Apache-2.0
// Criteria of regression: squared error about means, and the deviance of counts about rates.
#pragma once

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
  CutScore score() const {
    if (n_targets_ != 1) return {side(left) + side(right), 1.0};
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
  bool cheap() const { return one_target; }
  void add(const ValueCase& one) {
    if (!one_target) return of.add(one);
    left += one.weight;
    left_sum += std::int64_t{one.weight} * (one.y - centre);
  }
  CutScore score() const {
    if (!one_target) return of.score();
    return mean_cut_score(static_cast<double>(left_sum), static_cast<double>(left), static_cast<double>(sum - left_sum),
                          static_cast<double>(weight - left));
  }
  bool perfect() const { return false; }
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
  CutScore score() const { return {side(left) + side(right), 1.0}; }

 private:
  double side(const std::vector<std::int64_t>& of) const {
    return 2.0 * poisson_score(static_cast<double>(of[1]) * event_unit_, static_cast<double>(of[2]) * time_unit_);
  }

  const std::int64_t* targets_;
  std::size_t n_targets_;
  double event_unit_ = 1.0, time_unit_ = 1.0;
};

}  // namespace pygbt
