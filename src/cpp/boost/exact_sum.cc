// SPDX-License-Identifier: Apache-2.0
#include "boost/exact_sum.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace pygbt {

void ExactSum::carry() {
  for (std::size_t i = 0; i + 1 < sum_.limbs.size(); ++i) {
    sum_.limbs[i + 1] += sum_.limbs[i] >> 32;
    sum_.limbs[i] &= 0xffffffff;
  }
  pending_ = 0;
}

ExactSum& ExactSum::operator+=(const ExactSum& other) {
  ExactSum right = other;
  right.carry();
  carry();
  for (std::size_t i = 0; i < sum_.limbs.size(); ++i) sum_.limbs[i] += right.sum_.limbs[i];
  carry();
  sum_.not_finite += right.sum_.not_finite;
  return *this;
}

void ExactSum::allreduce(Communicator& comm) {
  if (comm.size() == 1) return;
  carry();
  std::array<std::int64_t, kExactLimbs + 1> all{};
  std::copy(sum_.limbs.begin(), sum_.limbs.end(), all.begin());
  all.back() = sum_.not_finite;
  comm.allreduce_sum(all);
  std::copy(all.begin(), all.end() - 1, sum_.limbs.begin());
  sum_.not_finite = all.back();
  carry();
}

double ExactSum::value() const {
  if (sum_.not_finite != 0) return std::numeric_limits<double>::quiet_NaN();
  ExactSum sum = *this;
  sum.carry();
  const bool negative = sum.sum_.limbs.back() < 0;
  if (negative) {
    for (auto& limb : sum.sum_.limbs) limb = -limb;
    sum.carry();
  }
  int top = kExactLimbs - 1;
  while (top > 0 && sum.sum_.limbs[static_cast<std::size_t>(top)] == 0) --top;
  // The three highest limbs hold at least 65 significant bits; what lies below only matters as "not zero".
  const int lowest = std::max(0, top - 2);
  UInt128 head = 0;
  for (int i = top; i >= lowest; --i)
    head = (head << 32) | static_cast<std::uint64_t>(sum.sum_.limbs[static_cast<std::size_t>(i)]);
  for (int i = 0; i < lowest; ++i) head |= sum.sum_.limbs[static_cast<std::size_t>(i)] != 0 ? 1u : 0u;
  const double magnitude = std::ldexp(static_cast<double>(head), 32 * lowest - 1074);
  return negative ? -magnitude : magnitude;
}

}  // namespace pygbt
