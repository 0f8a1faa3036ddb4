// SPDX-License-Identifier: Apache-2.0
// The number that lowers the loss of some rows most when it is added to all their margins. Convex losses of one margin
// each; sums are exact, so the answer does not depend on the order of the rows.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "boost/exact_sum.h"
#include "math/losses.h"

namespace pygbt {

struct SearchCell {
  double margin, label;
  std::uint32_t weight;
};

struct WeightedValue {
  double value;
  std::uint32_t weight;
};

inline constexpr double kMostStep = 10.0;  // of a margin, where the loss falls for ever (a leaf of one class)
inline constexpr int kMostSearches = 100;

// Smallest value whose cumulative weight reaches `level` of the whole. Sorts.
double weighted_quantile(std::vector<WeightedValue>& values, double level);
// The same for one half, but the mean of the two in the middle where weights divide evenly.
double weighted_median(std::vector<WeightedValue>& values);

double mean_residual(std::span<const SearchCell> cells);

// Bounds of the step: those losses whose minimum may lie at infinity.
template <class Loss>
constexpr bool kBounded = true;
template <>
inline constexpr bool kBounded<Huber> = false;

// Second derivative where it differs from what the booster divides by.
template <class Loss>
double curvature(const Loss&, double, double, double h) {
  return h;
}
inline double curvature(const Huber& loss, double z, double y, double) {
  return std::abs(z - y) <= static_cast<double>(loss.delta) ? 1.0 : 0.0;
}

// Slope and curvature of the summed loss at `step`.
template <class Loss, bool kTrueCurvature>
GradHessOf<double> slope(const Loss& loss, std::span<const SearchCell> cells, double step) {
  ExactSum g, h;
  for (const SearchCell& cell : cells) {
    const GradHessOf<double> own = loss.gradient(cell.margin + step, cell.label);
    g.add(own.g, cell.weight);
    h.add(kTrueCurvature ? curvature(loss, cell.margin + step, cell.label, own.h) : own.h, cell.weight);
  }
  return {g.value(), h.value()};
}

// One Newton step from `from`, with the curvature of the booster.
template <class Loss>
double newton_step(const Loss& loss, std::span<const SearchCell> cells, double from) {
  const GradHessOf<double> at = slope<Loss, false>(loss, cells, from);
  return at.h > 0.0 ? -at.g / at.h : 0.0;
}

// The minimum: Newton steps, halving the bracket where they leave it or are undefined.
template <class Loss>
double exact_step(const Loss& loss, std::span<const SearchCell> cells, double from) {
  double low = -std::numeric_limits<double>::infinity(), high = -low;
  if constexpr (kBounded<Loss>) {
    low = -kMostStep;
    high = kMostStep;
  } else {  // between the extreme residuals
    low = high = cells[0].label - cells[0].margin;
    for (const SearchCell& cell : cells) {
      low = std::min(low, cell.label - cell.margin);
      high = std::max(high, cell.label - cell.margin);
    }
  }
  double step = std::min(std::max(from, low), high);
  for (int i = 0; i < kMostSearches; ++i) {
    const GradHessOf<double> at = slope<Loss, true>(loss, cells, step);
    if (at.g == 0.0) break;
    (at.g > 0.0 ? high : low) = step;
    double next = at.h > 0.0 ? step - at.g / at.h : low;
    if (!(next > low && next < high)) next = low + (high - low) * 0.5;
    const bool arrived = std::abs(next - step) <= 1e-14 * (1.0 + std::abs(step));
    step = next;
    if (arrived) break;
  }
  return step;
}

}  // namespace pygbt
