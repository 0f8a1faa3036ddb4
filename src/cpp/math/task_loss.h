// SPDX-License-Identifier: Apache-2.0
// Gradient and curvature of a row with a teacher, with missing labels, or with several losses: the soft and the hard
// part of every task (Hinton, Vinyals and Dean 2015), masks, and weights. Float32, one fixed order, the same bits
// wherever it runs. With alpha = 0, and at T = 1 where teacher and label agree, it is the plain objective bit for bit.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/host_device.h"
#include "math/entire_space.h"
#include "math/losses.h"
#include "math/softmax.h"
#include "math/task.h"

namespace pygbt {

PYGBT_HD bool is_missing(float x) { return x != x; }

// Weights of the two parts of a row. Only a teacher: its trust; only a label: 1; neither: no gradient.
struct SoftAndHard {
  float soft = 0.0f;
  float hard = 0.0f;
};

PYGBT_HD SoftAndHard part_weights(const TaskLoss& task, bool has_label, bool has_teacher, float trust) {
  if (!has_teacher) return {0.0f, has_label ? 1.0f : 0.0f};
  if (!has_label) return {trust, 0.0f};
  const float soft = task.alpha * trust;
  return {soft, 1.0f - soft};
}

// The target of a blend: y where q = y, exactly.
PYGBT_HD float blend_targets(float y, float q, const SoftAndHard& parts) {
  if (parts.hard == 0.0f) return q;
  return parts.soft == 0.0f ? y : y + parts.soft * (q - y);
}

// What the blend of two targets weighs: 1, or the trust of a row without label.
PYGBT_HD float blend_weight(const SoftAndHard& parts) { return parts.hard == 0.0f ? parts.soft : 1.0f; }

// Target of one target of a task where label and teacher are in the same unit, and what it weighs; NaN and 0 without.
struct BlendedTarget {
  float value;
  float weight;
};

PYGBT_HD BlendedTarget blended_target(const TaskLoss& task, const TaskRow& row, std::int32_t k) {
  float y = 0.0f, q = 0.0f;
  bool has_label = row.labels != nullptr && task.n_labels > 0, has_teacher = row.soft != nullptr;
  if (has_label) {
    const float given = row.labels[task.first_label + (task.n_labels > 1 ? k : 0)];
    const bool one_hot =
        task.n_labels == 1 && (task.objective == Objective::kOneVsRest || task.objective == Objective::kSoftmax);
    has_label = !is_missing(given);
    y = one_hot ? (given == static_cast<float>(k) ? 1.0f : 0.0f) : given;
  }
  if (has_teacher) {
    q = row.soft[task.first_target + k];
    has_teacher = !is_missing(q);
  }
  const SoftAndHard parts = part_weights(task, has_label, has_teacher, row.trust);
  if (parts.soft == 0.0f && parts.hard == 0.0f) return {__builtin_nanf(""), 0.0f};
  return {parts.soft == 0.0f ? y : blend_targets(y, q, parts), blend_weight(parts)};
}

// Factors that temperature leaves on the gradient and curvature of a loss of z / T.
PYGBT_HD GradHess temperature_factors(const TaskLoss& task, float t) {
  const float inverse = 1.0f / t;
  return task.scale_t2 ? GradHess{t, 1.0f} : GradHess{inverse, inverse * inverse};
}

PYGBT_HD float positive(float h) { return h < kMinHessian ? kMinHessian : h; }

// Gauss-Newton curvature of probabilities dies on rows that are wrong with confidence.
PYGBT_HD float probability_curvature(float h) { return h < 1e-4f ? 1e-4f : h; }

PYGBT_HD GradHess add_parts(const GradHess& soft, const GradHess& hard, const SoftAndHard& parts) {
  return {parts.soft * soft.g + parts.hard * hard.g, positive(parts.soft * soft.h + parts.hard * hard.h)};
}

// Whether the gradient is linear in the target, so that blending targets is blending losses.
template <class Loss>
inline constexpr bool kLinearInTarget = true;
template <>
inline constexpr bool kLinearInTarget<AbsoluteError> = false;
template <>
inline constexpr bool kLinearInTarget<Huber> = false;
template <>
inline constexpr bool kLinearInTarget<Quantile> = false;
template <class Loss>
inline constexpr bool kIsLogistic = false;
template <>
inline constexpr bool kIsLogistic<LogisticLoss> = true;

// The soft part of a logistic cell by itself: q is a probability at temperature t, or a logit.
PYGBT_HD GradHess soft_logistic(const TaskLoss& task, const LogisticLoss& loss, float z, float q, float t) {
  if (task.match == TeacherMatch::kLogits) return {z - q, 1.0f};  // (z - v)^2 / 2
  if (task.match == TeacherMatch::kProbabilities) {               // (p - q)^2 / 2, Gauss-Newton
    const Logistic s = logistic_f32(z);
    const float slope = s.p * s.q;
    return {slope * (s.p - q), probability_curvature(slope * slope)};
  }
  const GradHess factors = temperature_factors(task, t);
  const GradHess at = loss.gradient(z / t, q);
  return {factors.g * at.g, factors.h * at.h};
}

// One target of an elementwise loss. y and q are read where their part has weight.
template <class Loss>
PYGBT_HD GradHess cell_gradient(const TaskLoss& task, const Loss& loss, float z, float y, float q,
                                const SoftAndHard& parts, float t) {
  if (parts.soft == 0.0f) return parts.hard == 0.0f ? GradHess{0.0f, 0.0f} : loss.gradient(z, y);
  if constexpr (kIsLogistic<Loss>) {
    if (task.match != TeacherMatch::kLoss || t != 1.0f) {
      const GradHess soft = soft_logistic(task, loss, z, q, t);
      return add_parts(soft, parts.hard == 0.0f ? GradHess{0.0f, 0.0f} : loss.gradient(z, y), parts);
    }
  }
  if (task.match == TeacherMatch::kBounded && parts.hard != 0.0f) {  // squared error: a second step while t is better
    const GradHess hard = loss.gradient(z, y);
    const bool better = (z - y) * (z - y) + task.bound > (q - y) * (q - y);
    const float times = parts.hard + (better ? parts.soft : 0.0f);
    return {times * hard.g, times * hard.h};
  }
  if constexpr (kLinearInTarget<Loss>) {
    const float weight = blend_weight(parts);
    const GradHess at = loss.gradient(z, blend_targets(y, q, parts));
    return weight == 1.0f ? at : GradHess{weight * at.g, positive(weight * at.h)};
  } else {
    return add_parts(loss.gradient(z, q), parts.hard == 0.0f ? GradHess{0.0f, 0.0f} : loss.gradient(z, y), parts);
  }
}

// The label that a target of a task is given: its own, that of all targets, or whether it is the class of this number.
PYGBT_HD float target_label(const TaskLoss& task, float given, std::int32_t k) {
  const bool one_hot = task.objective == Objective::kOneVsRest && task.n_labels == 1;
  return one_hot ? (given == static_cast<float>(k) ? 1.0f : 0.0f) : given;
}

template <class Loss>
PYGBT_HD void elementwise_task(const TaskLoss& task, const Loss& loss, const TaskRow& row, float* g, float* h,
                               std::ptrdiff_t stride) {
  const float t = kIsLogistic<Loss> ? task.temperature * row.temperature : 1.0f;
  for (std::int32_t k = 0; k < task.n_targets; ++k) {
    const std::int32_t target = task.first_target + k;
    float y = 0.0f, q = 0.0f;
    bool has_label = row.labels != nullptr, has_teacher = row.soft != nullptr;
    if (has_label) {
      const float given = row.labels[task.first_label + (task.n_labels > 1 ? k : 0)];
      has_label = !is_missing(given);
      y = target_label(task, given, k);
    }
    if (has_teacher) {
      q = row.soft[target];
      has_teacher = !is_missing(q);
    }
    const GradHess cell =
        cell_gradient(task, loss, row.scores[target], y, q, part_weights(task, has_label, has_teacher, row.trust), t);
    g[target * stride] = cell.g;
    h[target * stride] = cell.h;
  }
}

// The soft part of a class by itself from p at a temperature, whose factors are temperature_factors.
PYGBT_HD GradHess tempered_class(float p, float c, float q, SoftmaxHessian hessian, float k_factor,
                                 const GradHess& factors) {
  const GradHess at = softmax_cell(p, c, q, hessian, k_factor);
  return {factors.g * at.g, factors.h * at.h};
}

// The soft part of class k by itself from probabilities p at temperature t: factors are temperature_factors.
PYGBT_HD GradHess soft_class(const TaskLoss& task, float z, float p, float c, float q, float mean, float squares,
                             float k_factor, const GradHess& factors) {
  if (task.match == TeacherMatch::kLogits) return {z - q, 1.0f};
  if (task.match == TeacherMatch::kProbabilities)
    return {p * ((p - q) - mean), probability_curvature(p * p * (c * c + (squares - p * p)))};
  return tempered_class(p, c, q, task.hessian, k_factor, factors);
}

// Whether a class of a row has one target: the label, the teacher's, or, at temperature 1, a blend of both.
PYGBT_HD bool is_blended(const TaskLoss& task, const SoftAndHard& parts, float t) {
  return parts.soft == 0.0f || (task.match == TeacherMatch::kLoss && t == 1.0f);
}

// A class of such a row, from p and its complement c.
PYGBT_HD GradHess blended_class(float p, float c, float y, float q, const SoftAndHard& parts, SoftmaxHessian hessian,
                                float k_factor) {
  const float weight = blend_weight(parts);
  const float hard = parts.hard == 0.0f ? 0.0f : y;
  const float target = parts.soft == 0.0f ? hard : blend_targets(hard, q, parts);
  const GradHess cell = softmax_cell(p, c, target, hessian, k_factor);
  return weight == 1.0f ? cell : GradHess{weight * cell.g, positive(weight * cell.h)};
}

// A class of any other row, from the teacher's part and that of the label, of which p and c are.
PYGBT_HD GradHess two_part_class(const GradHess& of_teacher, float p, float c, float y, const SoftAndHard& parts,
                                 SoftmaxHessian hessian, float k_factor) {
  const GradHess at = softmax_cell(p, c, y, hessian, k_factor);
  const bool hard = parts.hard != 0.0f;
  return add_parts(of_teacher, {hard ? at.g : 0.0f, hard ? at.h : 0.0f}, parts);
}

// Softmax. The targets of a task are contiguous; g and h hold the exponentials until the last loop.
PYGBT_HD void softmax_task(const TaskLoss& task, const TaskRow& row, float* g, float* h, std::ptrdiff_t stride) {
  const std::int32_t n = task.n_targets;
  const float* const scores = row.scores + task.first_target;
  g += task.first_target * stride;
  h += task.first_target * stride;
  const float* const labels = row.labels == nullptr ? nullptr : row.labels + task.first_label;
  const float* const soft = row.soft == nullptr ? nullptr : row.soft + task.first_target;
  const bool given = task.n_labels > 1;  // probabilities
  const SoftAndHard parts = part_weights(task, labels != nullptr && !is_missing(labels[0]),
                                         soft != nullptr && !is_missing(soft[0]), row.trust);
  if (parts.soft == 0.0f && parts.hard == 0.0f) {
    for (std::int32_t k = 0; k < n; ++k) g[k * stride] = h[k * stride] = 0.0f;
    return;
  }
  const float t = task.temperature * row.temperature;
  const float k_factor = softmax_k_factor(n);
  float rest = 0.0f;
  if (is_blended(task, parts, t)) {
    const std::int32_t top = softmax_row(scores, n, g, stride, &rest);
    for (std::int32_t k = 0; k < n; ++k) {
      const float p = g[k * stride];
      const float y = parts.hard == 0.0f ? 0.0f : softmax_target(labels, given, k);
      const GradHess cell = blended_class(p, k == top ? rest : 1.0f - p, y, parts.soft == 0.0f ? 0.0f : soft[k], parts,
                                          task.hessian, k_factor);
      g[k * stride] = cell.g;
      h[k * stride] = cell.h;
    }
    return;
  }
  const float soft_t = task.match == TeacherMatch::kLoss ? t : 1.0f;
  const GradHess factors = temperature_factors(task, soft_t);
  float soft_rest = 0.0f;
  const std::int32_t top = tempered_softmax_row(scores, n, 1.0f / soft_t, h, stride, &soft_rest);
  if (parts.hard != 0.0f) softmax_row(scores, n, g, stride, &rest);
  float mean = 0.0f, squares = 0.0f;
  if (task.match == TeacherMatch::kProbabilities) {
    for (std::int32_t k = 0; k < n; ++k) {
      const float p = h[k * stride];
      mean += p * (p - soft[k]);
      squares += p * p;
    }
  }
  for (std::int32_t k = 0; k < n; ++k) {
    const float s = h[k * stride], p = parts.hard == 0.0f ? 0.0f : g[k * stride];
    const GradHess of_teacher =
        soft_class(task, scores[k], s, k == top ? soft_rest : 1.0f - s, soft[k], mean, squares, k_factor, factors);
    const float y = parts.hard == 0.0f ? 0.0f : softmax_target(labels, given, k);
    const GradHess cell = two_part_class(of_teacher, p, k == top ? rest : 1.0f - p, y, parts, task.hessian, k_factor);
    g[k * stride] = cell.g;
    h[k * stride] = cell.h;
  }
}

// No functor passed to a function here: that would be a symbol of its own where it is not inlined (backend/isa).
PYGBT_HD void task_gradient(const TaskLoss& task, const TaskRow& row, float* g, float* h, std::ptrdiff_t stride) {
  switch (task.objective) {
    case Objective::kSoftmax:
      return softmax_task(task, row, g, h, stride);
    case Objective::kEntireSpace:
      return entire_space_gradient(row.scores + task.first_target, row.labels + task.first_label,
                                   g + task.first_target * stride, h + task.first_target * stride, stride);
    case Objective::kAbsoluteError:
      return elementwise_task(task, AbsoluteError{}, row, g, h, stride);
    case Objective::kHuber:
      return elementwise_task(task, Huber{task.huber_delta}, row, g, h, stride);
    case Objective::kQuantile:
      return elementwise_task(task, Quantile{static_cast<float>(task.quantile_level)}, row, g, h, stride);
    case Objective::kPoisson:
      return elementwise_task(task, Poisson{}, row, g, h, stride);
    case Objective::kGamma:
      return elementwise_task(task, Gamma{}, row, g, h, stride);
    case Objective::kTweedie:
      return elementwise_task(task, Tweedie{task.tweedie_power}, row, g, h, stride);
    case Objective::kLogistic:
    case Objective::kOneVsRest:
      return elementwise_task(task, LogisticLoss{task.scale_pos_weight}, row, g, h, stride);
    default:
      return elementwise_task(task, SquaredError{}, row, g, h, stride);
  }
}

// The gradient of a task with its weight among the others.
PYGBT_HD GradHess weighted(const TaskLoss& task, const GradHess& cell) {
  if (task.weight == 1.0f) return cell;
  return {task.weight * cell.g, cell.h == 0.0f ? 0.0f : positive(task.weight * cell.h)};
}

// g and h of all tasks of a row, unweighted by the row's weight, at g[target * stride].
PYGBT_HD void task_gradients(const TaskLoss* tasks, std::int32_t n_tasks, const TaskRow& row, float* g, float* h,
                             std::ptrdiff_t stride) {
  for (std::int32_t i = 0; i < n_tasks; ++i) {
    const TaskLoss& task = tasks[i];
    task_gradient(task, row, g, h, stride);
    if (task.weight == 1.0f) continue;
    for (std::int32_t k = 0; k < task.n_targets; ++k) {
      const std::ptrdiff_t at = (task.first_target + k) * stride;
      const GradHess cell = weighted(task, {g[at], h[at]});
      g[at] = cell.g;
      h[at] = cell.h;
    }
  }
}

}  // namespace pygbt
