// SPDX-License-Identifier: Apache-2.0
// Gradient boosting with any first-order loss (Friedman, Greedy function approximation, 2001): margins in float64, the
// negative gradient that a tree fits by least squares, and the line search in each of its leaves. Sums are exact
// (boost/exact_sum.h): weight 2 is the row twice, and neither the order of rows nor threads change a bit.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "math/losses.h"

namespace pygbt {

// (1 - y) e^z + y e^-z, y in {0, 1}: e^(-s z) of the labels s = -1, +1.
struct ExponentialLoss {
  template <class Real>
  PYGBT_HD GradHessOf<Real> gradient(Real z, Real y) const {
    const Real right = y * exp_of(-z), wrong = (Real(1) - y) * exp_of(z);
    return {wrong - right, wrong + right};
  }
  PYGBT_HD double loss(double z, double y) const { return y * exp_f64(-z) + (1.0 - y) * exp_f64(z); }
};

enum class LineSearch : std::uint8_t {
  kExact,   // the minimum in each leaf
  kNewton,  // one Newton step from 0; medians and quantiles stay exact, huber takes one step from the median
};

class FirstOrder {
 public:
  // loss: "exponential" or the name of an objective with one margin a row; "softmax": n_targets margins, labels are
  // class numbers. level: of quantile; huber: its delta is this quantile of the absolute residuals, anew every round.
  // weights in fixed point (data/weights.h); empty: 1 each.
  FirstOrder(const std::string& loss, std::span<const double> labels, std::int32_t n_targets,
             std::span<const double> weights, double level, int n_threads);

  // The constant margins that fit best; they become the margins of all rows.
  std::vector<double> start();
  // What depends on all margins before a round: huber's delta.
  void begin_round();
  // out [row]: minus the gradient of the loss by the margin of a target.
  void negative_gradient(std::int32_t target, std::span<double> out) const;
  // [n_leaves] what to add to the margins of the rows of each leaf; 0 for leaves without weight. leaf [row].
  std::vector<double> leaf_steps(std::int32_t target, std::span<const std::int32_t> leaf, std::int32_t n_leaves,
                                 LineSearch search) const;
  // Adds rate x step[leaf] to the margins of a target.
  void advance(std::int32_t target, std::span<const std::int32_t> leaf, std::span<const double> step, double rate);

  double mean_loss() const;  // weighted
  std::int64_t n_rows() const { return static_cast<std::int64_t>(label_.size()); }
  std::int32_t n_targets() const { return spec_.n_targets; }
  const std::vector<double>& margins() const { return margin_; }  // [row][n_targets]

 private:
  std::uint32_t weight(std::size_t row) const { return weight_.empty() ? 1u : weight_[row]; }
  // Softmax by one class against the rest is the logistic loss of z_k - log sum of e^z of the others: margin and label
  // that the loss of one cell sees.
  double margin(std::size_t row, std::int32_t target) const;
  double label(std::size_t row, std::int32_t target) const;
  // f(functor) for the loss of one cell.
  template <class F>
  auto visit(F&& f) const;
  bool is(Objective objective) const { return !exponential_ && spec_.objective == objective; }
  double leaf_step(std::int32_t target, std::span<const std::uint32_t> rows, LineSearch search) const;
  double residual_quantile(std::span<const std::uint32_t> rows, double level) const;

  LossSpec spec_;
  bool exponential_ = false;
  double level_ = 0.5;
  int n_threads_;
  std::vector<double> label_;          // [row]
  std::vector<std::uint32_t> weight_;  // [row], or empty
  std::vector<double> margin_;         // [row][n_targets]
};

// Margins [row][n_targets] to what the loss predicts, in place: probabilities of class 1 or of all classes, means.
void margin_values(const std::string& loss, std::span<double> margins, std::int32_t n_targets);

}  // namespace pygbt
