// SPDX-License-Identifier: Apache-2.0
// A raw value as the trees compare it, and its rank among thresholds. Shared by the host and devices.
#pragma once

#include <cstdint>

#include "base/host_device.h"

namespace pygbt {

// As the training column held it: float32 unless that was `wide`; + 0.0 turns -0.0 into +0.0.
PYGBT_HD double as_trained(double value, bool wide) {
  return (wide ? value : static_cast<double>(static_cast<float>(value))) + 0.0;
}

// Number of the ascending `sorted` (n of them) below each value: x > sorted[j] <=> rank > j. 0 for NaN.
template <int kValues, class T>
PYGBT_HD void ranks_of(const T* sorted, std::int32_t n, const T* values, std::int32_t* ranks) {
  for (int i = 0; i < kValues; ++i) ranks[i] = 0;
  if (n == 0) return;
  for (; n > 1; n -= n / 2) {
    for (int i = 0; i < kValues; ++i) ranks[i] += sorted[ranks[i] + n / 2 - 1] < values[i] ? n / 2 : 0;
  }
  for (int i = 0; i < kValues; ++i) ranks[i] += sorted[ranks[i]] < values[i] ? 1 : 0;
}

template <class T>
PYGBT_HD std::int32_t rank_of(const T* sorted, std::int32_t n, T value) {
  std::int32_t rank;
  ranks_of<1>(sorted, n, &value, &rank);
  return rank;
}

}  // namespace pygbt
