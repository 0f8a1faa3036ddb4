// SPDX-License-Identifier: Apache-2.0
#include "ensemble/first_order.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <utility>

#include "base/error.h"
#include "base/pool.h"
#include "boost/base_score.h"
#include "boost/exact_sum.h"
#include "data/weights.h"
#include "ensemble/line_search.h"
#include "math/links.h"
#include "math/weighted_quantile.h"

namespace pygbt {
namespace {

constexpr std::int64_t kGrain = 4096;

template <class E>
E enum_from(const std::string& name) {
  const auto names = enum_names(E{});
  for (std::size_t i = 0; i < names.size(); ++i)
    if (names[i] == name) return static_cast<E>(i);
  throw InvalidArgument("loss: unknown name '" + name + "'");
}

}  // namespace

template <class F>
auto FirstOrder::visit(F&& f) const {
  if (exponential_) return f(ExponentialLoss{});
  if (spec_.objective == Objective::kSoftmax) return f(LogisticLoss{1.0f});
  return visit_loss(spec_, 0, std::forward<F>(f));
}

FirstOrder::FirstOrder(const std::string& loss, std::span<const double> labels, std::int32_t n_targets,
                       std::span<const double> weights, double level, int n_threads)
    : exponential_(loss == "exponential"), level_(level), n_threads_(n_threads), label_(labels.begin(), labels.end()) {
  require(!labels.empty(), "y must have at least one row");
  require(level > 0.0 && level < 1.0, "alpha must lie between 0 and 1");
  if (!exponential_) spec_.objective = enum_from<Objective>(loss);
  const bool softmax = is(Objective::kSoftmax);
  require(softmax ? n_targets >= 2 : n_targets == 1, "loss: softmax has a margin a class, all others have one");
  spec_.n_targets = n_targets;
  if (is(Objective::kQuantile)) spec_.quantile_alpha = {level};
  require(is_elementwise(spec_) || softmax, "loss: no formula of its own");
  for (const double y : label_) {
    require(std::isfinite(y), "y holds values that are not finite");
    if (exponential_ || is(Objective::kLogistic)) require(y == 0.0 || y == 1.0, "y must hold classes 0 and 1");
    if (is(Objective::kPoisson)) require(y >= 0.0, "y must not be negative for loss=\"poisson\"");
    if (is(Objective::kGamma)) require(y > 0.0, "y must be positive for loss=\"gamma\"");
    if (softmax) require(y >= 0.0 && y < n_targets && y == std::floor(y), "y must hold class numbers");
  }
  require(weights.empty() || weights.size() == labels.size(), "sample_weight: one for each row");
  if (!weights.empty()) weight_ = fix_weights(weights, n_threads).values;
  margin_.assign(label_.size() * static_cast<std::size_t>(n_targets), 0.0);
}

double FirstOrder::margin(std::size_t row, std::int32_t target) const {
  if (spec_.n_targets == 1) return margin_[row];
  const auto n = static_cast<std::size_t>(spec_.n_targets);
  const double* z = &margin_[row * n];
  double top = -HUGE_VAL;
  for (std::size_t k = 0; k < n; ++k)
    if (k != static_cast<std::size_t>(target)) top = std::max(top, z[k]);
  double sum = 0.0;
  for (std::size_t k = 0; k < n; ++k)
    if (k != static_cast<std::size_t>(target)) sum += exp_f64(z[k] - top);
  return z[target] - top - log_f64(sum);
}

double FirstOrder::label(std::size_t row, std::int32_t target) const {
  return spec_.n_targets == 1 ? label_[row] : (label_[row] == target ? 1.0 : 0.0);
}

std::vector<double> FirstOrder::start() {
  const auto n = static_cast<std::size_t>(spec_.n_targets);
  std::vector<std::uint32_t> all;
  for (std::size_t i = 0; i < label_.size(); ++i)
    if (weight(i) > 0) all.push_back(static_cast<std::uint32_t>(i));
  std::fill(margin_.begin(), margin_.end(), 0.0);
  std::vector<double> base(n, 0.0);
  const auto share = [&](std::int32_t k) {
    ExactSum positive, total;
    for (const std::uint32_t row : all) {
      positive.add(label(row, k), weight(row));
      total.add(1.0, weight(row));
    }
    return std::clamp(positive.value() / total.value(), kLeastShare, 1.0 - kLeastShare);
  };
  if (is(Objective::kSoftmax)) {
    for (std::size_t k = 0; k < n; ++k) base[k] = log_f64(share(static_cast<std::int32_t>(k)));
  } else if (exponential_ || is(Objective::kLogistic)) {
    const double p = share(0);
    base[0] = (log_f64(p) - log_f64(1.0 - p)) * (exponential_ ? 0.5 : 1.0);
  } else if (is(Objective::kHuber)) {
    base[0] = residual_quantile(all, 0.5);
  } else {
    base[0] = leaf_step(0, all, LineSearch::kExact);
  }
  for (std::size_t i = 0; i < margin_.size(); ++i) margin_[i] = base[i % n];
  return base;
}

void FirstOrder::begin_round() {
  if (!is(Objective::kHuber)) return;
  std::vector<WeightedValue> deviations;
  for (std::size_t i = 0; i < label_.size(); ++i)
    if (weight(i) > 0) deviations.push_back({std::abs(label_[i] - margin_[i]), weight(i)});
  const double delta = weighted_quantile(deviations, level_);
  spec_.huber_delta = static_cast<float>(std::max(delta, 1e-30));  // all residuals are 0: nothing moves
}

void FirstOrder::negative_gradient(std::int32_t target, std::span<double> out) const {
  require(target >= 0 && target < spec_.n_targets && out.size() == label_.size(), "out must be [row]");
  visit([&](const auto& loss) {
    parallel_ranges(resolve_threads(n_threads_), n_rows(), kGrain, [&](std::int64_t begin, std::int64_t end, int) {
      for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i)
        out[i] = -loss.gradient(margin(i, target), label(i, target)).g;
    });
  });
}

