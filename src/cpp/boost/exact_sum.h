// SPDX-License-Identifier: Apache-2.0
// Exact sums of weight * double: an integer wide enough for every double, so any order, any split over threads or
// workers, and weight 2 against the row twice give the same bits. Called by base scores and metrics.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/pool.h"
#include "comm/communicator.h"
#include "math/exact_piece.h"

namespace pygbt {

class ExactSum {
 public:
  ExactSum() = default;
  explicit ExactSum(const ExactLimbs& sum) : sum_(sum) { carry(); }

  // Adds weight * value exactly; weight < 2^32. A value that is not finite makes the sum NaN, unless weight is 0.
  void add(double value, std::uint64_t weight) {
    if (weight == 0) return;
    const ExactPiece piece = exact_piece(value, weight);
    if (!piece.finite) {
      ++sum_.not_finite;
      return;
    }
    std::int64_t* const limb = sum_.limbs.data() + piece.limb;
    for (int i = 0; i < 4; ++i) limb[i] += piece.parts[i];
    if (++pending_ == kMostPending) carry();
  }

  ExactSum& operator+=(const ExactSum& other);
  void allreduce(Communicator& comm);  // adds the sums of all workers

  // The sum rounded once to nearest even; NaN if a value was not finite.
  double value() const;
  const ExactLimbs& limbs() const { return sum_; }

 private:
  static constexpr std::int32_t kMostPending = 1 << 29;  // additions before limbs could overflow
  void carry();  // to limbs in [0, 2^32), the last one signed: one representation a value

  ExactLimbs sum_;
  std::int32_t pending_ = 0;
};

// Sums of f(begin, end, sums) over ranges of rows: each thread owns `width` sums, which are added up over threads and
// workers.
template <class F>
std::vector<ExactSum> exact_sums_of_ranges(std::int64_t n_rows, std::int32_t width, Communicator& comm, int n_threads,
                                           F&& f) {
  constexpr std::int64_t kAdditions = 8192;  // of a task at least
  const int threads = resolve_threads(n_threads);
  const auto n_sums = static_cast<std::size_t>(width);
  std::vector<ExactSum> parts(static_cast<std::size_t>(threads) * n_sums);
  const std::int64_t grain = kAdditions / std::clamp<std::int64_t>(width, 1, kAdditions);
  parallel_ranges(threads, n_rows, grain, [&](std::int64_t begin, std::int64_t end, int worker) {
    f(begin, end, parts.data() + static_cast<std::size_t>(worker) * n_sums);
  });
  for (std::size_t i = n_sums; i < parts.size(); ++i) parts[i % n_sums] += parts[i];
  parts.resize(n_sums);
  for (ExactSum& sum : parts) sum.allreduce(comm);
  return parts;
}

// The same of f(row, sums).
template <class F>
std::vector<ExactSum> exact_sums(std::int64_t n_rows, std::int32_t width, Communicator& comm, int n_threads, F&& f) {
  return exact_sums_of_ranges(n_rows, width, comm, n_threads,
                              [&](std::int64_t begin, std::int64_t end, ExactSum* sums) {
                                for (std::int64_t row = begin; row < end; ++row) f(row, sums);
                              });
}

}  // namespace pygbt
