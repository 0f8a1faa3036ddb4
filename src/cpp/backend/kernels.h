// SPDX-License-Identifier: Apache-2.0
// The hot loops, compiled once per instruction set from backend/isa/ and chosen once at run time. Plain pointers only:
// nothing here may instantiate a library template that other translation units share. All levels give the same bits.
#pragma once

#include <cstdint>
#include <tuple>

#include "backend/split_kernels.h"
#include "base/types.h"
#include "math/losses.h"

namespace pygbt {

// Quantised gradient and hessian of a row; the histogram's input.
struct NarrowGradient {
  std::int16_t g;
  std::uint16_t h;
};
struct WideGradient {
  std::int32_t g;
  std::int32_t h;
};

// Which rows of which block go into which cells.
struct HistogramTask {
  const void* bins = nullptr;           // [row][stride] uint8 or uint16
  std::int32_t stride = 0;
  std::int32_t n_features = 0;
  const RowId* rows = nullptr;          // [n]
  std::int64_t n = 0;
  const void* gradients = nullptr;      // [row][width] NarrowGradient or WideGradient
  const std::uint32_t* weights = nullptr;  // [row] or nullptr = 1
  std::int32_t width = 1;
  const std::int64_t* offsets = nullptr;   // [n_features] first bin of each feature in `cells`
  Cell* cells = nullptr;                   // [bin][width]
  std::int64_t* counts = nullptr;          // [bin] or nullptr
};

// Sums of quantised gradients, their magnitudes and hessians.
struct RowSums {
  std::int64_t g = 0;
  std::int64_t magnitude = 0;
  std::int64_t h = 0;
};

// Rows whose float gradients are summed at full precision.
struct SumTask {
  const float* g = nullptr;      // [row] of one target
  const float* h = nullptr;
  const RowId* rows = nullptr;   // [n]; nullptr = rows 0 .. n - 1
  std::int64_t n = 0;
  const std::uint32_t* weights = nullptr;  // [row] or nullptr = 1
  double g_scale = 1.0;
  double h_scale = 1.0;
  std::int64_t limit = 0;
};

struct PartitionTask {
  const void* column = nullptr;  // [row] uint8 or uint16
  bool two_byte = false;
  Bin bin = 0;
  bool missing_left = false;
  const std::uint32_t* left_bins = nullptr;  // categorical: bit set over bins; nullptr = numeric
  std::int32_t left_words = 0;
  const RowId* rows = nullptr;   // [n]
  std::int64_t n = 0;
};

// Gradients of one target for consecutive rows.
struct GradientTask {
  const float* scores = nullptr;   // [n][n_targets]
  const float* labels = nullptr;   // [n][n_labels]
  std::int64_t n = 0;
  std::int32_t n_targets = 1;
  std::int32_t n_labels = 1;
  std::int32_t target = 0;
  bool one_hot = false;            // see elementwise_label
  float* g = nullptr;              // [n]
  float* h = nullptr;              // [n]
};

template <class Loss>
using LossLoop = void (*)(const Loss& loss, const GradientTask& task);

inline constexpr std::int32_t kPackedBins = 256;         // bins a feature has in a packed block buffer
inline constexpr std::int64_t kPackedRows = 65536;       // rows a packed cell can take, see isa/histogram.cc

struct Kernels {
  // One loop per elementwise loss: std::get<LossLoop<Loss>>.
  std::tuple<LossLoop<SquaredError>, LossLoop<AbsoluteError>, LossLoop<Huber>, LossLoop<Quantile>, LossLoop<Poisson>,
             LossLoop<Gamma>, LossLoop<Tweedie>, LossLoop<LogisticLoss>>
      losses;
  // Softmax couples the targets: g and h are [target][row] with `n_rows` rows from target to target.
  void (*softmax)(const GradientTask& task, bool soft_labels, SoftmaxHessian hessian, std::int64_t n_rows);
  // buffer [stride][256] += packed (g << 32) + h of n <= kPackedRows rows of a one-byte block, width 1, weights 1.
  void (*histogram_packed)(const HistogramTask& task, std::uint64_t* buffer);
  // cells (and counts) += weight * gradient. One per bin width (1, 2 bytes) and gradient type.
  void (*histogram_cells[2][2])(const HistogramTask& task);  // [two_byte][wide]
  // Sums of weight * quantised (g, |g|, h).
  RowSums (*sum_rows)(const SumTask& task);
  // side[i] = 1 if rows[i] goes left; returns how many do.
  std::int64_t (*route)(const PartitionTask& task, std::uint8_t* side);
  // Stable split of rows by side into left [n_left] and right [n - n_left].
  void (*scatter)(const RowId* rows, const std::uint8_t* side, std::int64_t n, RowId* left, RowId* right);
  // out[i * out_stride] = quantised (g[i], h[i]).
  void (*quantise_narrow)(const float* g, const float* h, std::int64_t n, double g_scale, double h_scale,
                          std::int64_t g_limit, std::int64_t h_limit, NarrowGradient* out, std::int64_t out_stride);
  void (*quantise_wide)(const float* g, const float* h, std::int64_t n, double g_scale, double h_scale,
                        std::int64_t g_limit, std::int64_t h_limit, WideGradient* out, std::int64_t out_stride);
  SplitKernels split;
};

}  // namespace pygbt
