// SPDX-License-Identifier: Apache-2.0
// Labels and teachers of a Dataset made into what task gradients read (math/task_loss.h): which tasks a loss has, the
// teacher's targets at the temperature of each row, the labels whose residual quantiles leaves take. Called by the trainer.
#pragma once

#include <vector>

#include "backend/backend.h"
#include "comm/communicator.h"
#include "data/dataset.h"
#include "math/losses.h"
#include "math/task.h"
#include "params/params.h"

namespace pygbt {

// Whether gradients must be made task by task: a teacher, labels that are missing, or several losses.
bool needs_tasks(const LossSpec& loss, const Dataset& data);

// The tasks of a loss of one objective: one, or one for each level of quantile. Its teacher's settings are those of params.
std::vector<TaskLoss> tasks_of(const LossSpec& loss, const Params& params, const Dataset& data);

// Throws InvalidArgument naming the argument and the first bad row: too few or too many columns; probabilities outside
// [0, 1], or that do not sum to 1; a row of which only some classes are NaN; values that the objective has no use for.
void check_teacher(const std::vector<TaskLoss>& tasks, const Dataset& data, std::int32_t n_targets);

// Own what the backend reads.
struct TargetColumns {
  std::vector<float> soft;  // [row][n_targets] or empty
  std::vector<float> quantile_labels;  // [row][n_targets] or empty

  TaskTargets view(const Dataset& data) const;
};
TargetColumns make_target_columns(const std::vector<TaskLoss>& tasks, const Dataset& data, std::int32_t n_targets,
                                  int n_threads);

// What a row brings to its tasks, its scores aside.
TaskRow task_row(const TaskTargets& targets, std::int32_t n_targets, std::int64_t row);

// Margins [n_targets] that a constant model of the tasks starts from: the link of the mean blended target, then, where
// temperature or the match make that inexact, a few Newton steps on the constant.
std::vector<float> task_base_scores(const std::vector<TaskLoss>& tasks, const TaskTargets& targets, const Dataset& data,
                                    std::int32_t n_targets, Communicator& comm, int n_threads);

}  // namespace pygbt
