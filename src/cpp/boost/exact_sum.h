// SPDX-License-Identifier: Apache-2.0
// Exact sums of weight * double: an integer wide enough for every double, so any order, any split over threads or
// workers, and weight 2 against the row twice give the same bits. Called by base scores and metrics.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "base/pool.h"
#include "base/types.h"
#include "comm/communicator.h"

namespace pygbt {

class ExactSum {
 public:
  // Adds weight * value exactly; weight < 2^32. A value that is not finite makes the sum NaN, unless weight is 0.
  void add(double value, std::uint64_t weight) {
    const auto bits = std::bit_cast<std::uint64_t>(value);
    const auto exponent = static_cast<std::int32_t>((bits >> 52) & 0x7ff);
    if (weight == 0) return;
    if (exponent == 0x7ff) {
      ++not_finite_;
      return;
    }
    const std::uint64_t fraction = bits & 0xfffffffffffffu;
    const std::uint64_t mantissa = exponent == 0 ? fraction : fraction | 0x10000000000000u;
    const std::int32_t place = exponent == 0 ? 0 : exponent - 1;  // value = mantissa * 2^(place - 1074)
    const UInt128 product = (static_cast<UInt128>(mantissa) * weight) << (place & 31);  // < 2^116
    const std::int64_t sign = (bits >> 63) != 0 ? -1 : 1;
    std::int64_t* limb = limbs_.data() + (place >> 5);
    limb[0] += sign * static_cast<std::int64_t>(static_cast<std::uint32_t>(product));
    limb[1] += sign * static_cast<std::int64_t>(static_cast<std::uint32_t>(product >> 32));
    limb[2] += sign * static_cast<std::int64_t>(static_cast<std::uint32_t>(product >> 64));
    limb[3] += sign * static_cast<std::int64_t>(static_cast<std::uint32_t>(product >> 96));
    if (++pending_ == kMostPending) carry();
  }

  ExactSum& operator+=(const ExactSum& other);
  void allreduce(Communicator& comm);  // adds the sums of all workers

  // The sum rounded once to nearest even; NaN if a value was not finite.
  double value() const;

 private:
  static constexpr std::int32_t kLimbs = 69;             // 2^-1074 .. 2^1024, and 2^100 of headroom
  static constexpr std::int32_t kMostPending = 1 << 29;  // additions before limbs could overflow
  void carry();  // to limbs in [0, 2^32), the last one signed: one representation a value

  std::array<std::int64_t, kLimbs> limbs_{};  // sum = sum of limbs[i] * 2^(32 i - 1074)
  std::int32_t pending_ = 0;
  std::int64_t not_finite_ = 0;
};

// Sums of f(row, sums) over rows: each thread owns `width` sums, which are added up over threads and workers.
template <class F>
std::vector<ExactSum> exact_sums(std::int64_t n_rows, std::int32_t width, Communicator& comm, int n_threads, F&& f) {
  const int threads = resolve_threads(n_threads);
  const auto n_sums = static_cast<std::size_t>(width);
  std::vector<ExactSum> parts(static_cast<std::size_t>(threads) * n_sums);
  parallel_ranges(threads, n_rows, 8192, [&](std::int64_t begin, std::int64_t end, int worker) {
    ExactSum* sums = parts.data() + static_cast<std::size_t>(worker) * n_sums;
    for (std::int64_t row = begin; row < end; ++row) f(row, sums);
  });
  for (std::size_t i = n_sums; i < parts.size(); ++i) parts[i % n_sums] += parts[i];
  parts.resize(n_sums);
  for (ExactSum& sum : parts) sum.allreduce(comm);
  return parts;
}

}  // namespace pygbt
