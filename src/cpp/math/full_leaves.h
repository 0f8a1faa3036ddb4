// SPDX-License-Identifier: Apache-2.0
// Leaf values of a softmax task by the whole K x K curvature of a leaf: w = -(H + lambda I)^-1 G with H = sum of
// diag p - p p^T over its rows, or of its blend with the teacher's part. Sums are integers, the solution is a Cholesky
// factorisation in one fixed order. A triangle has its rows one after the other, (j, k) with k <= j.
#pragma once

#include <cmath>
#include <cstdint>

#include "base/host_device.h"
#include "math/task.h"
#include "math/task_loss.h"

namespace pygbt {

PYGBT_HD std::int64_t triangle_at(std::int64_t j, std::int64_t k) { return j * (j + 1) / 2 + k; }

// What a row's probabilities at a temperature count.
struct CurvaturePart {
  float temperature = 1.0f;
  double weight = 0.0;
};
struct CurvatureParts {
  CurvaturePart first, second;
};

PYGBT_HD CurvatureParts curvature_parts(const TaskLoss& task, const TaskRow& row) {
  const bool has_label = row.labels != nullptr && !is_missing(row.labels[0]);
  const bool has_teacher = row.soft != nullptr && !is_missing(row.soft[0]);
  const SoftAndHard parts = part_weights(task, has_label, has_teacher, row.trust);
  const float t = task.temperature * row.temperature;
  CurvatureParts of;
  if (parts.soft == 0.0f || t == 1.0f) {
    of.first.weight = static_cast<double>(parts.soft) + static_cast<double>(parts.hard);
    return of;
  }
  of.first = {t, static_cast<double>(parts.soft) * static_cast<double>(temperature_factors(task, t).h)};
  of.second.weight = static_cast<double>(parts.hard);
  return of;
}

// Cell (j, k) of diag p - p p^T times a factor, as an integer.
PYGBT_HD std::int64_t curvature_cell(float p_j, float p_k, bool diagonal, double factor) {
  const double product = static_cast<double>(p_j) * static_cast<double>(p_k);
  const double cell = diagonal ? static_cast<double>(p_j) - product : -product;
  return static_cast<std::int64_t>(std::floor(cell * factor + 0.5));
}

// Steps of these integers in a weight of 1: sums of |cell| <= 2 (temperatures below 1 raise them by T^-2 at most where T^2
// is off) stay below 2^62.
inline double curvature_scale(std::uint64_t total_weight) {
  int bits = 60;
  for (; total_weight > 0; total_weight /= 2) --bits;
  return std::ldexp(1.0, bits < 44 ? bits : 44);
}

// The factorisation and the solution go cell by cell: cell - sum of a[i] b[i], in order.
PYGBT_HD double less_products(double cell, const double* a, const double* b, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) cell -= a[i] * b[i];
  return cell;
}

// Square of the diagonal's cell j of the factor, from the triangle whose columns before j are the factor's. Not positive:
// there is no solution.
PYGBT_HD double cholesky_pivot(const double* a, std::int64_t j) {
  const double* const row = a + triangle_at(j, 0);
  return less_products(row[j], row, row, j);
}
// Cell (row, j) of the factor below the diagonal, whose cell j is `root`.
PYGBT_HD double cholesky_cell(const double* a, std::int64_t row, std::int64_t j, double root) {
  const double* const of_row = a + triangle_at(row, 0);
  return less_products(of_row[j], of_row, a + triangle_at(j, 0), j) / root;
}
// x = -A^-1 g by the factor of A.
PYGBT_HD void solve_by_factor(const double* a, std::int64_t n, double* x) {
  for (std::int64_t j = 0; j < n; ++j) {
    const double* const row = a + triangle_at(j, 0);
    x[j] = less_products(-x[j], row, x, j) / row[j];
  }
  for (std::int64_t j = n; j-- > 0;) {
    double cell = x[j];
    for (std::int64_t i = j + 1; i < n; ++i) cell -= a[triangle_at(i, j)] * x[i];
    x[j] = cell / a[triangle_at(j, j)];
  }
}

}  // namespace pygbt
