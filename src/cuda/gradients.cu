// SPDX-License-Identifier: Apache-2.0
// Gradients of all rows, their extremes and means.
#include <algorithm>
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
#include "math/task_loss.h"
#include "quantised.h"
#include "transpose.h"

namespace pygbt::device {

namespace {

template <class Loss>
struct LossKernel {
  static constexpr int kLeastBlocks = 4;
  static constexpr int kAtOnce = 4;  // rows

  Loss loss;
  const std::int32_t* stop;
  const float* scores;  // [row][n_targets]
  const float* labels;  // [row][n_labels]
  const std::uint32_t* weights;
  float* g;  // [row] of the target
  float* h;
  std::int64_t n_rows;
  std::int32_t target, n_targets, n_labels;
  bool one_hot;
  ScaleSearch scales;

  PYGBT_KERNEL void operator()() const {
    if (*stop != 0) return;
    struct Row {
      float score, label;
      bool counts;
    };
    const auto load = [&](std::int64_t row) {
      return Row{scores[row_major(row, target, n_targets)],
                 elementwise_label(labels + row * n_labels, n_labels, target, one_hot),
                 weights == nullptr || weights[row] != 0};
    };
    Magnitudes seen;
    stream_rows<kAtOnce>(n_rows, load, [&](std::int64_t row, const Row& of) {
      const GradHess pair = loss.gradient(of.score, of.label);
      g[row] = pair.g;
      h[row] = pair.h;
      if (of.counts) seen.take(pair.g, pair.h);
    });
    scales.tell(seen, target, block(), n_blocks(), target, 1);
  }
};

struct SoftmaxKernel {
  const std::int32_t* stop;
  const float* scores;  // [row][n_targets]
  const float* labels;  // [row][n_labels]
  float* g;             // [target][row]
  float* h;
  std::int64_t n_rows;
  std::int32_t n_targets, n_labels;
  bool soft;
  SoftmaxHessian hessian;

  PYGBT_KERNEL void operator()() const {
    if (*stop != 0) return;
    for (std::int64_t row = first_row(); row < n_rows; row += row_step())
      softmax_gradient(scores + row * n_targets, labels + row * n_labels, soft, n_targets, hessian, g + row, h + row,
                       n_rows);
  }
};

struct TaskKernel {
  const std::int32_t* stop;
  const TaskLoss* tasks;
  std::int32_t n_tasks;
  const float* scores;       // [row][n_targets]
  const float* labels;       // [row][n_labels] or nullptr, as all below
  const float* soft;         // [row][n_targets]
  const float* trust;        // [row]
  const float* temperature;  // [row]
  float* g;                  // [target][row]
  float* h;
  std::int64_t n_rows;
  std::int32_t n_targets, n_labels;

  PYGBT_KERNEL void operator()() const {
    if (*stop != 0) return;
    for (std::int64_t row = first_row(); row < n_rows; row += row_step()) {
      TaskRow of;
      of.scores = scores + row * n_targets;
      of.labels = labels == nullptr ? nullptr : labels + row * n_labels;
      of.soft = soft == nullptr ? nullptr : soft + row * n_targets;
      of.trust = trust == nullptr ? 1.0f : trust[row];
      of.temperature = temperature == nullptr ? 1.0f : temperature[row];
      task_gradients(tasks, n_tasks, of, g + row, h + row, n_rows);
    }
  }
};

// The scales of gradients that are there.
struct ScalesKernel {
  const std::int32_t* stop;
  const float* g;  // [target][row]
  const float* h;
  const std::uint32_t* weights;
  std::int64_t n_rows;
  std::int32_t n_targets;
  ScaleSearch scales;

  PYGBT_KERNEL void operator()() const {
    if (*stop != 0) return;
    const std::int64_t of_target = n_blocks() / n_targets, number = block() % of_target;
    const auto target = static_cast<std::int32_t>(block() / of_target);
    const std::int64_t first = target_major(target, 0, n_rows);
    Magnitudes seen;
    for (std::int64_t row = number * n_threads() + thread(); row < n_rows; row += of_target * n_threads())
      if (weights == nullptr || weights[row] != 0) seen.take(g[first + row], h[first + row]);
    scales.tell(seen, target, number, of_target, 0, n_targets);
  }
};

// Sums of the narrow integers of many targets over all rows.
struct TotalsKernel {
  QuantisedTargets targets;
  const TreeArguments* tree;  // whose targets they are; nullptr: of all, from the first on
  std::int32_t n_targets;
  DrawnSums* out;  // [n_targets] zero before

