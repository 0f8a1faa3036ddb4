// SPDX-License-Identifier: Apache-2.0
// A stand-in for the gain of a cut that needs one division, or none to compare two cuts, and is exact enough to say
// which few cuts the exact formula (cut_search.h) has to judge.
//
// Width 1, no L1, no bounds. In integers, with l = lambda / h_unit, P = HL + l, Q = HR + l and S = P + Q = H + 2 l,
//
//   GL^2 / P + GR^2 / Q  =  G^2 / S + S e^2 / (P Q),     e = GL - (G / S) P,
//
// so cuts of one node are ordered by e^2 / (P Q). Error, with u = 2^-53, C = GL^2 / P + GR^2 / Q and k = S / min(P, Q):
// e is off by at most 12 u (|GL| + |G / S| P), whose square times S / (P Q) is at most 576 u^2 k C; Q is off by 7 u k Q.
// Together S e^2 / (P Q) is off by less than 64 u k C; the exact formula, itself rounded, by 11 u C. A cut that lies
// 256 u k C below another is therefore worth less by the exact formula too.
#pragma once

#include "base/host_device.h"
#include "base/types.h"
#include "math/gain.h"

namespace pygbt {

struct QuickGain {
  double lambda = 0.0;  // l
  double total = 0.0;  // S
  double slope = 0.0;  // G / S
  double margin = 0.0;  // 256 u k

  // Score = numerator / denominator. Real: double, or a vector of them.
  template <class Real>
  PYGBT_HD Real numerator(Real g, Real h) const {
    const Real e = g - slope * (h + lambda);
    return e * e;
  }
  template <class Real>
  PYGBT_HD Real denominator(Real h) const {
    const Real p = h + lambda;
    return p * (total - p);
  }
  // Least score of a cut that may be worth as much as one of this score: C / S = score + (G / S)^2.
  PYGBT_HD double least_rival(double score) const { return score - margin * (score + slope * slope); }
};

// Most S / min(P, Q) for which the margin is worth having, and range of units in which nothing over- or underflows.
inline constexpr double kMostQuickRatio = 16777216.0;
inline constexpr double kMostQuickUnit = 0x1p250;

// The stand-in for one node, whose children have at least `min_child_weight`; false where it would not be safe.
PYGBT_HD bool quick_gain(const Cell& sums, double g_unit, double h_unit, const LeafRule& rule, double min_child_weight,
                         QuickGain& out) {
  const auto in_range = [](double x) { return x <= kMostQuickUnit && x * kMostQuickUnit >= 1.0; };
  if (rule.alpha != 0.0 || rule.max_step != 0.0 || !(rule.lambda >= 0.0) || rule.lambda > kMostQuickUnit) return false;
  if (!in_range(g_unit) || !in_range(h_unit) || !in_range(rule.lambda / h_unit + 1.0)) return false;
  out.lambda = rule.lambda / h_unit;
  out.total = static_cast<double>(sums.h) + 2.0 * out.lambda;
  const double least = (rule.lambda + (min_child_weight > 0.0 ? min_child_weight : 0.0)) / h_unit;
  if (!(out.total <= kMostQuickRatio * least)) return false;  // no least: both 0
  if (!(out.total > 0.0)) return false;
  out.slope = static_cast<double>(sums.g) / out.total;
  out.margin = 0x1p-45 * (out.total / least);
  return true;
}

}  // namespace pygbt
