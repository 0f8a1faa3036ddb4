// SPDX-License-Identifier: Apache-2.0
// Criteria of the classical trees, as scores of the two sides of a cut: the larger the sum, the better; what the whole
// node scores as one side is subtracted to give the improvement. Breiman, Friedman, Olshen, Stone, Classification and
// Regression Trees, 1984. Sums come as doubles made from exact integers.
#pragma once

#include "base/host_device.h"
#include "math/explog.h"

namespace pygbt {

// x ln x, 0 at 0.
PYGBT_HD double x_log_x(double x) { return x > 0.0 ? x * log_f64(x) : 0.0; }

// A side's part of minus the Gini impurity, times its weight, less a constant: sum of squares over sum.
PYGBT_HD double gini_score(double sum_of_squares, double sum) { return sum > 0.0 ? sum_of_squares / sum : 0.0; }

// A score as a quotient, so that most cuts can be told worse without a division.
template <class Real>
struct CutScoreOf {
  Real above, below;  // below > 0
};
using CutScore = CutScoreOf<double>;

// Both sides of a cut at once: S_L / W_L + S_R / W_R. Products below 2^53 are exact. Real: double, or a vector of cuts.
template <class Real>
PYGBT_HD CutScoreOf<Real> gini_cut_score(Real left_squares, Real left, Real right_squares, Real right) {
  return {left_squares * right + right_squares * left, left * right};
}

// The same of entropy (natural logarithm): sum of x ln x, less X ln X.
PYGBT_HD double entropy_score(double sum_x_log_x, double sum) { return sum_x_log_x - x_log_x(sum); }

// Twoing: W (P_L P_R / 4) (sum of |p(k|L) - p(k|R)|)^2 with P the sides' shares of the node.
PYGBT_HD double twoing_score(double left, double right, double sum_of_differences) {
  const double all = left + right;
  return all > 0.0 ? left * right / all * 0.25 * (sum_of_differences * sum_of_differences) : 0.0;
}

// Squared error: a side's explained sum of squares about the node's centre.
PYGBT_HD double mean_score(double sum, double weight) { return weight > 0.0 ? sum * sum / weight : 0.0; }

// Both sides of a cut at once.
template <class Real>
PYGBT_HD CutScoreOf<Real> mean_cut_score(Real left_sum, Real left, Real right_sum, Real right) {
  return {left_sum * left_sum * right + right_sum * right_sum * left, left * right};
}

// Half a Poisson deviance explained: d ln(d / t) of `d` events in time `t`.
PYGBT_HD double poisson_score(double events, double time) {
  return events > 0.0 && time > 0.0 ? events * log_f64(events / time) : 0.0;
}

}  // namespace pygbt
