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
constexpr std::int64_t kGradientGrain = 4096;  // cells
constexpr std::int64_t kFewestRows = 512;
constexpr std::int64_t kChunkRows = 2048;  // a chunk's scores and gradients stay in L1 from one loop to the next
constexpr std::int64_t kChunkCells = 1 << 17;  // or, of many targets, in L2
constexpr std::int64_t kBlockRows = 64;  // of a chunk at least: as many go side by side
}  // namespace

TaskRows CpuBackend::task_rows(const LossSpec& loss, std::int64_t begin, std::int64_t end) {
  const TaskTargets& given = task_targets_;
  const auto from = [begin](std::span<const float> values, std::int64_t k) {
    return values.empty() ? nullptr : values.data() + begin * k;
  };
  TaskRows rows;
  rows.tasks = loss.tasks.data();
  rows.n_tasks = static_cast<std::int32_t>(loss.tasks.size());
  rows.scores = scores_.data() + begin * n_targets_;
  rows.labels = from(given.labels, given.n_labels);
  rows.soft = from(given.soft, n_targets_);
  rows.trust = from(given.trust, 1);
  rows.temperature = from(given.temperature, 1);
  rows.n = end - begin;
  rows.n_targets = n_targets_;
  rows.n_labels = given.n_labels;
  rows.g = g_.data() + begin;
  rows.h = h_.data() + begin;
  rows.n_rows = n_rows_;
  return rows;
}

// One pass over the rows: the scores take what the last tree adds, give gradients, and these their extremes.
void CpuBackend::gradients(const LossSpec& loss) {
  if (is_ranking(loss.objective)) return rank_gradients(loss);
  forget_narrow();
  forget_round();
  std::vector<Extremes> most(static_cast<std::size_t>(n_targets_));
  std::mutex merge;
  const auto chunk = [&](std::int64_t begin, std::int64_t end) {
    if (!pending_.values.empty()) apply_pending(begin, end);
    if (!loss.tasks.empty()) return kernels().tasks(task_rows(loss, begin, end));
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
  };
  const std::int64_t grain = std::max(kGradientGrain / n_targets_, kFewestRows);
  const std::int64_t chunk_rows =
      std::clamp(kChunkCells / n_targets_ / kBlockRows * kBlockRows, kBlockRows, kChunkRows);
  parallel_ranges(n_threads_, n_rows_, grain, [&](std::int64_t begin, std::int64_t end, int) {
    std::vector<Extremes> mine(static_cast<std::size_t>(n_targets_));
    for (std::int64_t at = begin; at < end; at += chunk_rows) {
      const std::int64_t stop = std::min(end, at + chunk_rows);
      chunk(at, stop);
      for (std::int32_t k = 0; k < n_targets_; ++k) raise_extremes(k, at, stop, mine[static_cast<std::size_t>(k)]);
    }
    const std::lock_guard lock(merge);
    for (std::size_t k = 0; k < mine.size(); ++k) {
      most[k].g = std::max(most[k].g, mine[k].g);
      most[k].h = std::max(most[k].h, mine[k].h);
    }
  });
  pending_.values.clear();
  for (std::size_t k = 0; k < most.size(); ++k) {
    max_g_[k] = static_cast<double>(most[k].g);
    max_h_[k] = static_cast<double>(most[k].h);
  }
  comm_->allreduce_max(max_g_);
  comm_->allreduce_max(max_h_);
}

void CpuBackend::set_gradients(std::span<const float> g, std::span<const float> h) {
  const auto cells = static_cast<std::size_t>(n_rows_ * n_targets_);
  require(g.size() == cells && h.size() == cells, "gradients must have one value per row and target");
  forget_narrow();
  forget_round();
  std::fill(max_g_.begin(), max_g_.end(), -1.0);
  for (std::int64_t row = 0; row < n_rows_; ++row)
    for (std::int32_t k = 0; k < n_targets_; ++k) {
      const auto from = static_cast<std::size_t>(row_major(row, k, n_targets_));
      const auto to = static_cast<std::size_t>(target_major(k, row, n_rows_));
      g_[to] = g[from];
      h_[to] = h[from];
    }
}

