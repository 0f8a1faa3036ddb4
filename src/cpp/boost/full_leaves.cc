// SPDX-License-Identifier: Apache-2.0
#include "boost/full_leaves.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/pool.h"
#include "boost/task_targets.h"
#include "math/full_leaves.h"
#include "math/softmax.h"

namespace pygbt {
namespace {

// x = -A^-1 g for a positive definite triangle, which is overwritten. Where a pivot is not positive x stays what it was.
void solve_in_place(std::vector<double>& a, std::vector<double>& g, std::span<double> x) {
  const auto n = static_cast<std::int64_t>(g.size());
  for (std::int64_t j = 0; j < n; ++j) {
    const double pivot = cholesky_pivot(a.data(), j);
    if (!(pivot > 0.0)) return;
    const double root = std::sqrt(pivot);
    a[static_cast<std::size_t>(triangle_at(j, j))] = root;
    for (std::int64_t row = j + 1; row < n; ++row)
      a[static_cast<std::size_t>(triangle_at(row, j))] = cholesky_cell(a.data(), row, j, root);
  }
  solve_by_factor(a.data(), n, g.data());
  std::copy(g.begin(), g.end(), x.begin());
}

}  // namespace

// Adds the row's curvature in steps of 1 / scale.
void FullSoftmaxLeaves::add_row(std::int64_t row, const float* scores, double scale,
                                std::vector<std::int64_t>& sums) const {
  thread_local std::vector<float> p;
  p.resize(static_cast<std::size_t>(task_.n_targets));
  const CurvatureParts parts = curvature_parts(task_, task_row(targets_, task_.n_targets, row));
  const auto times = static_cast<std::int64_t>(data_.weight(row));
  for (const CurvaturePart& part : {parts.first, parts.second}) {
    if (part.weight == 0.0) continue;
    float rest = 0.0f;
    tempered_softmax_row(scores, task_.n_targets, 1.0f / part.temperature, p.data(), 1, &rest);
    std::size_t cell = 0;
    for (std::size_t j = 0; j < p.size(); ++j)
      for (std::size_t k = 0; k <= j; ++k)
        sums[cell++] += times * curvature_cell(p[j], p[k], j == k, part.weight * scale);
  }
}

void FullSoftmaxLeaves::solve(Backend& backend, std::span<const NodeId> leaves, std::int32_t /*first_target*/,
                              std::span<const Cell> sums, std::span<const CellUnits> units, std::span<double> values) {
  const auto n = static_cast<std::size_t>(task_.n_targets);
  const std::span<const float> scores = backend.scores();
  std::vector<std::vector<RowId>> rows;
  for (const NodeId leaf : leaves) rows.push_back(backend.rows_of(leaf));
  const double scale = curvature_scale(data_.total_weight);
  parallel_for(resolve_threads(n_threads_), static_cast<std::int64_t>(leaves.size()), [&](std::int64_t leaf, int) {
    const auto l = static_cast<std::size_t>(leaf);
    std::vector<std::int64_t> products(n * (n + 1) / 2);
    for (const RowId row : rows[l]) add_row(row, scores.data() + static_cast<std::size_t>(row) * n, scale, products);
    std::vector<double> curvature(products.size());
    const double unit = data_.weight_unit / scale;
    for (std::size_t i = 0; i < products.size(); ++i) curvature[i] = static_cast<double>(products[i]) * unit;
    std::vector<double> g(n);
    for (std::size_t k = 0; k < n; ++k) {
      curvature[static_cast<std::size_t>(triangle_at(static_cast<std::int64_t>(k), static_cast<std::int64_t>(k)))] +=
          lambda_;
      g[k] = static_cast<double>(sums[l * n + k].g) * units[k].g;
    }
    solve_in_place(curvature, g, values.subspan(l * n, n));
  });
}

}  // namespace pygbt
