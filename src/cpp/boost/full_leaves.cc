// SPDX-License-Identifier: Apache-2.0
#include "boost/full_leaves.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "base/pool.h"
#include "boost/task_targets.h"
#include "math/task_loss.h"

namespace pygbt {
namespace {

// Place of (j, k), k <= j, in a lower triangle.
std::size_t at(std::size_t j, std::size_t k) { return j * (j + 1) / 2 + k; }

// x = -(A)^-1 g for a positive definite lower triangle, which is overwritten. Where a pivot is not positive the value of
// its row stays what it was.
void solve_in_place(std::vector<double>& a, std::span<const double> g, std::span<double> x) {
  const std::size_t n = g.size();
  for (std::size_t j = 0; j < n; ++j) {
    double pivot = a[at(j, j)];
    for (std::size_t i = 0; i < j; ++i) pivot -= a[at(j, i)] * a[at(j, i)];
    if (!(pivot > 0.0)) return;
    const double root = std::sqrt(pivot);
    a[at(j, j)] = root;
    for (std::size_t row = j + 1; row < n; ++row) {
      double cell = a[at(row, j)];
      for (std::size_t i = 0; i < j; ++i) cell -= a[at(row, i)] * a[at(j, i)];
      a[at(row, j)] = cell / root;
    }
  }
  std::vector<double> y(n);
  for (std::size_t j = 0; j < n; ++j) {
    double cell = -g[j];
    for (std::size_t i = 0; i < j; ++i) cell -= a[at(j, i)] * y[i];
    y[j] = cell / a[at(j, j)];
  }
  for (std::size_t j = n; j-- > 0;) {
    double cell = y[j];
    for (std::size_t i = j + 1; i < n; ++i) cell -= a[at(i, j)] * x[i];
    x[j] = cell / a[at(j, j)];
  }
}

}  // namespace

// weight * (p_j [j = k] - p_j p_k) of both parts, in steps of 1 / scale.
void FullSoftmaxLeaves::add_row(std::int64_t row, const float* scores, double scale,
                                std::vector<std::int64_t>& sums) const {
  thread_local std::vector<float> p;
  const auto n = static_cast<std::size_t>(task_.n_targets);
  p.resize(n);
  const TaskRow of = task_row(targets_, task_.n_targets, row);
  const bool has_label = of.labels != nullptr && !is_missing(of.labels[0]);
  const bool has_teacher = of.soft != nullptr && !is_missing(of.soft[0]);
  const SoftAndHard parts = part_weights(task_, has_label, has_teacher, of.trust);
  const float t = task_.temperature * of.temperature;
  const auto add = [&](float temperature, double weight) {
    if (weight == 0.0) return;
    float rest = 0.0f;
    tempered_softmax_row(scores, task_.n_targets, 1.0f / temperature, p.data(), 1, &rest);
    const double factor = weight * scale;
    const auto times = static_cast<std::int64_t>(data_.weight(row));
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t k = 0; k <= j; ++k) {
        const double product = static_cast<double>(p[j]) * static_cast<double>(p[k]);
        const double cell = j == k ? static_cast<double>(p[j]) - product : -product;
        sums[at(j, k)] += times * static_cast<std::int64_t>(std::floor(cell * factor + 0.5));
      }
  };
  const bool one = parts.soft == 0.0f || t == 1.0f;
  if (one) return add(1.0f, static_cast<double>(parts.soft) + static_cast<double>(parts.hard));
  const double factor = static_cast<double>(temperature_factors(task_, t).h);
  add(t, static_cast<double>(parts.soft) * factor);
  add(1.0f, static_cast<double>(parts.hard));
}

void FullSoftmaxLeaves::solve(Backend& backend, std::span<const NodeId> leaves, std::int32_t /*first_target*/,
                              std::span<const Cell> sums, std::span<const CellUnits> units, std::span<double> values) {
  const auto n = static_cast<std::size_t>(task_.n_targets);
  const std::span<const float> scores = backend.scores();
  std::vector<std::vector<RowId>> rows;
  for (const NodeId leaf : leaves) rows.push_back(backend.rows_of(leaf));
  // Sums of |cell| <= 2 (temperatures below 1 raise them by T^-2 at most where T^2 is off) stay below 2^62.
  const int bits = std::min(60 - static_cast<int>(std::bit_width(data_.total_weight)), 44);
  const double scale = std::ldexp(1.0, bits);
  parallel_for(resolve_threads(n_threads_), static_cast<std::int64_t>(leaves.size()), [&](std::int64_t leaf, int) {
    const auto l = static_cast<std::size_t>(leaf);
    std::vector<std::int64_t> products(n * (n + 1) / 2);
    for (const RowId row : rows[l]) add_row(row, scores.data() + static_cast<std::size_t>(row) * n, scale, products);
    std::vector<double> curvature(products.size());
    const double unit = data_.weight_unit / scale;
    for (std::size_t i = 0; i < products.size(); ++i) curvature[i] = static_cast<double>(products[i]) * unit;
    std::vector<double> g(n);
    for (std::size_t k = 0; k < n; ++k) {
      curvature[at(k, k)] += lambda_;
      g[k] = static_cast<double>(sums[l * n + k].g) * units[k].g;
    }
    solve_in_place(curvature, g, values.subspan(l * n, n));
  });
}

}  // namespace pygbt