// Behind the targets, a chunk of rows at a time: sums of all targets stay in L1.
void CpuBackend::sketch(std::int32_t n, std::span<const float> factors) {
  const auto all = static_cast<std::size_t>(n_targets_) + static_cast<std::size_t>(n);
  require(factors.size() == static_cast<std::size_t>(n) * static_cast<std::size_t>(n_targets_),
          "sketch needs a factor for each sketch and target");
  forget_round();
  g_.resize(all * static_cast<std::size_t>(n_rows_));
  h_.resize(g_.size());
  max_g_.resize(all);
  max_h_.resize(all);
  narrow_.resize(all);
  for (std::size_t k = static_cast<std::size_t>(n_targets_); k < all; ++k) {
    max_g_[k] = -1.0;
    narrow_[k].known = false;
  }
  parallel_ranges(n_threads_, n_rows_, kGradientGrain, [&](std::int64_t begin, std::int64_t end, int) {
    std::vector<float> sums(static_cast<std::size_t>(n + 1) * kChunkRows);
    for (std::int64_t at = begin; at < end; at += kChunkRows) {
      SketchTask task;
      task.g = g_.data() + at;
      task.h = h_.data() + at;
      task.factors = factors.data();
      task.n_sketches = n;
      task.n_targets = n_targets_;
      task.n = std::min(end - at, kChunkRows);
      task.n_rows = n_rows_;
      task.sums = sums.data();
      kernels().sketch(task);
    }
  });
}

// Rows [begin, end) of one target with the scales of a precision.
QuantiseTask CpuBackend::quantise_task(std::int32_t target, Precision precision, std::int64_t begin,
                                       std::int64_t end) const {
  const int g_bits = quantiser_bits(precision, false, total_weight_);
  const int h_bits = quantiser_bits(precision, true, total_weight_);
  QuantiseTask task;
  task.g = g_.data() + target_major(target, begin, n_rows_);
  task.h = h_.data() + target_major(target, begin, n_rows_);
  task.weights = weights() == nullptr ? nullptr : weights() + begin;
  task.n = end - begin;
  task.g_scale = quantiser_scale(max_g_[static_cast<std::size_t>(target)], g_bits);
  task.h_scale = quantiser_scale(max_h_[static_cast<std::size_t>(target)], h_bits);
  task.g_limit = (std::int64_t{1} << g_bits) - 1;
  task.h_limit = (std::int64_t{1} << h_bits) - 1;
  return task;
}

void CpuBackend::raise_extremes(std::int32_t target, std::int64_t begin, std::int64_t end, Extremes& most) const {
  QuantiseTask task;
  task.g = g_.data() + target_major(target, begin, n_rows_);
  task.h = h_.data() + target_major(target, begin, n_rows_);
  task.weights = weights() == nullptr ? nullptr : weights() + begin;
  task.n = end - begin;
  const Extremes found = kernels().extremes(task);
  most.g = std::max(most.g, found.g);
  most.h = std::max(most.h, found.h);
}

// Largest |g| and h of one target over the rows that count, where gradients() has not found them.
void CpuBackend::target_extremes(std::int32_t target) {
  double& max_g = max_g_[static_cast<std::size_t>(target)];
  double& max_h = max_h_[static_cast<std::size_t>(target)];
  if (max_g >= 0.0) return;
  Extremes most;
  std::mutex merge;
  parallel_ranges(n_threads_, n_rows_, kGradientGrain, [&](std::int64_t begin, std::int64_t end, int) {
    Extremes mine;
    raise_extremes(target, begin, end, mine);
    const std::lock_guard lock(merge);
    most.g = std::max(most.g, mine.g);
    most.h = std::max(most.h, mine.h);
  });
  double extremes[2] = {static_cast<double>(most.g), static_cast<double>(most.h)};
  comm_->allreduce_max(extremes);
  max_g = extremes[0];
  max_h = extremes[1];
}

