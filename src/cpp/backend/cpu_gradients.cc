// SPDX-License-Identifier: Apache-2.0
// Gradients of all rows, their extremes and means.
#include <algorithm>
#include <cmath>
#include <mutex>

#include "backend/cpu_backend.h"
#include "backend/isa_dispatch.h"
#include "base/error.h"
#include "base/pool.h"
#include "math/layout.h"
#include "math/quantise.h"
#include "math/softmax.h"

namespace pygbt {

namespace {
constexpr std::int64_t kGradientGrain = 8192;
}

void CpuBackend::gradients(const LossSpec& loss) {
  std::fill(max_g_.begin(), max_g_.end(), -1.0);
  parallel_ranges(n_threads_, n_rows_, kGradientGrain, [&](std::int64_t begin, std::int64_t end, int) {
    GradientTask task;
    task.scores = scores_.data() + begin * n_targets_;
    task.labels = data_->labels.data() + begin * data_->n_labels;
    task.n = end - begin;
    task.n_targets = n_targets_;
    task.n_labels = data_->n_labels;
    task.one_hot = one_hot_labels(loss, data_->n_labels);
    task.g = g_.data() + begin;
    task.h = h_.data() + begin;
    if (!is_elementwise(loss)) {
      kernels().softmax(task, loss.soft_labels, resolve_hessian(loss.hessian), n_rows_);
      return;
    }
    for (task.target = 0; task.target < n_targets_; ++task.target) {
      visit_loss(loss, task.target, [&](const auto& functor) {
        std::get<LossLoop<std::decay_t<decltype(functor)>>>(kernels().losses)(functor, task);
      });
      task.g += n_rows_;
      task.h += n_rows_;
    }
  });
}

void CpuBackend::set_gradients(std::span<const float> g, std::span<const float> h) {
  require(g.size() == g_.size() && h.size() == h_.size(), "gradients must have one value per row and target");
  std::fill(max_g_.begin(), max_g_.end(), -1.0);
  for (std::int64_t row = 0; row < n_rows_; ++row)
    for (std::int32_t k = 0; k < n_targets_; ++k) {
      const auto from = static_cast<std::size_t>(row_major(row, k, n_targets_));
      const auto to = static_cast<std::size_t>(target_major(k, row, n_rows_));
      g_[to] = g[from];
      h_[to] = h[from];
    }
}

// Largest |g| and h of one target over the rows that count.
void CpuBackend::target_extremes(std::int32_t target) {
  double& max_g = max_g_[static_cast<std::size_t>(target)];
  double& max_h = max_h_[static_cast<std::size_t>(target)];
  if (max_g >= 0.0) return;
  const float* g = g_.data() + target_major(target, 0, n_rows_);
  const float* h = h_.data() + target_major(target, 0, n_rows_);
  double extremes[2] = {0.0, 0.0};
  std::mutex merge;
  parallel_ranges(n_threads_, n_rows_, kGradientGrain, [&](std::int64_t begin, std::int64_t end, int) {
    float most_g = 0.0f, most_h = 0.0f;
    for (std::int64_t i = begin; i < end; ++i) {
      if (data_->weight(i) == 0) continue;
      most_g = std::max(most_g, std::fabs(g[i]));
      most_h = std::max(most_h, h[i]);
    }
    const std::lock_guard lock(merge);
    extremes[0] = std::max(extremes[0], static_cast<double>(most_g));
    extremes[1] = std::max(extremes[1], static_cast<double>(most_h));
  });
  comm_->allreduce_max(extremes);
  max_g = extremes[0];
  max_h = extremes[1];
}

LossTotals CpuBackend::totals(std::int32_t target) {
  target_extremes(target);
  LossTotals totals;
  totals.max_g = max_g_[static_cast<std::size_t>(target)];
  totals.max_h = max_h_[static_cast<std::size_t>(target)];
  const int bits = quantiser_bits(Precision::kLeaf, false, total_weight_);
  const std::int64_t limit = (std::int64_t{1} << bits) - 1;
  const double g_scale = quantiser_scale(totals.max_g, bits);
  const double h_scale = quantiser_scale(totals.max_h, bits);
  RowSums sum;
  std::mutex merge;
  parallel_ranges(n_threads_, n_rows_, kGradientGrain, [&](std::int64_t begin, std::int64_t end, int) {
    SumTask task;
    task.g = g_.data() + target_major(target, begin, n_rows_);
    task.h = h_.data() + target_major(target, begin, n_rows_);
    task.n = end - begin;
    task.weights = weights() == nullptr ? nullptr : weights() + begin;
    task.g_scale = g_scale;
    task.h_scale = h_scale;
    task.limit = limit;
    const RowSums part = kernels().sum_rows(task);
    const std::lock_guard lock(merge);
    sum.g += part.g;
    sum.magnitude += part.magnitude;
    sum.h += part.h;
  });
  std::int64_t sums[] = {sum.g, sum.magnitude, sum.h};
  comm_->allreduce_sum(sums);
  const auto weight = static_cast<double>(total_weight_);
  totals.spread_g = static_cast<double>(sums[1] - std::abs(sums[0])) / g_scale / weight;
  totals.mean_h = static_cast<double>(sums[2]) / h_scale / weight;
  return totals;
}

}  // namespace pygbt
