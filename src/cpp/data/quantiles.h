// SPDX-License-Identifier: Apache-2.0
// Which ranks become bin edges. A pure function of the multiset of (value, weight): the plan asks for the values at
// some ranks of the cumulative weight, is told them, and may ask again. Called by edges.cc, which finds the values.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pygbt {

// A distinct value (by its key) and the weight of the values below it and of itself.
struct Mass {
  std::uint64_t key = 0;
  std::int64_t before = 0;
  std::int64_t weight = 0;
};

// Spreads `bins` bins over a column of total weight W. First the values at ranks ceil(j W / bins), j = 1 .. bins, are
// upper ends of bins. A value that takes two or more of these ranks is heavy: bins would be lost to it. Heavy values
// get a bin of their own, and the remaining bins are spread over the light stretches between them, each in proportion
// to its weight; again until no new value is heavy (or after kMaxRounds). Never more than `bins` bins.
class QuantilePlan {
 public:
  static constexpr int kMaxRounds = 8;

  // total > 0; bins >= 1.
  QuantilePlan(std::int64_t total, std::int32_t bins);

  // Ascending ranks in 1 .. W: the wanted value of rank t is the smallest v with weight(values <= v) >= t.
  std::span<const std::int64_t> ranks() const { return ranks_; }

  // Takes the value of every rank; true if there are new ranks to look up.
  bool advance(std::span<const Mass> found);

  // Keys of the edges, ascending: the upper ends of all bins but the last one.
  std::vector<std::uint64_t> edges() const;

 private:
  // Values whose cumulative weights lie in (lo, hi], none of them heavy.
  struct Stretch {
    std::int64_t lo = 0;
    std::int64_t hi = 0;
    std::int64_t bins = 0;
  };

  void share_out();

  std::int64_t total_;
  std::int64_t bins_;
  int round_ = 1;
  std::vector<Stretch> stretches_;
  std::vector<std::uint64_t> heavy_;
  std::vector<std::uint64_t> ends_;  // upper ends of the light bins found in the last round
  std::uint64_t largest_ = 0;
  std::vector<std::int64_t> ranks_;
};

}  // namespace pygbt
