// SPDX-License-Identifier: Apache-2.0
// The rows of a data set whose scores a backend keeps in the memory of its device.
#pragma once

#include <cstdint>
#include <span>

#include "math/links.h"

namespace pygbt {

class ScoredRows {
 public:
  virtual ~ScoredRows() = default;

  // Margins [row][n_targets], a copy.
  virtual void scores(std::span<float> out) = 0;
  // The same where they are, float32; finished.
  virtual const float* device_scores() = 0;
  // The same with the link applied, to memory of the device; finished.
  virtual void values(Link link, float* out) = 0;
};

// A matrix (rows, targets) in the memory of a device. Strides in bytes.
struct DeviceMatrix {
  const void* data = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t column_stride = 0;
  bool is_double = false;  // else float
};

// What given gradients must not be.
struct GradientFaults {
  bool gradient_not_finite = false;
  bool hessian_not_finite = false;
  bool hessian_negative = false;
};

}  // namespace pygbt
