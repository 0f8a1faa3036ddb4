// SPDX-License-Identifier: Apache-2.0
// The losses of AdaBoost.R2 (Drucker, Improving regressors using boosting techniques, 1997): absolute errors as shares
// of the largest one.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/error.h"
#include "math/explog.h"

namespace pygbt {

enum class RelativeLoss : std::uint8_t { kLinear, kSquare, kExponential };  // l, l^2, 1 - e^-l

// [row] in [0, 1]; all 0 where no error is above 0. Only rows with counted > 0 set the largest; empty: all do, and
// others are held to it.
inline std::vector<double> relative_losses(std::span<const double> errors, std::span<const double> counted,
                                           RelativeLoss loss) {
  require(counted.empty() || counted.size() == errors.size(), "counted: one for each row");
  double largest = 0.0;
  for (std::size_t i = 0; i < errors.size(); ++i)
    if (counted.empty() || counted[i] > 0.0) largest = std::max(largest, errors[i]);
  std::vector<double> out(errors.size(), 0.0);
  if (!(largest > 0.0)) return out;
  for (std::size_t i = 0; i < errors.size(); ++i) {
    const double share = std::min(errors[i] / largest, 1.0);
    out[i] = loss == RelativeLoss::kLinear   ? share
             : loss == RelativeLoss::kSquare ? share * share
                                             : 1.0 - exp_f64(-share);
  }
  return out;
}

}  // namespace pygbt