// Integers of all rows of one target into column k of `out`, [row][width] NarrowGradient or WideGradient.
RowSums CpuBackend::quantise_target(std::int32_t target, Precision precision, void* out, std::int32_t k,
                                    std::int32_t width) {
  RowSums sums;
  std::mutex merge;
  parallel_ranges(n_threads_, n_rows_, kGradientGrain, [&](std::int64_t begin, std::int64_t end, int) {
    const QuantiseTask task = quantise_task(target, precision, begin, end);
    const std::int64_t at = row_major(begin, k, width);
    const RowSums mine = precision == Precision::kWide
                             ? kernels().quantise_wide(task, static_cast<WideGradient*>(out) + at, width)
                             : kernels().quantise_narrow(task, static_cast<NarrowGradient*>(out) + at, width);
    const std::lock_guard lock(merge);
    sums.g += mine.g;
    sums.magnitude += mine.magnitude;
    sums.h += mine.h;
  });
  return sums;
}

// Whether the narrow gradients of all targets may lie in memory at once: as much again as a third of g_, h_ and scores_.
bool CpuBackend::keeps_narrow() const {
  constexpr std::int64_t kMost = std::int64_t{1} << 28;
  return n_targets_ * n_rows_ * std::int64_t{sizeof(NarrowGradient)} <= kMost;
}

CpuBackend::NarrowTarget& CpuBackend::narrow_target(std::int32_t target) {
  NarrowTarget& narrow = narrow_[static_cast<std::size_t>(target)];
  if (narrow.known) return narrow;
  target_extremes(target);
  if (!keeps_narrow()) {
    for (NarrowTarget& other : narrow_) {
      other.known = false;
      if (!other.gradients.empty()) spare_narrow_.swap(other.gradients);
    }
  }
  if (narrow.gradients.empty()) narrow.gradients.swap(spare_narrow_);
  narrow.gradients.resize(static_cast<std::size_t>(n_rows_) * sizeof(NarrowGradient));
  narrow.sums = quantise_target(target, Precision::kNarrow, narrow.gradients.data(), 0, 1);
  narrow.known = true;
  return narrow;
}

// Gives a target's narrow gradients away; what `by_row` held is memory for another target.
void CpuBackend::take_narrow(std::int32_t target, HugeVector<std::uint8_t>& by_row) {
  NarrowTarget& narrow = narrow_target(target);
  narrow.known = false;
  by_row.swap(narrow.gradients);
  spare_narrow_.swap(narrow.gradients);
}

// The narrow gradients of several targets, out [row][width].
std::vector<RowSums> CpuBackend::interleave_narrow(std::int32_t first, std::int32_t width, NarrowGradient* out) {
  std::vector<RowSums> sums;
  std::vector<const NarrowGradient*> from;
  for (std::int32_t k = 0; k < width; ++k) {
    const NarrowTarget& narrow = narrow_target(first + k);
    sums.push_back(narrow.sums);
    from.push_back(narrow.rows());
  }
  parallel_ranges(n_threads_, n_rows_, kGradientGrain, [&](std::int64_t begin, std::int64_t end, int) {
    kernels().interleave(from.data(), begin, end, width, out);
  });
  return sums;
}

void CpuBackend::forget_narrow() {
  for (NarrowTarget& narrow : narrow_) narrow.known = false;
}

// Means of the narrow integers, which stay for a tree of this target.
LossTotals CpuBackend::totals(std::int32_t target) {
  const RowSums& narrow = narrow_target(target).sums;
  std::int64_t sums[] = {narrow.g, narrow.magnitude, narrow.h};
  comm_->allreduce_sum(sums);
  const QuantiseTask scales = quantise_task(target, Precision::kNarrow, 0, 0);
  const auto weight = static_cast<double>(total_weight_);
  LossTotals totals;
  totals.max_g = max_g_[static_cast<std::size_t>(target)];
  totals.max_h = max_h_[static_cast<std::size_t>(target)];
  totals.spread_g = static_cast<double>(sums[1] - std::abs(sums[0])) / scales.g_scale / weight;
  totals.mean_g = static_cast<double>(sums[1]) / scales.g_scale / weight;
  totals.mean_h = static_cast<double>(sums[2]) / scales.h_scale / weight;
  return totals;
}

}  // namespace pygbt
