// SPDX-License-Identifier: Apache-2.0
#include "data/weights.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <mutex>
#include <string>

#include "base/error.h"
#include "base/pool.h"

namespace pygbt {
namespace {

constexpr std::int64_t kGrain = 1 << 16;  // weights worth a task
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

bool good(double weight) { return weight >= 0.0 && std::isfinite(weight); }

// What is to be known of all weights.
struct Range {
  std::int64_t bad = 0;
  double largest = 0.0;
  int exact = 0;  // fractional bits that hold every weight exactly
};

// Calls body(begin, end, own) for parts of the weights and adds up what they make of `own`, each in its turn.
template <class Own, class Body, class Add>
void over_parts(std::size_t n, int n_threads, const Body& body, const Add& add) {
  std::mutex mutex;
  parallel_ranges(resolve_threads(n_threads), static_cast<std::int64_t>(n), kGrain,
                  [&](std::int64_t begin, std::int64_t end, int) {
                    Own own{};
                    body(static_cast<std::size_t>(begin), static_cast<std::size_t>(end), own);
                    const std::lock_guard lock(mutex);
                    add(own);
                  });
}

Range check(std::span<const double> weights, int n_threads) {
  Range range;
  over_parts<Range>(
      weights.size(), n_threads,
      [&](std::size_t begin, std::size_t end, Range& own) {
        for (std::size_t i = begin; i < end; ++i) {
          if (!good(weights[i])) {
            ++own.bad;
          } else if (weights[i] > 0.0) {
            own.largest = std::max(own.largest, weights[i]);
            own.exact = std::max(own.exact, fraction_bits(weights[i]));
          }
        }
      },
      [&](const Range& own) {
        range.bad += own.bad;
        range.largest = std::max(range.largest, own.largest);
        range.exact = std::max(range.exact, own.exact);
      });
  if (range.bad > 0) {
    const auto first = std::find_if_not(weights.begin(), weights.end(), good) - weights.begin();
    throw InvalidArgument("weight: " + std::to_string(range.bad) +
                          " value(s) are negative, NaN or infinite, the first in row " + std::to_string(first) +
                          "; weights must be finite and >= 0");
  }
  require(range.largest > 0.0, "weight: all weights are zero; at least one row must have a positive weight");
  require(range.largest <= kMostWeight && range.largest >= 1.0 / kMostWeight,
          "weight: the largest must lie between 1e-30 and 1e30; divide all weights by a constant");
  return range;
}

// Sum of the weights in units of 2^-shift, each rounded to nearest, positive ones to at least 1.
std::uint64_t fix(std::span<const double> weights, int shift, int n_threads, std::vector<std::uint32_t>& out) {
  std::uint64_t total = 0;
  const double scale = std::ldexp(1.0, shift);
  over_parts<std::uint64_t>(
      weights.size(), n_threads,
      [&](std::size_t begin, std::size_t end, std::uint64_t& own) {
        for (std::size_t i = begin; i < end; ++i) {
          const auto value = static_cast<std::uint32_t>(std::nearbyint(weights[i] * scale));
          out[i] = weights[i] > 0.0 ? std::max(value, 1u) : 0u;
          own += out[i];
        }
      },
      [&](std::uint64_t own) { total += own; });
  return total;
}

}  // namespace

FixedWeights fix_weights(std::span<const double> weights, int n_threads) {
  const Range range = check(weights, n_threads);
  int exponent = 0;
  std::frexp(range.largest, &exponent);  // largest < 2^exponent
  int shift = std::min({range.exact, kValueBits - exponent, kMostShift});
  FixedWeights fixed;
  fixed.values.resize(weights.size());
  fixed.total = fix(weights, shift, n_threads, fixed.values);
  while (fixed.total >= std::uint64_t{1} << kTotalBits) {
    shift -= std::max(1, static_cast<int>(std::bit_width(fixed.total)) - kTotalBits);
    fixed.total = fix(weights, shift, n_threads, fixed.values);
  }
  fixed.unit = std::ldexp(1.0, -shift);
  return fixed;
}

}  // namespace pygbt
