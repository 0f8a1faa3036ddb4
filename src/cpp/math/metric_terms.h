// SPDX-License-Identifier: Apache-2.0
// What a row contributes to a metric: one small functor each, host and device, float64, unweighted. Metrics are made of
// exact weighted sums of these (boost/metric_*.cc); whoever has the scores adds them up (backend/scored_rows.h).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "base/host_device.h"
#include "math/explog.h"
#include "math/links.h"
#include "math/losses.h"
#include "math/softmax.h"

namespace pygbt {

enum class MetricTerm {
  // Sums over the row's targets, of values in units of the label.
  kSquare,
  kAbsolute,
  kRelative,
  kPinball,
  // ... of margins as log means or logits.
  kPoisson,
  kGamma,
  kTweedie,
  kLogLoss,
  kError,
  // Of all classes of the row.
  kSoftmaxLoss,
  kClassError,
  // Of one target.
  kResidual,  // squared, of values
  kLabel,
  kSpread,  // squared, of the label from `mean`
  kHasLabel,
  // Targets of the row that have a label.
  kLabels,
};

// How a row's margins and labels are read.
struct RowShape {
  std::int32_t n_targets = 1;
  std::int32_t n_labels = 1;
  bool class_ids = false;  // labels are class ids: one-hot where a target's label is asked for
  Link link = Link::kIdentity;

  // NaN: the row has none.
  PYGBT_HD double label(const float* labels, std::int32_t target) const {
    const float own = labels[n_labels > 1 ? target : 0];
    if (own != own) return static_cast<double>(own);
    return static_cast<double>(elementwise_label(labels, n_labels, target, class_ids));
  }
};

struct MetricTermSpec {
  MetricTerm term = MetricTerm::kSquare;
  RowShape shape;
  float tweedie_power = 1.5f;
  std::vector<double> levels;  // of kPinball: one, or one a target
  std::int32_t target = 0;
  double mean = 0.0;
};

// One row. values: margins with the link applied, where the link is softmax and the term reads values.
struct MetricRow {
  const float* margins;
  const float* values;
  const float* labels;

