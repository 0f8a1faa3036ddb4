// SPDX-License-Identifier: Apache-2.0
#include "data/weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "base/error.h"

namespace pygbt {
namespace {

constexpr int kValueBits = 24;
constexpr int kTotalBits = 46;
constexpr int kMostShift = 1022;  // 2^-1022 is the smallest normal unit
constexpr double kMostWeight = 1e30;  // the largest weight lies in [1 / kMostWeight, kMostWeight]: squares stay finite

// Fractional binary digits that a positive finite weight needs.
int fraction_bits(double weight) {
  int exponent = 0;
  const double mantissa = std::frexp(weight, &exponent);  // [0.5, 1)
  const auto digits = static_cast<std::uint64_t>(std::ldexp(mantissa, 53));
  return std::max(0, 53 - std::countr_zero(digits) - exponent);
}

void check(std::span<const double> weights) {
  std::size_t bad = 0;
  std::size_t first = 0;
  bool any = false;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const bool good = weights[i] >= 0.0 && std::isfinite(weights[i]);
    if (!good && bad++ == 0) first = i;
    any = any || weights[i] > 0.0;
  }
  if (bad > 0) {
    throw InvalidArgument("weight: " + std::to_string(bad) +
                          " value(s) are negative, NaN or infinite, the first in row " + std::to_string(first) +
                          "; weights must be finite and >= 0");
  }
  require(any, "weight: all weights are zero; at least one row must have a positive weight");
  const double largest = *std::max_element(weights.begin(), weights.end());
  require(largest <= kMostWeight && largest >= 1.0 / kMostWeight,
          "weight: the largest must lie between 1e-30 and 1e30; divide all weights by a constant");
}

// Sum of the weights in units of 2^-shift, each rounded to nearest, positive ones to at least 1.
std::uint64_t fix(std::span<const double> weights, int shift, std::vector<std::uint32_t>& out) {
  std::uint64_t total = 0;
  const double scale = std::ldexp(1.0, shift);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto value = static_cast<std::uint32_t>(std::nearbyint(weights[i] * scale));
    out[i] = weights[i] > 0.0 ? std::max(value, 1u) : 0u;
    total += out[i];
  }
  return total;
}

}  // namespace

FixedWeights fix_weights(std::span<const double> weights) {
  check(weights);
  double largest = 0.0;
  int exact = 0;  // fractional bits that hold every weight exactly
  for (const double weight : weights) {
    if (weight <= 0.0) continue;
    largest = std::max(largest, weight);
    exact = std::max(exact, fraction_bits(weight));
  }
  int exponent = 0;
  std::frexp(largest, &exponent);  // largest < 2^exponent
  int shift = std::min({exact, kValueBits - exponent, kMostShift});
  FixedWeights fixed;
  fixed.values.resize(weights.size());
  fixed.total = fix(weights, shift, fixed.values);
  while (fixed.total >= std::uint64_t{1} << kTotalBits) {
    shift -= std::max(1, static_cast<int>(std::bit_width(fixed.total)) - kTotalBits);
    fixed.total = fix(weights, shift, fixed.values);
  }
  fixed.unit = std::ldexp(1.0, -shift);
  return fixed;
}

}  // namespace pygbt
