// SPDX-License-Identifier: Apache-2.0
// What rows weigh in a round of AdaBoost: the sample weight, an integer, times a factor of the row. A row's factor
// follows from its own losses alone and sums are integers, so that weight 3 is the row three times, bit for bit, in any
// order and on any number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"
#include "decision/response.h"

namespace pygbt {

class BoostWeights {
 public:
  // Sample weights in fixed point (data/weights.h); empty: 1 each. All factors are 1.
  BoostWeights(std::span<const double> sample, std::int64_t n_rows, int n_threads);

  // Weighted mean of losses in [0, 1]. The weighted error, where a loss says whether the row is called wrong.
  double mean_loss(std::span<const double> loss) const;

  // Factors times e^(vote x loss), then divided by their weighted mean: the weights keep their sum.
  void update(std::span<const double> loss, double vote);

  // The weights as those of a tree's cases; they sum up to the sample weights. factor [row] of the tree's own (class
  // weights), or empty.
  Response classes(std::span<const std::int32_t> labels, std::int32_t n_classes, std::span<const double> factor) const;
  Response targets(std::span<const double> targets, std::int32_t n_targets) const;

  // Weighted mean of e^x, exact.
  double mean_exponential(std::span<const double> x) const;

  std::vector<double> values() const;  // [row] weights
  std::vector<std::uint32_t> units() const;  // the same in whole units, to draw rows by
  double total() const;  // of the sample weights

 private:
  // Integers: sample weight x factor in units of 2^-shift; each below 2^most_bits, their sum below 2^sum_bits.
  struct Units {
    std::vector<std::uint32_t> weight;
    std::uint64_t total = 0;
    double unit = 1.0;
  };
  Units units(std::span<const double> own_factor, int most_bits, int sum_bits) const;
  // Sum of sample weight x factor x loss (1 without), in units of 2^-shift(largest factor).
  Int128 sum(std::span<const double> loss) const;
  double scale() const;  // 2^shift of sum()

  int n_threads_;
  std::vector<std::uint32_t> sample_;  // [row] in units of sample_unit_; empty: 1 each
  double sample_unit_ = 1.0;
  std::uint64_t sample_total_ = 0;
  std::vector<double> factor_;  // [row] > 0
  double largest_ = 1.0;  // of factor_, of rows that count
};

}  // namespace pygbt
