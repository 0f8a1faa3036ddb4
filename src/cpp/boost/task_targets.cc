// SPDX-License-Identifier: Apache-2.0
#include "boost/task_targets.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "base/pool.h"
#include "boost/labels.h"
#include "math/links.h"
#include "math/softmax.h"
#include "math/task_loss.h"

namespace pygbt {
namespace {

constexpr std::int64_t kRowsTogether = 4096;
constexpr float kLeastProbability = 1e-7f;  // where a logarithm is taken
constexpr float kProbabilitySlack = 1e-6f;  // beyond [0, 1], for rounding
constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

bool has_classes(Objective objective) {
  return objective == Objective::kSoftmax || objective == Objective::kLogistic || objective == Objective::kOneVsRest;
}

TeacherForm form_of(const TaskLoss& task, TeacherForm given) {
  if (given != TeacherForm::kByObjective) return given;
  return has_classes(task.objective) ? TeacherForm::kProbabilities : TeacherForm::kValues;
}

[[noreturn]] void bad_teacher(std::int64_t row, const std::string& rule) {
  throw InvalidArgument("teacher: row " + std::to_string(row) + " " + rule);
}

void check_row(const TaskLoss& task, TeacherForm form, const float* teacher, std::int64_t row) {
  const auto n = static_cast<std::ptrdiff_t>(task.n_targets);
  const auto missing = std::count_if(teacher, teacher + n, [](float v) { return is_missing(v); });
  const bool softmax = task.objective == Objective::kSoftmax;
  if (softmax && missing != 0 && missing != n)
    bad_teacher(row, "is NaN for some classes and not for others; make all of them NaN where the teacher is silent");
  if (missing == n) return;
  double sum = 0.0;
  for (std::ptrdiff_t k = 0; k < n; ++k) {
    const float value = teacher[k];
    if (is_missing(value)) continue;
    if (form == TeacherForm::kProbabilities && !(value >= -kProbabilitySlack && value <= 1.0f + kProbabilitySlack))
      bad_teacher(row, "holds " + number(static_cast<double>(value)) +
                           ", which is no probability; pass teacher_form=\"logits\" for scores before the softmax");
    if (form == TeacherForm::kValues && link_of(task.objective) == Link::kExp &&
        !(value > 0.0f || (value == 0.0f && task.objective != Objective::kGamma)))
      bad_teacher(row, "holds " + number(static_cast<double>(value)) + "; " + objective_name(task.objective) +
                           " needs means above 0");
    sum += static_cast<double>(value);
  }
  if (softmax && form == TeacherForm::kProbabilities && !(std::fabs(sum - 1.0) <= kProbabilitySumTolerance))
    bad_teacher(row, "sums to " + number(sum) + " instead of 1; divide each row by its sum");
}

float clipped_log(float p) { return static_cast<float>(log_f64(static_cast<double>(std::max(p, kLeastProbability)))); }

float logit_of(float p) {
  const double q = std::clamp(static_cast<double>(p), static_cast<double>(kLeastProbability),
                              1.0 - static_cast<double>(kLeastProbability));
  return static_cast<float>(log_f64(q) - log_f64(1.0 - q));
}

// Class targets of a row: probabilities at temperature t, or centred logits. `logits` [n_targets] is scratch.
void soft_classes(const TaskLoss& task, TeacherForm form, const float* teacher, float t, float* logits, float* out) {
  const std::int32_t n = task.n_targets;
  const bool given = form == TeacherForm::kProbabilities;
  if (task.match != TeacherMatch::kLoss) t = 1.0f;
  if (given && t == 1.0f && task.match != TeacherMatch::kLogits) {
    std::copy(teacher, teacher + n, out);
    return;
  }
  for (std::int32_t k = 0; k < n; ++k) logits[k] = given ? clipped_log(teacher[k]) : teacher[k];
  if (task.match == TeacherMatch::kLogits) {
    double mean = 0.0;
    for (std::int32_t k = 0; k < n; ++k) mean += static_cast<double>(logits[k]);
    mean /= static_cast<double>(n);
    for (std::int32_t k = 0; k < n; ++k) out[k] = static_cast<float>(static_cast<double>(logits[k]) - mean);
    return;
  }
  float rest = 0.0f;
  tempered_softmax_row(logits, n, 1.0f / t, out, 1, &rest);
}

// Target of one cell of an elementwise loss.
float soft_cell(const TaskLoss& task, TeacherForm form, float teacher, float t) {
  if (is_missing(teacher)) return kNone;
  const bool logits = form == TeacherForm::kLogits;
  if (!has_classes(task.objective)) {
    if (logits) apply_link(link_of(task.objective), &teacher, 1);
    return teacher;
  }
  if (task.match == TeacherMatch::kLogits) return logits ? teacher : logit_of(teacher);
  if (task.match != TeacherMatch::kLoss) t = 1.0f;
  if (logits) return sigmoid_f32(teacher / t);
  return t == 1.0f ? teacher : sigmoid_f32(logit_of(teacher) / t);
}

bool takes_quantiles(const TaskLoss& task) {
  return task.objective == Objective::kAbsoluteError || task.objective == Objective::kQuantile;
}

}  // namespace

bool needs_tasks(const LossSpec& loss, const Dataset& data) {
  if (is_ranking(loss.objective)) return false;  // a query is one loss
  return !loss.tasks.empty() || (loss.objective != Objective::kCustom && (data.n_teacher > 0 || data.labels_missing));
}

std::vector<TaskLoss> tasks_of(const LossSpec& loss, const Params& params, const Dataset& data) {
  TaskLoss task;
  task.objective = loss.objective;
  task.hessian = resolve_hessian(loss.hessian);
  task.n_targets = loss.n_targets;
  task.n_labels = data.n_labels;
  task.huber_delta = loss.huber_delta;
  task.tweedie_power = loss.tweedie_power;
  task.scale_pos_weight = loss.scale_pos_weight;
  task.quantile_level = loss.quantile_alpha[0];
  task.match = params.teacher_match;
  task.alpha = static_cast<float>(params.teacher_alpha);
  task.temperature = static_cast<float>(params.teacher_temperature);
  task.bound = static_cast<float>(params.teacher_bound);
  task.scale_t2 = params.teacher_scale_t2;
  if (loss.quantile_alpha.size() == 1) return {task};
  std::vector<TaskLoss> levels;
  for (std::int32_t k = 0; k < loss.n_targets; ++k) {
    levels.push_back(task);
    levels.back().first_target = k;
    levels.back().n_targets = 1;
    levels.back().quantile_level = loss.quantile_alpha[static_cast<std::size_t>(k)];
  }
  return levels;
}

void check_teacher(const std::vector<TaskLoss>& tasks, const Dataset& data, std::int32_t n_targets) {
  for (const TaskLoss& task : tasks) {
    require(task.match != TeacherMatch::kBounded || task.objective == Objective::kSquaredError,
            "teacher_match \"bounded\" belongs to squared_error, not to " + objective_name(task.objective));
    require(task.match == TeacherMatch::kLoss || task.match == TeacherMatch::kBounded || has_classes(task.objective),
            "teacher_match \"logits\" and \"probabilities\" belong to softmax, logistic and one_vs_rest, not to " +
                objective_name(task.objective));
  }
  if (data.n_teacher == 0) return;
  require(data.n_teacher == n_targets, "teacher has " + std::to_string(data.n_teacher) +
                                           " columns, but the model has " + std::to_string(n_targets) + " outputs");
  for (const TaskLoss& task : tasks) {
    const TeacherForm form = form_of(task, data.teacher_form);
    require(
        has_classes(task.objective) ? form != TeacherForm::kValues : form != TeacherForm::kProbabilities,
        "teacher_form must be " +
            std::string(has_classes(task.objective) ? "\"probabilities\" or \"logits\"" : "\"values\" or \"logits\"") +
            " for " + objective_name(task.objective));
    for (std::int64_t row = 0; row < data.n_rows; ++row)
      check_row(task, form, data.teacher.data() + row * n_targets + task.first_target, row);
  }
}

TaskTargets TargetColumns::view(const Dataset& data) const {
  TaskTargets targets;
  targets.n_labels = data.n_labels;
  targets.labels = data.labels;
  targets.soft = soft;
  targets.trust = data.teacher_trust;
  targets.temperature = data.teacher_temperature;
  targets.quantile_labels = quantile_labels;
  return targets;
}

TaskRow task_row(const TaskTargets& targets, std::int32_t n_targets, std::int64_t row) {
  const auto i = static_cast<std::size_t>(row);
  TaskRow of;
  if (!targets.labels.empty()) of.labels = targets.labels.data() + row * targets.n_labels;
  if (!targets.soft.empty()) of.soft = targets.soft.data() + row * n_targets;
  if (!targets.trust.empty()) of.trust = targets.trust[i];
  if (!targets.temperature.empty()) of.temperature = targets.temperature[i];
  return of;
}

TargetColumns make_target_columns(const std::vector<TaskLoss>& tasks, const Dataset& data, std::int32_t n_targets,
                                  int n_threads) {
  TargetColumns columns;
  const auto cells = static_cast<std::size_t>(data.n_rows) * static_cast<std::size_t>(n_targets);
  if (data.n_teacher > 0) columns.soft.assign(cells, kNone);
  const bool quantiles = std::any_of(tasks.begin(), tasks.end(), takes_quantiles);
  if (quantiles) columns.quantile_labels.assign(cells, kNone);
  parallel_ranges(
      resolve_threads(n_threads), data.n_rows, kRowsTogether, [&](std::int64_t begin, std::int64_t end, int) {
        std::vector<float> logits(static_cast<std::size_t>(n_targets));
        for (std::int64_t row = begin; row < end && data.n_teacher > 0; ++row) {
          const float factor =
              data.teacher_temperature.empty() ? 1.0f : data.teacher_temperature[static_cast<std::size_t>(row)];
          for (const TaskLoss& task : tasks) {
            const float* teacher = data.teacher.data() + row * n_targets + task.first_target;
            float* out = columns.soft.data() + row * n_targets + task.first_target;
            const TeacherForm form = form_of(task, data.teacher_form);
            if (task.objective == Objective::kSoftmax) {
              if (!is_missing(teacher[0]))
                soft_classes(task, form, teacher, task.temperature * factor, logits.data(), out);
              continue;
            }
            for (std::int32_t k = 0; k < task.n_targets; ++k)
              out[k] = soft_cell(task, form, teacher[k], task.temperature * factor);
          }
        }
      });
  if (!quantiles) return columns;
  const TaskTargets targets = columns.view(data);
  for (std::int64_t row = 0; row < data.n_rows; ++row) {
    const TaskRow of = task_row(targets, n_targets, row);
    for (const TaskLoss& task : tasks) {
      if (!takes_quantiles(task)) continue;
      for (std::int32_t k = 0; k < task.n_targets; ++k)
        columns.quantile_labels[static_cast<std::size_t>(row * n_targets + task.first_target + k)] =
            blended_target(task, of, k).value;
    }
  }
  return columns;
}

}  // namespace pygbt
