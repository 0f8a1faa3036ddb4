// SPDX-License-Identifier: Apache-2.0
// Where boosting starts with teachers, masks or several losses.
#include <algorithm>
#include <cmath>

#include "backend/isa_dispatch.h"
#include "boost/base_score.h"
#include "boost/exact_sum.h"
#include "boost/float_sum.h"
#include "boost/task_targets.h"
#include "math/links.h"
#include "math/task_loss.h"

namespace pygbt {
namespace {

constexpr int kMostSteps = 20;
constexpr float kSmallStep = 1e-6f;

// Sums over rows of weight * target, and of weight, of one target of a task.
struct Mean {
  double sum = 0.0;
  double total = 0.0;
};

// Of all targets of a task, some in a pass: their sums stay in cache.
std::vector<Mean> blended_means(const TaskLoss& task, const TaskTargets& targets, const Dataset& data,
                                std::int32_t n_targets, Communicator& comm, int n_threads) {
  constexpr std::int32_t kTogether = 16;
  std::vector<Mean> means;
  for (std::int32_t first = 0; first < task.n_targets; first += kTogether) {
    const std::int32_t n = std::min(kTogether, task.n_targets - first);
    const auto add = [&](std::int64_t begin, std::int64_t end, ExactSum* sum) {
      std::uint64_t whole[kTogether] = {};  // weight of the rows that have all of their target
      std::vector<FloatSum> values(kTogether);  // of those of weight 1
      for (std::int64_t row = begin; row < end; ++row) {
        TaskRow of = task_row(targets, n_targets, row);
        if (task.match == TeacherMatch::kLogits) of.soft = nullptr;
        for (std::int32_t k = 0; k < n; ++k) {
          const BlendedTarget target = blended_target(task, of, first + k);
          if (target.weight == 0.0f) continue;
          const std::uint64_t of_row = data.weight(row);
          const auto weight = static_cast<double>(target.weight);
          if (target.weight == 1.0f && of_row == 1)
            values[static_cast<std::size_t>(k)].add(target.value);
          else
            sum[2 * k].add(weight * static_cast<double>(target.value), of_row);
          if (target.weight == 1.0f)
            whole[k] += of_row;
          else
            sum[2 * k + 1].add(weight, of_row);
        }
      }
      constexpr std::uint64_t kMost = (std::uint64_t{1} << 32) - 1;
      for (std::int32_t k = 0; k < n; ++k) values[static_cast<std::size_t>(k)].add_to(sum[2 * k]);
      for (std::int32_t k = 0; k < n; ++k)
        for (; whole[k] > 0; whole[k] -= std::min(whole[k], kMost)) sum[2 * k + 1].add(1.0, std::min(whole[k], kMost));
    };
    const auto sums = exact_sums_of_ranges(data.n_rows, 2 * n, comm, n_threads, add);
    for (std::size_t k = 0; k < sums.size(); k += 2) means.push_back({sums[k].value(), sums[k + 1].value()});
  }
  return means;
}

// Click: its logit. Conversion: the logit of conversions among clicks.
void start_entire_space(const TaskLoss& task, const Dataset& data, Communicator& comm, int n_threads, float* margins) {
  const auto sums = exact_sums(data.n_rows, 3, comm, n_threads, [&](std::int64_t row, ExactSum* sum) {
    const float* labels = data.labels.data() + row * data.n_labels + task.first_label;
    if (is_missing(labels[0])) return;
    const auto click = static_cast<double>(labels[0]);
    sum[0].add(1.0, data.weight(row));
    sum[1].add(click, data.weight(row));
    if (labels[0] != 0.0f && !is_missing(labels[1]))
      sum[2].add(click * static_cast<double>(labels[1]), data.weight(row));
  });
  const double clicks = sums[1].value();
  margins[0] = static_cast<float>(mean_margin(Objective::kLogistic, 1.0f, clicks, std::max(sums[0].value(), 1e-300)));
  margins[1] = static_cast<float>(mean_margin(Objective::kLogistic, 1.0f, sums[2].value(), std::max(clicks, 1e-300)));
}

// Rows of the targets that have these scores, [row][n_targets], the gradients of the first at g and h.
TaskRows rows_of(const std::vector<TaskLoss>& tasks, const TaskTargets& targets, std::int32_t n_targets,
                 const std::vector<float>& scores, std::int64_t begin, std::int64_t n, std::vector<float>& cells) {
  const TaskRow first = task_row(targets, n_targets, begin);
  TaskRows rows;
  rows.tasks = tasks.data();
  rows.n_tasks = static_cast<std::int32_t>(tasks.size());
  rows.scores = scores.data();
  rows.labels = first.labels;
  rows.soft = first.soft;
  rows.trust = targets.trust.empty() ? nullptr : targets.trust.data() + begin;
  rows.temperature = targets.temperature.empty() ? nullptr : targets.temperature.data() + begin;
  rows.n = n;
  rows.n_targets = n_targets;
  rows.n_labels = targets.n_labels;
  rows.g = cells.data();
  rows.h = cells.data() + cells.size() / 2;
  rows.n_rows = n;
  return rows;
}

// Newton steps on the constant, by the gradients that training will see.
void refine(const std::vector<TaskLoss>& tasks, const TaskTargets& targets, const Dataset& data, std::int32_t n_targets,
            Communicator& comm, int n_threads, std::vector<float>& margins) {
  constexpr std::int64_t kRows = 64;  // as many as the kernel takes side by side
  const auto k_targets = static_cast<std::size_t>(n_targets);
  std::vector<float> scores(static_cast<std::size_t>(kRows) * k_targets);
  for (int step = 0; step < kMostSteps; ++step) {
    fill_rows(margins, scores);
    const auto add = [&](std::int64_t begin, std::int64_t end, ExactSum* sums) {
      std::vector<float> cells(2 * scores.size());
      for (std::int64_t row = begin; row < end; row += kRows) {
        const std::int64_t n = std::min(kRows, end - row);
        const TaskRows of = rows_of(tasks, targets, n_targets, scores, row, n, cells);
        kernels().tasks(of);
        for (std::size_t k = 0; k < k_targets; ++k)
          for (std::int64_t i = 0; i < n; ++i) {
            const std::size_t at = k * static_cast<std::size_t>(n) + static_cast<std::size_t>(i);
            sums[k].add(static_cast<double>(of.g[at]), data.weight(row + i));
            sums[k_targets + k].add(static_cast<double>(of.h[at]), data.weight(row + i));
          }
      }
    };
    const auto sums = exact_sums_of_ranges(data.n_rows, 2 * n_targets, comm, n_threads, add);
    float largest = 0.0f;
    for (std::size_t k = 0; k < k_targets; ++k) {
      const double h = sums[k_targets + k].value();
      const auto move = h > 0.0 ? static_cast<float>(-sums[k].value() / h) : 0.0f;
      margins[k] += move;
      largest = std::max(largest, std::fabs(move));
    }
    if (largest < kSmallStep) return;
  }
}

bool needs_steps(const TaskLoss& task, const TaskTargets& targets) {
  return !targets.soft.empty() &&
         (task.match != TeacherMatch::kLoss || task.temperature != 1.0f || !targets.temperature.empty());
}

}  // namespace

std::vector<float> task_base_scores(const std::vector<TaskLoss>& tasks, const TaskTargets& targets, const Dataset& data,
                                    std::int32_t n_targets, Communicator& comm, int n_threads) {
  std::vector<float> margins(static_cast<std::size_t>(n_targets), 0.0f);
  for (const TaskLoss& task : tasks) {
    float* const of_task = margins.data() + task.first_target;
    if (task.objective == Objective::kEntireSpace) {
      start_entire_space(task, data, comm, n_threads, of_task);
      continue;
    }
    const bool quantile = task.objective == Objective::kAbsoluteError || task.objective == Objective::kQuantile;
    std::vector<Mean> means;
    if (!quantile) means = blended_means(task, targets, data, n_targets, comm, n_threads);
    for (std::int32_t k = 0; k < task.n_targets; ++k) {
      if (quantile) {
        const double level = task.objective == Objective::kQuantile ? task.quantile_level : 0.5;
        of_task[k] = label_quantile(data, {targets.quantile_labels, n_targets, task.first_target + k}, level, comm);
        continue;
      }
      const Mean mean = means[static_cast<std::size_t>(k)];
      if (mean.total > 0.0)
        of_task[k] = static_cast<float>(mean_margin(task.objective, task.scale_pos_weight, mean.sum, mean.total));
    }
  }
  std::vector<TaskLoss> inexact;
  std::copy_if(tasks.begin(), tasks.end(), std::back_inserter(inexact),
               [&](const TaskLoss& task) { return needs_steps(task, targets); });
  if (inexact.size() == tasks.size()) {
    refine(tasks, targets, data, n_targets, comm, n_threads, margins);
  } else if (!inexact.empty()) {  // the others keep their start
    std::vector<float> moved = margins;
    refine(tasks, targets, data, n_targets, comm, n_threads, moved);
    for (const TaskLoss& task : inexact)
      std::copy_n(moved.begin() + task.first_target, task.n_targets, margins.begin() + task.first_target);
  }
  return margins;
}

}  // namespace pygbt
