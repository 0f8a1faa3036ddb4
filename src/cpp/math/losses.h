// SPDX-License-Identifier: Apache-2.0
// Every loss whose gradient looks at one (row, target) cell: one small functor each, host and device, unweighted.
// gradient() decides splits and is float32 from explog.h (float64 for first-order boosting, from the same formula);
// loss() is its float64 antiderivative, for tests and docs.
// Backends loop, visit_loss picks the functor; softmax couples the targets of a row and lives in softmax.h, ranking couples
// the rows of a query and lives in rank_loss.h.
#pragma once

#include <cstdint>
#include <vector>

#include "base/error.h"
#include "base/host_device.h"
#include "math/explog.h"
#include "math/rank_spec.h"
#include "math/task.h"
#include "params/params.gen.h"

namespace pygbt {

// Which loss, and its constants. Shared by backends, base scores, metrics and links.
struct LossSpec {
  Objective objective = Objective::kSquaredError;
  SoftmaxHessian hessian = SoftmaxHessian::kAuto;
  std::int32_t n_targets = 1;  // K: margins per row
  bool soft_labels = false;  // softmax given (n, K) probabilities rather than (n, 1) class ids
  float huber_delta = 1.0f;
  float tweedie_power = 1.5f;  // in (1, 2)
  float scale_pos_weight = 1.0f;  // logistic, one_vs_rest: weight of the positive part of a label
  std::vector<double> quantile_alpha = {0.5};  // [levels]
  std::vector<TaskLoss> tasks;  // not empty: gradients come from these, row by row (math/task_loss.h)
  RankSpec rank;  // ranking objectives
};

template <class Real>
struct GradHessOf {
  Real g;
  Real h;
};
using GradHess = GradHessOf<float>;

inline constexpr float kMinHessian = 1e-16f;  // losses on the probability scale: positive stays positive
inline constexpr float kGradientCap = 1e30f;  // losses with a log link: label * exp stays finite

struct SquaredError {  // (z - y)^2 / 2
  template <class Real>
  PYGBT_HD GradHessOf<Real> gradient(Real z, Real y) const {
    return {z - y, Real(1)};
  }
  PYGBT_HD double loss(double z, double y) const { return 0.5 * (z - y) * (z - y); }
};

struct AbsoluteError {  // |z - y|; leaves are set by an exact median, h only counts rows
  template <class Real>
  PYGBT_HD GradHessOf<Real> gradient(Real z, Real y) const {
    return {z > y ? Real(1) : (z < y ? Real(-1) : Real(0)), Real(1)};
  }
  PYGBT_HD double loss(double z, double y) const { return z > y ? z - y : y - z; }
};

struct Huber {  // r^2 / 2 for |r| <= delta, else delta (|r| - delta / 2), r = z - y. h = 1 also outside: bounded steps
  float delta;
  template <class Real>
  PYGBT_HD GradHessOf<Real> gradient(Real z, Real y) const {
    const Real most = static_cast<Real>(delta);
    Real r = z - y;
    r = r > most ? most : r;
    r = r < -most ? -most : r;
    return {r, Real(1)};
  }
  PYGBT_HD double loss(double z, double y) const {
    const double r = z > y ? z - y : y - z;
    const double d = static_cast<double>(delta);
    return r <= d ? 0.5 * r * r : d * (r - 0.5 * d);
  }
};

struct Quantile {  // pinball: alpha (y - z) above, (1 - alpha) (z - y) below; leaves are set by an exact quantile
  float alpha;
  template <class Real>
  PYGBT_HD GradHessOf<Real> gradient(Real z, Real y) const {
    const Real level = static_cast<Real>(alpha);
    return {z >= y ? Real(1) - level : -level, Real(1)};
  }
  PYGBT_HD double loss(double z, double y) const {
    const double a = static_cast<double>(alpha);
    return z >= y ? (1.0 - a) * (z - y) : a * (y - z);
  }
};

struct Poisson {  // e^z - y z, mean e^z
  template <class Real>
  PYGBT_HD GradHessOf<Real> gradient(Real z, Real y) const {
    const Real mean = exp_of(z);
    return {mean - y, mean};
  }
  PYGBT_HD double loss(double z, double y) const { return exp_f64(z) - y * z; }
};

struct Gamma {  // z + y e^-z, mean e^z, y > 0
  template <class Real>
  PYGBT_HD GradHessOf<Real> gradient(Real z, Real y) const {
    constexpr Real kLeast = kMinHessian, kMost = kGradientCap;
    Real ratio = y * exp_of(-z);
    ratio = ratio > kMost ? kMost : ratio;
    return {Real(1) - ratio, ratio < kLeast ? kLeast : ratio};
  }
  PYGBT_HD double loss(double z, double y) const { return z + y * exp_f64(-z); }
};

struct Tweedie {  // -y e^((1-p) z) / (1-p) + e^((2-p) z) / (2-p), mean e^z, 1 < p < 2
  float power;
  template <class Real>
  PYGBT_HD GradHessOf<Real> gradient(Real z, Real y) const {
    constexpr Real kMost = kGradientCap;
    const Real p = static_cast<Real>(power);
    Real a = y * exp_of((Real(1) - p) * z);
    a = a > kMost ? kMost : a;
    const Real b = exp_of((Real(2) - p) * z);
    return {b - a, (p - Real(1)) * a + (Real(2) - p) * b};
  }
  PYGBT_HD double loss(double z, double y) const {
    const double p = static_cast<double>(power);
    return exp_f64((2.0 - p) * z) / (2.0 - p) - y * exp_f64((1.0 - p) * z) / (1.0 - p);
  }
};

// -(w y log p + (1 - y) log(1 - p)), p = sigmoid(z), y anywhere in [0, 1], w = scale_pos_weight. A soft label is
// y positive rows of weight w and 1 - y negative rows; no cancellation in g where p is near y = 0 or 1.
struct LogisticLoss {
  float positive_weight;
  template <class Real>
  PYGBT_HD GradHessOf<Real> gradient(Real z, Real y) const {
    constexpr Real kLeast = kMinHessian;
    const LogisticOf<Real> s = logistic_of(z);
    const Real positive = static_cast<Real>(positive_weight) * y;
    const Real negative = Real(1) - y;
    const Real h = (positive + negative) * (s.p * s.q);
    return {negative * s.p - positive * s.q, h < kLeast ? kLeast : h};
  }
  PYGBT_HD double loss(double z, double y) const {
    return static_cast<double>(positive_weight) * y * softplus_f64(-z) + (1.0 - y) * softplus_f64(z);
  }
};

// The label that (row, target) of an elementwise loss sees, from the row's n_labels labels:
// one label a target -> its own; one label and one_vs_rest -> is the class id this target?; one label and several
// targets (quantile levels) -> the same label for all.
PYGBT_HD float elementwise_label(const float* row_labels, std::int32_t n_labels, std::int32_t target, bool one_hot) {
  if (n_labels > 1) return row_labels[target];
  if (one_hot) return row_labels[0] == static_cast<float>(target) ? 1.0f : 0.0f;
  return row_labels[0];
}

// Class ids that one_vs_rest turns into 0 / 1 per target.
PYGBT_HD bool one_hot_labels(const LossSpec& spec, std::int32_t n_labels) {
  return spec.objective == Objective::kOneVsRest && n_labels == 1;
}

PYGBT_HD bool is_elementwise(const LossSpec& spec) {
  return spec.objective != Objective::kSoftmax && spec.objective != Objective::kCustom && !is_ranking(spec.objective);
}

// Level of the residual quantile that sets the leaf values of a target; negative where -G / (H + lambda) does.
PYGBT_HD double leaf_quantile_level(const LossSpec& spec, std::int32_t target) {
  for (const TaskLoss& task : spec.tasks) {
    if (spec.objective != Objective::kTasks) break;
    if (target < task.first_target || target >= task.first_target + task.n_targets) continue;
    if (task.objective == Objective::kAbsoluteError) return 0.5;
    return task.objective == Objective::kQuantile ? task.quantile_level : -1.0;
  }
  if (spec.objective == Objective::kAbsoluteError) return 0.5;
  if (spec.objective != Objective::kQuantile) return -1.0;
  const auto& levels = spec.quantile_alpha;
  return levels[levels.size() == 1 ? 0 : static_cast<std::size_t>(target)];
}

// f(functor) for the loss of one target (it selects the quantile level). Throws for softmax and custom.
template <class F>
auto visit_loss(const LossSpec& spec, std::int32_t target, F&& f) {
  switch (spec.objective) {
    case Objective::kSquaredError:
      return f(SquaredError{});
    case Objective::kAbsoluteError:
      return f(AbsoluteError{});
    case Objective::kHuber:
      return f(Huber{spec.huber_delta});
    case Objective::kQuantile:
      return f(Quantile{static_cast<float>(leaf_quantile_level(spec, target))});
    case Objective::kPoisson:
      return f(Poisson{});
    case Objective::kGamma:
      return f(Gamma{});
    case Objective::kTweedie:
      return f(Tweedie{spec.tweedie_power});
    case Objective::kLogistic:
    case Objective::kOneVsRest:
      return f(LogisticLoss{spec.scale_pos_weight});
    default:
      throw InvalidArgument("this objective has no elementwise loss");
  }
}

}  // namespace pygbt
