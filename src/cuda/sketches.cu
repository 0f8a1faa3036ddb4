// SPDX-License-Identifier: Apache-2.0
// Sketches of gradients in place of those of all targets, and the factors by which tasks count alike: what is made of the
// means of the present gradients before a tree begins (math/sketch.h, math/balance.h).
#include <utility>

#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/balance.h"
#include "math/layout.h"
#include "math/sketch.h"
#include "quantised.h"
#include "transpose.h"

namespace pygbt::device {

namespace {

// Behind the targets: sketches of the others.
struct SketchKernel {
  float* g;  // [target, sketches after the others][row]
  float* h;
  const float* factors;  // [sketch][target]
  std::int64_t n_rows;
  std::int32_t n_targets, n_sketches;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n_rows; row += row_step()) {
      float curvature = 0.0f;
      for (std::int32_t k = 0; k < n_targets; ++k) curvature += h[target_major(k, row, n_rows)];
      for (std::int32_t j = 0; j < n_sketches; ++j) {
        float sum = 0.0f;
        for (std::int32_t k = 0; k < n_targets; ++k)
          sum = sketch_step(sum, factors[std::int64_t{j} * n_targets + k], g[target_major(k, row, n_rows)]);
        g[target_major(n_targets + j, row, n_rows)] = sum;
        h[target_major(n_targets + j, row, n_rows)] = sketch_curvature(curvature, n_targets);
      }
    }
  }
};

// Factors [target] of groups of targets. A thread a group; one block. Clears the sums for the next tree.
struct BalanceKernel {
  const BalancedTargets* groups;
  std::int32_t n_groups;
  NarrowMeans means;
  DrawnSums* totals;  // [target]
  CellUnits* factors;

  PYGBT_KERNEL void operator()() const {
    for (std::int32_t i = thread(); i < n_groups; i += n_threads()) {
      const BalancedTargets of = groups[i];
      double magnitude = 0.0, hessian = 0.0;
      for (std::int32_t target = of.first; target < of.first + of.n; ++target) {
        magnitude += means.g(target, totals[target].magnitude);
        hessian += means.h(target, totals[target].h);
        totals[target] = DrawnSums{};
      }
      const BalanceFactor factor = balance_factor(of, magnitude, hessian);
      for (std::int32_t target = of.first; target < of.first + of.n; ++target) factors[target] = {factor.g, factor.h};
    }
  }
};

// The targets of the largest gradients, the lower of equal ones: factors [sketch][target]. A thread a target; one block.
struct TopOutputsKernel {
  NarrowMeans means;
  const DrawnSums* totals;  // [target]
  std::int32_t n_targets, n_sketches;
  float* factors;

  PYGBT_KERNEL void operator()() const {
    for (std::int32_t k = thread(); k < n_targets; k += n_threads()) {
      const double mine = means.g(k, totals[k].magnitude);
      std::int32_t rank = 0;
      for (std::int32_t other = 0; other < n_targets; ++other) {
        const double magnitude = means.g(other, totals[other].magnitude);
        rank += magnitude > mine || (magnitude == mine && other < k);
      }
      for (std::int32_t j = 0; j < n_sketches; ++j) factors[std::int64_t{j} * n_targets + k] = rank == j ? 1.0f : 0.0f;
    }
  }
};

// Factors of sketches times those of their targets. One block.
struct BalancedSketchKernel {
  const CellUnits* balance;  // [target]
  std::int32_t n_targets, n_sketches;
  float* factors;  // [sketch][target]

  PYGBT_KERNEL void operator()() const {
    for (std::int32_t i = thread(); i < n_targets * n_sketches; i += n_threads())
      factors[i] *= static_cast<float>(balance[i % n_targets].g);
  }
};

}  // namespace

NarrowMeans CudaBackend::narrow_means() const {
  return {scales_.data(), data_->weight_unit, static_cast<double>(data_->total_weight) * data_->weight_unit};
}

// Of the tree's targets in the search, where they must count alike; else nullptr. Sums of all targets are clear before and
// afterwards.
const CellUnits* CudaBackend::launch_balance(const TreeKind& kind) {
  if (kind.balance.empty()) return nullptr;
  BalanceMemory& memory = balance_;
  launch_totals(nullptr, n_targets_, memory.totals.data());
  device_.launch(1, device_.policy().n_threads,
                 BalanceKernel{growth_.now->balance.data(), static_cast<std::int32_t>(kind.balance.size()),
                               narrow_means(), memory.totals.data(), memory.factors.data()});
  return memory.factors.data();
}

// What launch_balance and launch_sketches need, which recorded launches keep the addresses of.
void CudaBackend::make_balance(GrowthKind& kind) {
  kind.balance.put(kind.kind.balance);
  balance_.totals.make_zero(static_cast<std::size_t>(n_targets_));
  balance_.factors.make(static_cast<std::size_t>(n_targets_));
}

// Room behind the targets' gradients, and the sketches there by factors on the device [n][n_targets].
void CudaBackend::add_sketches(std::int32_t n, const float* factors) {
  const auto wanted = static_cast<std::size_t>(n_rows_ * (n_targets_ + n));
  for (Buffer<float>* const values : {&g_, &h_}) {
    if (values->size() == wanted) continue;
    Buffer<float> larger(device_);
    larger.make(wanted);
    launch_rows(n_rows_ * n_targets_, TransposeKernel{values->data(), larger.data(), n_rows_ * n_targets_, 1});
    values->swap(larger);
  }
  launch_rows(n_rows_, SketchKernel{g_.data(), h_.data(), factors, n_rows_, n_targets_, n});
  n_sketches_ = n;
  find_scales();
}

void CudaBackend::sketch(std::int32_t n, std::span<const float> factors) {
  add_sketches(n, balance_.sketch_factors.put(factors));
}

// The sketches that a tree of the kind is grown on.
void CudaBackend::launch_sketches(const TreeOrder& order) {
  const TreeKind& kind = order.kind;
  Buffer<float>& factors = balance_.sketch_factors;
  const int n_threads = device_.policy().n_threads;
  if (kind.sketch_kind == SketchKind::kRandomProjection) {
    factors.put(order.sketch_factors);
  } else {
    factors.make(std::int64_t{kind.sketch} * n_targets_);
    launch_totals(nullptr, n_targets_, balance_.totals.data());
    device_.launch(1, n_threads,
                   TopOutputsKernel{narrow_means(), balance_.totals.data(), n_targets_, kind.sketch, factors.data()});
    balance_.totals.clear();
  }
  if (const CellUnits* const balance = launch_balance(kind); balance != nullptr)
    device_.launch(1, n_threads, BalancedSketchKernel{balance, n_targets_, kind.sketch, factors.data()});
  add_sketches(kind.sketch, factors.data());
}

}  // namespace pygbt::device