double FirstOrder::residual_quantile(std::span<const std::uint32_t> rows, double level) const {
  std::vector<WeightedValue> residuals;
  residuals.reserve(rows.size());
  for (const std::uint32_t row : rows) residuals.push_back({label_[row] - margin_[row], weight(row)});
  return level == 0.5 ? weighted_median(residuals) : weighted_quantile(residuals, level);
}

double FirstOrder::leaf_step(std::int32_t target, std::span<const std::uint32_t> rows, LineSearch search) const {
  if (is(Objective::kAbsoluteError)) return residual_quantile(rows, 0.5);
  if (is(Objective::kQuantile)) {
    std::vector<WeightedValue> residuals;
    for (const std::uint32_t row : rows) residuals.push_back({label_[row] - margin_[row], weight(row)});
    return weighted_quantile(residuals, level_);
  }
  std::vector<SearchCell> cells;
  cells.reserve(rows.size());
  for (const std::uint32_t row : rows) cells.push_back({margin(row, target), label(row, target), weight(row)});
  if (is(Objective::kSquaredError)) return mean_residual(cells);
  if (is(Objective::kHuber)) {
    const double median = residual_quantile(rows, 0.5);
    const Huber loss{spec_.huber_delta};
    return search == LineSearch::kExact ? exact_step(loss, cells, median) : median + newton_step(loss, cells, median);
  }
  return visit([&](const auto& loss) {
    if (search == LineSearch::kExact) return exact_step(loss, cells, 0.0);
    const double k = spec_.n_targets;
    return newton_step(loss, cells, 0.0) * (spec_.n_targets > 1 ? (k - 1.0) / k : 1.0);  // Friedman's K-class step
  });
}

std::vector<double> FirstOrder::leaf_steps(std::int32_t target, std::span<const std::int32_t> leaf,
                                           std::int32_t n_leaves, LineSearch search) const {
  require(target >= 0 && target < spec_.n_targets && leaf.size() == label_.size(), "leaf must be [row]");
  const auto n = static_cast<std::size_t>(n_leaves);
  std::vector<std::size_t> begin(n + 1, 0);
  for (std::size_t i = 0; i < leaf.size(); ++i) {
    require(leaf[i] >= 0 && leaf[i] < n_leaves, "leaf: a number is out of range");
    if (weight(i) > 0) ++begin[static_cast<std::size_t>(leaf[i]) + 1];
  }
  std::partial_sum(begin.begin(), begin.end(), begin.begin());
  std::vector<std::uint32_t> rows(begin.back());
  std::vector<std::size_t> next(begin.begin(), begin.end() - 1);
  for (std::size_t i = 0; i < leaf.size(); ++i)
    if (weight(i) > 0) rows[next[static_cast<std::size_t>(leaf[i])]++] = static_cast<std::uint32_t>(i);
  std::vector<double> steps(n, 0.0);
  parallel_for(resolve_threads(n_threads_), n_leaves, [&](std::int64_t task, int) {
    const auto i = static_cast<std::size_t>(task);
    if (begin[i] == begin[i + 1]) return;
    steps[i] = leaf_step(target, std::span(rows).subspan(begin[i], begin[i + 1] - begin[i]), search);
  });
  return steps;
}

void FirstOrder::advance(std::int32_t target, std::span<const std::int32_t> leaf, std::span<const double> step,
                         double rate) {
  require(target >= 0 && target < spec_.n_targets && leaf.size() == label_.size(), "leaf must be [row]");
  const auto n = static_cast<std::size_t>(spec_.n_targets);
  for (std::size_t i = 0; i < leaf.size(); ++i) {
    require(leaf[i] >= 0 && static_cast<std::size_t>(leaf[i]) < step.size(), "leaf: a number is out of range");
    margin_[i * n + static_cast<std::size_t>(target)] += rate * step[static_cast<std::size_t>(leaf[i])];
  }
}

double FirstOrder::mean_loss() const {
  ExactSum sum, total;
  visit([&](const auto& loss) {
    for (std::size_t i = 0; i < label_.size(); ++i) {
      const std::int32_t target = spec_.n_targets == 1 ? 0 : static_cast<std::int32_t>(label_[i]);
      sum.add(loss.loss(margin(i, target), label(i, target)), weight(i));
      total.add(1.0, weight(i));
    }
  });
  return sum.value() / total.value();
}

void margin_values(const std::string& loss, std::span<double> margins, std::int32_t n_targets) {
  if (loss == "exponential") {  // the margin is half the log of the odds
    for (double& z : margins) z = link_value(Link::kSigmoid, 2.0 * z);
    return;
  }
  const Link link = link_of(enum_from<Objective>(loss));
  if (link != Link::kSoftmax) {
    for (double& z : margins) z = link_value(link, z);
    return;
  }
  const auto n = static_cast<std::size_t>(n_targets);
  for (std::size_t i = 0; i < margins.size(); i += n) {
    const double top = *std::max_element(&margins[i], &margins[i] + n);
    double sum = 0.0;
    for (std::size_t k = i; k < i + n; ++k) sum += margins[k] = exp_f64(margins[k] - top);
    for (std::size_t k = i; k < i + n; ++k) margins[k] /= sum;
  }
}

}  // namespace pygbt
