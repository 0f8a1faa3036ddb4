// SPDX-License-Identifier: Apache-2.0
// Values by row to values by target.
#pragma once

#include <cstdint>

#include "block.h"
#include "device.h"
#include "math/layout.h"

namespace pygbt::device {

// Given gradients [row][n_targets] to [target][row].
struct TransposeKernel {
  const float* from;
  float* to;
  std::int64_t n_rows;
  std::int32_t n_targets;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t at = first_row(); at < n_rows * n_targets; at += row_step()) {
      const auto target = static_cast<std::int32_t>(at % n_targets);
      to[target_major(target, at / n_targets, n_rows)] = from[at];
    }
  }
};

}  // namespace pygbt::device
