// SPDX-License-Identifier: Apache-2.0
// Gradients of all rows, their extremes and means.
#include <bit>
#include <cmath>

#include "base/error.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/layout.h"
#include "math/losses.h"
#include "math/quantise.h"
#include "math/softmax.h"
#include "quantised.h"

namespace pygbt::device {

namespace {

template <class Loss>
struct LossKernel {
  Loss loss;
  const float* scores;  // [row][n_targets]
  const float* labels;  // [row][n_labels]
  float* g;             // [row] of the target
  float* h;
  std::int64_t n_rows;
  std::int32_t target, n_targets, n_labels;
  bool one_hot;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n_rows; row += row_step()) {
      const float label = elementwise_label(labels + row * n_labels, n_labels, target, one_hot);
      const GradHess pair = loss.gradient(scores[row_major(row, target, n_targets)], label);
      g[row] = pair.g;
      h[row] = pair.h;
    }
  }
};

struct SoftmaxKernel {
  const float* scores;  // [row][n_targets]
  const float* labels;  // [row][n_labels]
  float* g;             // [target][row]
  float* h;
  std::int64_t n_rows;
  std::int32_t n_targets, n_labels;
  bool soft;
  SoftmaxHessian hessian;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n_rows; row += row_step())
      softmax_gradient(scores + row * n_targets, labels + row * n_labels, soft, n_targets, hessian, g + row, h + row,
                       n_rows);
  }
};

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

// Largest |g| and h of the rows with weight, as bits: floats that are not negative are ordered as their bits are.
struct ExtremesKernel {
  const float* g;  // [row]
  const float* h;
  const std::uint32_t* weights;
  std::int64_t n_rows;
  std::uint32_t* out;  // [2], zero before

  PYGBT_KERNEL void operator()() const {
    std::uint32_t most_g = 0, most_h = 0;
    for (std::int64_t row = first_row(); row < n_rows; row += row_step()) {
      if (weights != nullptr && weights[row] == 0) continue;
      const std::uint32_t magnitude = std::bit_cast<std::uint32_t>(g[row]) & 0x7fffffffu;
      const std::uint32_t curvature = h[row] > 0.0f ? std::bit_cast<std::uint32_t>(h[row]) : 0u;
      most_g = magnitude > most_g ? magnitude : most_g;
      most_h = curvature > most_h ? curvature : most_h;
    }
    most_g = warp_max(most_g);
    most_h = warp_max(most_h);
    if (thread() % kLanes != 0) return;
    raise_to(out, most_g);
    raise_to(out + 1, most_h);
  }
};

// Sums of a target's narrow integers over all rows: g, |g|, h.
struct TotalsKernel {
  QuantisedRows rows;
  std::int64_t n_rows;
  std::int64_t* out;  // [3], zero before

  PYGBT_KERNEL void operator()() const {
    std::int64_t g = 0, magnitude = 0, h = 0;
    for (std::int64_t row = first_row(); row < n_rows; row += row_step()) {
      const Cell cell = rows.weighted(row);
      g += cell.g;
      magnitude += cell.g < 0 ? -cell.g : cell.g;
      h += cell.h;
    }
    auto* const scratch = shared<std::int64_t>();
    g = block_sum(g, scratch);
    magnitude = block_sum(magnitude, scratch);
    h = block_sum(h, scratch);
    if (thread() != 0) return;
    add(out, g);
    add(out + 1, magnitude);
    add(out + 2, h);
  }
};

}  // namespace

void CudaBackend::gradients(const LossSpec& loss) {
  max_g_.assign(max_g_.size(), -1.0);
  max_h_.assign(max_h_.size(), -1.0);
  const std::int32_t n_labels = data_->n_labels;
  if (!is_elementwise(loss)) {
    launch_rows(n_rows_, SoftmaxKernel{scores_.data(), table_.labels(), g_.data(), h_.data(), n_rows_, n_targets_,
                                       n_labels, loss.soft_labels, resolve_hessian(loss.hessian)});
    return;
  }
  for (std::int32_t target = 0; target < n_targets_; ++target)
    visit_loss(loss, target, [&]<class Loss>(const Loss& functor) {
      const std::int64_t at = target_major(target, 0, n_rows_);
      launch_rows(n_rows_, LossKernel<Loss>{functor, scores_.data(), table_.labels(), g_.data() + at, h_.data() + at,
                                            n_rows_, target, n_targets_, n_labels, one_hot_labels(loss, n_labels)});
    });
}

void CudaBackend::set_gradients(std::span<const float> g, std::span<const float> h) {
  require(g.size() == g_.size() && h.size() == h_.size(), "gradients must have one value per row and target");
  max_g_.assign(max_g_.size(), -1.0);
  max_h_.assign(max_h_.size(), -1.0);
  Buffer<float> given(device_);
  for (const auto& [from, to] : {std::pair{g, g_.data()}, std::pair{h, h_.data()}})
    launch_rows(n_rows_ * n_targets_, TransposeKernel{given.put(from), to, n_rows_, n_targets_});
}

void CudaBackend::target_extremes(std::int32_t target) {
  const auto at = static_cast<std::size_t>(target);
  if (max_g_[at] >= 0.0) return;
  extremes_.make_zero(2);
  const std::int64_t first = target_major(target, 0, n_rows_);
  launch_rows(n_rows_,
              ExtremesKernel{g_.data() + first, h_.data() + first, table_.weights(), n_rows_, extremes_.data()});
  const std::vector<std::uint32_t> bits = extremes_.get();
  max_g_[at] = static_cast<double>(std::bit_cast<float>(bits[0]));
  max_h_[at] = static_cast<double>(std::bit_cast<float>(bits[1]));
}

Quantiser CudaBackend::quantiser(std::int32_t target, Precision precision) const {
  const int g_bits = quantiser_bits(precision, false, data_->total_weight);
  const int h_bits = quantiser_bits(precision, true, data_->total_weight);
  const auto at = static_cast<std::size_t>(target);
  return {quantiser_scale(max_g_[at], g_bits), quantiser_scale(max_h_[at], h_bits), (std::int64_t{1} << g_bits) - 1,
          (std::int64_t{1} << h_bits) - 1};
}

LossTotals CudaBackend::totals(std::int32_t target) {
  target_extremes(target);
  const Quantiser scales = quantiser(target, Precision::kNarrow);
  sums_.make_zero(3);
  launch_rows(n_rows_, TotalsKernel{quantised_rows(target, scales), n_rows_, sums_.data()},
              warps() * sizeof(std::int64_t));
  const std::vector<std::int64_t> sums = sums_.get();
  const auto weight = static_cast<double>(data_->total_weight) * data_->weight_unit;
  const CellUnits units = {data_->weight_unit / scales.g_scale, data_->weight_unit / scales.h_scale};
  LossTotals totals;
  totals.max_g = max_g_[static_cast<std::size_t>(target)];
  totals.max_h = max_h_[static_cast<std::size_t>(target)];
  totals.spread_g = static_cast<double>(sums[1] - std::abs(sums[0])) * units.g / weight;
  totals.mean_h = static_cast<double>(sums[2]) * units.h / weight;
  return totals;
}

}  // namespace pygbt::device
