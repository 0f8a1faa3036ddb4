// SPDX-License-Identifier: Apache-2.0
// One loss among the losses of a row: its targets, its labels, its weight and its teacher. Plain data, copied to
// devices; the formulas are in task_loss.h.
#pragma once

#include <cstdint>

#include "params/params.gen.h"

namespace pygbt {

struct TaskLoss {
  Objective objective = Objective::kSquaredError;
  SoftmaxHessian hessian = SoftmaxHessian::kKFactor;  // resolved
  std::int32_t first_target = 0;
  std::int32_t n_targets = 1;
  std::int32_t first_label = 0;
  std::int32_t n_labels = 1;  // one a target, or one for all: a class id, or the same label for every target
  float huber_delta = 1.0f;
  float tweedie_power = 1.5f;
  float scale_pos_weight = 1.0f;
  double quantile_level = 0.5;  // of all its targets

  float weight = 1.0f;  // lambda: factor on gradient and hessian
  // The teacher's part.
  TeacherMatch match = TeacherMatch::kLoss;
  float alpha = 0.5f;        // weight of the soft part where a row has both
  float temperature = 1.0f;
  float bound = 0.0f;        // TeacherMatch::kBounded
  bool scale_t2 = true;
  bool operator==(const TaskLoss&) const = default;
};

// What a row brings to its losses. The pointers are of the row.
struct TaskRow {
  const float* scores = nullptr;  // [n_targets of all tasks]
  const float* labels = nullptr;  // [n_labels of all tasks]; NaN: none. nullptr: no row has labels
  // [n_targets of all tasks] the teacher's targets: probabilities at the row's temperature, logits (centred where
  // softmax matches them) or values; NaN: none. nullptr: no row has a teacher.
  const float* soft = nullptr;
  float trust = 1.0f;        // factor on alpha
  float temperature = 1.0f;  // factor on the task's
};

}  // namespace pygbt