  PYGBT_HD double value(Link link, std::int32_t target) const {
    return link == Link::kSoftmax ? static_cast<double>(values[target])
                                  : link_value(link, static_cast<double>(margins[target]));
  }
};

PYGBT_HD bool is_finite_f32(float x) { return (std::bit_cast<std::uint32_t>(x) & 0x7f800000u) != 0x7f800000u; }

// Functions of a cell: value or margin, label, target.

struct SquareCell {
  PYGBT_HD double operator()(double v, double y, std::int32_t) const { return (v - y) * (v - y); }
};

struct AbsoluteCell {
  PYGBT_HD double operator()(double v, double y, std::int32_t) const { return std::fabs(v - y); }
};

// |v - y| / max(|y|, 2^-52), as scikit-learn: a label 0 makes it huge rather than infinite.
struct RelativeCell {
  PYGBT_HD double operator()(double v, double y, std::int32_t) const {
    return std::fabs(v - y) / std::fmax(std::fabs(y), std::numeric_limits<double>::epsilon());
  }
};

struct PinballCell {
  const double* levels;
  bool shared;  // one level for all targets
  PYGBT_HD double operator()(double v, double y, std::int32_t k) const {
    const double alpha = levels[shared ? 0 : k];
    return v >= y ? (1.0 - alpha) * (v - y) : alpha * (y - v);
  }
};

struct PoissonCell {
  PYGBT_HD double operator()(double z, double y, std::int32_t) const {
    const double y_log_y = y > 0.0 ? y * log_f64(y) : 0.0;
    return 2.0 * (y_log_y - y * z - y + exp_f64(z));
  }
};

struct GammaCell {
  PYGBT_HD double operator()(double z, double y, std::int32_t) const {
    return 2.0 * (z - log_f64(y) + y * exp_f64(-z) - 1.0);
  }
};

struct TweedieCell {
  float power;
  PYGBT_HD double operator()(double z, double y, std::int32_t) const {
    const double p = static_cast<double>(power);
    const double best = y > 0.0 ? exp_f64((2.0 - p) * log_f64(y)) / ((1.0 - p) * (2.0 - p)) : 0.0;
    return 2.0 * (best + Tweedie{power}.loss(z, y));
  }
};

struct LogLossCell {
  PYGBT_HD double operator()(double z, double y, std::int32_t) const { return LogisticLoss{1.0f}.loss(z, y); }
};

// The predicted class (margin > 0) is wrong; a soft label is wrong to the extent of the other class.
struct ErrorCell {
  PYGBT_HD double operator()(double z, double y, std::int32_t) const { return z > 0.0 ? 1.0 - y : y; }
};

// Functors of a row. kFinite: NaN where any margin of the row is not finite.

template <class Cell, bool kValues>
struct CellSum {
  static constexpr bool kFinite = true;
  RowShape shape;
  Cell cell;
  PYGBT_HD double operator()(const MetricRow& row) const {
    double sum = 0.0;
    for (std::int32_t k = 0; k < shape.n_targets; ++k) {
      const double y = shape.label(row.labels, k);
      if (y != y) continue;
      const double v = kValues ? row.value(shape.link, k) : static_cast<double>(row.margins[k]);
      sum += cell(v, y, k);
    }
    return sum;
  }
};

struct SoftmaxLossRow {
  static constexpr bool kFinite = true;
  RowShape shape;
  PYGBT_HD double operator()(const MetricRow& row) const {
    if (row.labels[0] != row.labels[0]) return 0.0;
    return softmax_loss(row.margins, row.labels, shape.n_labels > 1, shape.n_targets);
  }
};

// The largest margin (the first of equal ones) is another class; for probabilities, 1 - that of the class predicted.
struct ClassErrorRow {
  static constexpr bool kFinite = true;
  RowShape shape;
  PYGBT_HD double operator()(const MetricRow& row) const {
    if (row.labels[0] != row.labels[0]) return 0.0;
    std::int32_t top = 0;
    for (std::int32_t k = 1; k < shape.n_targets; ++k) top = row.margins[k] > row.margins[top] ? k : top;
    if (shape.n_labels > 1) return 1.0 - static_cast<double>(row.labels[top]);
    return row.labels[0] == static_cast<float>(top) ? 0.0 : 1.0;
  }
};

struct ResidualRow {
  static constexpr bool kFinite = false;
  RowShape shape;
  std::int32_t target;
  PYGBT_HD double operator()(const MetricRow& row) const {
    const double y = shape.label(row.labels, target);
    if (y != y) return 0.0;
    const double residual = row.value(shape.link, target) - y;
    return residual * residual;
  }
};

struct LabelRow {
  static constexpr bool kFinite = false;
  RowShape shape;
  std::int32_t target;
  PYGBT_HD double operator()(const MetricRow& row) const {
    const double y = shape.label(row.labels, target);
    return y != y ? 0.0 : y;
  }
};

struct SpreadRow {
  static constexpr bool kFinite = false;
  RowShape shape;
  std::int32_t target;
  double mean;
  PYGBT_HD double operator()(const MetricRow& row) const {
    const double y = shape.label(row.labels, target);
    return y != y ? 0.0 : (y - mean) * (y - mean);
  }
};

// Labels of the targets [first, end) that are there.
struct LabelsRow {
  static constexpr bool kFinite = false;
  RowShape shape;
  std::int32_t first;
  std::int32_t end;
  PYGBT_HD double operator()(const MetricRow& row) const {
    double n = 0.0;
    for (std::int32_t k = first; k < end; ++k) {
      const double y = shape.label(row.labels, k);
      n += y != y ? 0.0 : 1.0;
    }
    return n;
  }
};

template <class Row>
PYGBT_HD double contribution(const Row& term, const MetricRow& row) {
  if constexpr (Row::kFinite) {
    for (std::int32_t k = 0; k < term.shape.n_targets; ++k)
      if (!is_finite_f32(row.margins[k])) return std::numeric_limits<double>::quiet_NaN();
  }
  return term(row);
}

// Whether rows need MetricRow::values.
inline bool reads_softmax(const MetricTermSpec& spec) {
  if (spec.shape.link != Link::kSoftmax) return false;
  switch (spec.term) {
    case MetricTerm::kSquare:
    case MetricTerm::kAbsolute:
    case MetricTerm::kRelative:
    case MetricTerm::kPinball:
    case MetricTerm::kResidual:
      return true;
    default:
      return false;
  }
}

// f(functor of a row). levels: spec.levels, where the functor will run.
template <class F>
auto visit_term(const MetricTermSpec& spec, const double* levels, F&& f) {
  const RowShape& shape = spec.shape;
  switch (spec.term) {
    case MetricTerm::kSquare:
      return f(CellSum<SquareCell, true>{shape, {}});
    case MetricTerm::kAbsolute:
      return f(CellSum<AbsoluteCell, true>{shape, {}});
    case MetricTerm::kRelative:
      return f(CellSum<RelativeCell, true>{shape, {}});
    case MetricTerm::kPinball:
      return f(
          CellSum<PinballCell, true>{shape, {levels, spec.levels.size() != static_cast<std::size_t>(shape.n_targets)}});
    case MetricTerm::kPoisson:
      return f(CellSum<PoissonCell, false>{shape, {}});
    case MetricTerm::kGamma:
      return f(CellSum<GammaCell, false>{shape, {}});
    case MetricTerm::kTweedie:
      return f(CellSum<TweedieCell, false>{shape, {spec.tweedie_power}});
    case MetricTerm::kLogLoss:
      return f(CellSum<LogLossCell, false>{shape, {}});
    case MetricTerm::kError:
      return f(CellSum<ErrorCell, false>{shape, {}});
    case MetricTerm::kSoftmaxLoss:
      return f(SoftmaxLossRow{shape});
    case MetricTerm::kClassError:
      return f(ClassErrorRow{shape});
    case MetricTerm::kResidual:
      return f(ResidualRow{shape, spec.target});
    case MetricTerm::kHasLabel:
      return f(LabelsRow{shape, spec.target, spec.target + 1});
    case MetricTerm::kLabels:
      return f(LabelsRow{shape, 0, shape.n_targets});
    case MetricTerm::kLabel:
      return f(LabelRow{shape, spec.target});
    default:
      return f(SpreadRow{shape, spec.target, spec.mean});
  }
}

}  // namespace pygbt