  PYGBT_KERNEL void operator()() const {
    const std::int64_t of_target = n_blocks() / n_targets, number = block() % of_target;
    const auto k = static_cast<std::int32_t>(block() / of_target);
    const QuantisedRows rows = targets.rows((tree == nullptr ? 0 : tree->first_target) + k, Precision::kNarrow);
    DrawnSums mine;
    for (std::int64_t row = number * n_threads() + thread(); row < targets.n_rows; row += of_target * n_threads()) {
      const Cell cell = rows.weighted(row);
      mine.g += cell.g;
      mine.magnitude += cell.g < 0 ? -cell.g : cell.g;
      mine.h += cell.h;
    }
    add_up(mine, shared<std::int64_t>(), out + k);
  }
};

}  // namespace

void CudaBackend::set_task_targets(const TaskTargets& targets) {
  task_columns_.n_labels = targets.n_labels;
  task_columns_.labels.put(targets.labels);
  task_columns_.soft.put(targets.soft);
  task_columns_.trust.put(targets.trust);
  task_columns_.temperature.put(targets.temperature);
  task_columns_.quantile_labels.put(targets.quantile_labels);
}

void CudaBackend::gradients(const LossSpec& loss) {
  n_sketches_ = 0;
  if (is_ranking(loss.objective)) return rank_gradients(loss);
  const std::int32_t n_labels = data_->n_labels;
  if (!loss.tasks.empty()) {
    if (task_columns_.tasks.size() != loss.tasks.size()) task_columns_.tasks.put(loss.tasks);
    const auto column = [](const Buffer<float>& values) { return values.size() == 0 ? nullptr : values.data(); };
    launch_rows(n_rows_,
                TaskKernel{stop_.data(), task_columns_.tasks.data(), static_cast<std::int32_t>(loss.tasks.size()),
                           scores_.data(), column(task_columns_.labels), column(task_columns_.soft),
                           column(task_columns_.trust), column(task_columns_.temperature), g_.data(), h_.data(),
                           n_rows_, n_targets_, task_columns_.n_labels});
  } else if (is_elementwise(loss)) {
    for (std::int32_t target = 0; target < n_targets_; ++target)
      visit_loss(loss, target, [&]<class Loss>(const Loss& functor) {
        const std::int64_t at = target_major(target, 0, n_rows_);
        launch_rows(n_rows_,
                    LossKernel<Loss>{functor, stop_.data(), scores_.data(), table_.labels(), table_.weights(),
                                     g_.data() + at, h_.data() + at, n_rows_, target, n_targets_, n_labels,
                                     one_hot_labels(loss, n_labels), scale_search(n_targets_)},
                    warps() * sizeof(Magnitudes));
      });
    return;
  } else {
    launch_rows(n_rows_, SoftmaxKernel{stop_.data(), scores_.data(), table_.labels(), g_.data(), h_.data(), n_rows_,
                                       n_targets_, n_labels, loss.soft_labels, resolve_hessian(loss.hessian)});
  }
  find_scales();
}

void CudaBackend::set_gradients(std::span<const float> g, std::span<const float> h) {
  n_sketches_ = 0;
  const auto cells = static_cast<std::size_t>(n_rows_ * n_targets_);
  require(g.size() == cells && h.size() == cells, "gradients must have one value per row and target");
  Buffer<float> given(device_);
  for (const auto& [from, to] : {std::pair{g, g_.data()}, std::pair{h, h_.data()}})
    launch_rows(n_rows_ * n_targets_, TransposeKernel{given.put(from), to, n_rows_, n_targets_});
  find_scales();
}

ScaleSearch CudaBackend::scale_search(std::int32_t n_targets) {
  host_extremes_.clear();
  const std::int64_t most_blocks = std::max<std::int64_t>(1, blocks_for(n_rows_));
  return {magnitudes_.make(n_targets * most_blocks),
          most_blocks,
          extremes_.make(std::int64_t{2} * n_targets),
          scales_.make(std::int64_t{n_targets} * kPrecisions),
          data_->total_weight,
          {arrivals_.data()}};
}

// Of the integers of all targets, from their gradients.
void CudaBackend::find_scales() {
  const std::int32_t n = n_targets_ + n_sketches_;
  const ScaleSearch search = scale_search(n);
  device_.launch(search.most_blocks * n, device_.policy().n_threads,
                 ScalesKernel{stop_.data(), g_.data(), h_.data(), table_.weights(), n_rows_, n, search},
                 warps() * sizeof(Magnitudes));
}

QuantisedTargets CudaBackend::quantised_targets() const {
  return {g_.data(), h_.data(), table_.weights(), scales_.data(), n_rows_};
}

std::array<double, 2> CudaBackend::extremes(std::int32_t target) {
  if (host_extremes_.empty()) host_extremes_ = extremes_.get();
  const auto at = static_cast<std::size_t>(target) * 2;
  return {static_cast<double>(std::bit_cast<float>(host_extremes_[at])),
          static_cast<double>(std::bit_cast<float>(host_extremes_[at + 1]))};
}

CellUnits CudaBackend::units(std::int32_t target, Precision precision) {
  const auto [max_g, max_h] = extremes(target);
  const Quantiser scales = quantiser_of(max_g, max_h, precision, data_->total_weight);
  return {data_->weight_unit / scales.g_scale, data_->weight_unit / scales.h_scale};
}

// Adds to out [n], zero before.
void CudaBackend::launch_totals(const TreeArguments* tree, std::int32_t n, DrawnSums* out) {
  const std::int64_t of_target = std::max<std::int64_t>(1, blocks_for(n_rows_));
  device_.launch(of_target * n, device_.policy().n_threads, TotalsKernel{quantised_targets(), tree, n, out},
                 warps() * sizeof(std::int64_t));
}

LossTotals CudaBackend::totals(std::int32_t target) {
  const TreeArguments arguments{0, target};
  Buffer<TreeArguments> there(device_);
  launch_totals(there.put(std::span(&arguments, 1)), 1, sums_.make_zero(1));
  const DrawnSums sums = sums_.get()[0];
  const auto weight = static_cast<double>(data_->total_weight) * data_->weight_unit;
  const CellUnits unit = units(target, Precision::kNarrow);
  LossTotals totals;
  totals.max_g = extremes(target)[0];
  totals.max_h = extremes(target)[1];
  totals.spread_g = static_cast<double>(sums.magnitude - std::abs(sums.g)) * unit.g / weight;
  totals.mean_g = static_cast<double>(sums.magnitude) * unit.g / weight;
  totals.mean_h = static_cast<double>(sums.h) * unit.h / weight;
  return totals;
}

}  // namespace pygbt::device
