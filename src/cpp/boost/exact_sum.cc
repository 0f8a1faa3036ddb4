// SPDX-License-Identifier: Apache-2.0
#include "boost/exact_sum.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pygbt {

void ExactSum::carry() {
  for (std::size_t i = 0; i + 1 < limbs_.size(); ++i) {
    limbs_[i + 1] += limbs_[i] >> 32;
    limbs_[i] &= 0xffffffff;
  }
  pending_ = 0;
}

ExactSum& ExactSum::operator+=(const ExactSum& other) {
  ExactSum right = other;
  right.carry();
  carry();
  for (std::size_t i = 0; i < limbs_.size(); ++i) limbs_[i] += right.limbs_[i];
  carry();
  not_finite_ += right.not_finite_;
  return *this;
}

void ExactSum::allreduce(Communicator& comm) {
  if (comm.size() == 1) return;
  carry();
  std::array<std::int64_t, kLimbs + 1> all{};
  std::copy(limbs_.begin(), limbs_.end(), all.begin());
  all.back() = not_finite_;
  comm.allreduce_sum(all);
  std::copy(all.begin(), all.end() - 1, limbs_.begin());
  not_finite_ = all.back();
  carry();
}

double ExactSum::value() const {
  if (not_finite_ != 0) return std::numeric_limits<double>::quiet_NaN();
  ExactSum sum = *this;
  sum.carry();
  const bool negative = sum.limbs_.back() < 0;
  if (negative) {
    for (auto& limb : sum.limbs_) limb = -limb;
    sum.carry();
  }
  int top = kLimbs - 1;
  while (top > 0 && sum.limbs_[static_cast<std::size_t>(top)] == 0) --top;
  // The three highest limbs hold at least 65 significant bits; what lies below only matters as "not zero".
  const int lowest = std::max(0, top - 2);
  UInt128 head = 0;
  for (int i = top; i >= lowest; --i)
    head = (head << 32) | static_cast<std::uint64_t>(sum.limbs_[static_cast<std::size_t>(i)]);
  for (int i = 0; i < lowest; ++i) head |= sum.limbs_[static_cast<std::size_t>(i)] != 0 ? 1u : 0u;
  const double magnitude = std::ldexp(static_cast<double>(head), 32 * lowest - 1074);
  return negative ? -magnitude : magnitude;
}

}  // namespace pygbt
