// SPDX-License-Identifier: Apache-2.0
// The start of a tree: its rows, and their gradients as integers. Called by the grow loop on the host and by the growth of
// whole trees, which differ in what follows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "backend/kernels.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "even_hessians.h"
#include "math/layout.h"
#include "quantised.h"

namespace pygbt::device {

// Integers of the drawn rows, and their sums weighted. Once those are known one block does `then`; all of them do
// `beside`.
template <class Gradient, class Then, class Beside>
struct QuantiseKernel {
  static constexpr int kLeastBlocks = 4;
  static constexpr int kAtOnce = 4;  // rows
  static constexpr Precision kPrecision =
      sizeof(Gradient) == sizeof(NarrowGradient) ? Precision::kNarrow : Precision::kWide;

  QuantisedTargets targets;
  const TreeArguments* tree;
  RowId* rows;  // [*n_drawn], or all rows in their order, which are written here
  const std::int64_t* n_drawn;  // nullptr = all
  Gradient* out;  // [place of the row] or, of several targets, [row][width]
  std::int32_t width;
  DrawnSums* sums;  // [width] zero before
  EvenHessians even;
  Arrivals arrivals;
  Then then;
  Beside beside;

  PYGBT_KERNEL void operator()() const {
    const std::int64_t n = n_drawn == nullptr ? targets.n_rows : *n_drawn;
    for (std::int32_t k = 0; k < width; ++k) add_up_target(k, n);
    beside();
    if (!arrivals.last_of(n_blocks())) return;
    even.find(targets, kPrecision, tree->first_target, width, sums);
    then();
  }

  PYGBT_KERNEL void add_up_target(std::int32_t k, std::int64_t n) const {
    const QuantisedRows target = targets.rows(tree->first_target + k, kPrecision);
    struct Row {
      RowId id;
      float g, h;
      std::int64_t weight;
    };
    const auto load = [&](std::int64_t i) {
      const RowId row = n_drawn == nullptr ? static_cast<RowId>(i) : rows[i];
      return Row{row, target.g[row], target.h[row], target.weight(row)};
    };
    DrawnSums mine;
    stream_rows<kAtOnce>(n, load, [&](std::int64_t i, const Row& row) {
      if (n_drawn == nullptr && k == 0) rows[i] = row.id;
      Cell cell = target.plain(row.g, row.h);
      Gradient& gradient = out[width == 1 ? i : row_major(row.id, k, width)];
      gradient.g = static_cast<decltype(gradient.g)>(cell.g);
      gradient.h = static_cast<decltype(gradient.h)>(cell.h);
      if (target.weights != nullptr) cell = {row.weight * cell.g, row.weight * cell.h};
      mine.g += cell.g;
      mine.magnitude += cell.g < 0 ? -cell.g : cell.g;
      mine.h += cell.h;
      mine.weight += row.weight;
    });
    add_up(mine, shared<std::int64_t>(), sums + k);
  }
};

// Queues the draw and the integers of the tree that was asked for. Where rows are drawn their number is in
// moves_.left_counts.
template <class Then, class Beside>
void CudaBackend::start_tree(const TreeRequest& request, const Then& then, const Beside& beside) {
  request_ = request;
  in_order_ = request.width == 1;
  for (auto& rows : rows_) rows.make(n_rows_);
  const std::int64_t* const n_drawn = draws_all() ? nullptr : draw_rows();
  gradients_[0].make(n_rows_ * request.width * gradient_bytes());
  gradients_[1].make(in_order_ ? gradients_[0].size() : 0);
  const EvenHessians even{extremes_.data(), even_h_.make(static_cast<std::size_t>(request.width)), word_trials_.data(),
                          static_cast<std::int32_t>(word_trials_.size())};
  const auto quantise = [&]<class Gradient>(Gradient*) {
    device_.launch(std::max(blocks_for(n_rows_), blocks_for(beside.n())), device_.policy().n_threads,
                   QuantiseKernel<Gradient, Then, Beside>{quantised_targets(),
                                                          tree_.data(),
                                                          rows_[0].data(),
                                                          n_drawn,
                                                          reinterpret_cast<Gradient*>(gradients_[0].data()),
                                                          request.width,
                                                          drawn_sums_.data(),
                                                          even,
                                                          {arrivals_.data()},
                                                          then,
                                                          beside},
                   block_scratch());
  };
  if (request.wide)
    quantise(static_cast<WideGradient*>(nullptr));
  else
    quantise(static_cast<NarrowGradient*>(nullptr));
}

}  // namespace pygbt::device
