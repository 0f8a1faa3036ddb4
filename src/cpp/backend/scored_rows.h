// SPDX-License-Identifier: Apache-2.0
// The rows of a data set with their scores, wherever these lie: what metrics are made of. On the host: boost/host_rows.h;
// a backend of a device has its own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "math/exact_piece.h"
#include "math/links.h"
#include "math/metric_terms.h"
#include "math/rank_terms.h"

namespace pygbt {

class ScoredRows {
 public:
  virtual ~ScoredRows() = default;

  // Exact sum of weight (fixed point) * contribution over the rows of this worker; exact to the last bit, in any order.
  virtual ExactLimbs sum(const MetricTermSpec& spec) = 0;
  // Sums over the rows of all workers by the order of their scores in a target.
  virtual RankSums rank_sums(const RowShape& shape, std::int32_t target, RankCurve curve) = 0;
  // The scores on the host, [row][n_targets]: where they are, or copied into `room`. Metrics of queries read them.
  virtual std::span<const float> host_margins(std::vector<float>& room) = 0;
};

// In the memory of a device. [row][n_targets].
class DeviceScoredRows : public ScoredRows {
 public:
  virtual void scores(std::span<float> out) = 0;  // margins, a copy on the host
  virtual const float* device_scores() = 0;  // the same where they are; finished
  virtual void values(Link link, float* out) = 0;  // with the link applied, to memory of the device; finished
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
