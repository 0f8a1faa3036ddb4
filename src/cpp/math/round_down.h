// SPDX-License-Identifier: Apache-2.0
// Thresholds for float32 values.
#pragma once

#include <cmath>
#include <limits>

namespace pygbt {

// Largest float32 that is no larger: for every float32 x, x > threshold <=> x > round_down(threshold).
inline float round_down(double threshold) {
  const auto rounded = static_cast<float>(threshold);
  return static_cast<double>(rounded) > threshold ? std::nextafter(rounded, -std::numeric_limits<float>::infinity())
                                                  : rounded;
}

}  // namespace pygbt
