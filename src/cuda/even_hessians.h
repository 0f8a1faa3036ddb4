// SPDX-License-Identifier: Apache-2.0
// Trees whose rows all have one hessian: squared errors, absolute ones, quantiles, or a user's gradients. Of such rows a
// histogram need not add hessians up, but rows: a sum and a number that may share a word (shared_cells.h). Found on the
// device, from sums that are there: h <= that of the largest, so sum h = n * that only where all of them are equal.
#pragma once

#include <bit>
#include <cstdint>

#include "block.h"
#include "device.h"
#include "math/quantise.h"
#include "quantised.h"
#include "shared_cells.h"
#include "tree_work.h"

namespace pygbt::device {

struct EvenHessians {
  const std::uint32_t* extremes;  // [target][2]
  std::uint32_t* h;  // [width] of every row of the tree, as integers; [0] = 0 where those of some target differ
  WordTrials* trials;  // [group]
  std::int32_t n_groups;

  // By one block. sums: [width] of the tree's rows, which are `targets`' from `first` on.
  PYGBT_KERNEL void find(const QuantisedTargets& targets, Precision precision, std::int32_t first, std::int32_t width,
                         const DrawnSums* sums) const {
    PYGBT_ROLL
    for (std::int32_t i = thread(); i < n_groups; i += n_threads()) trials[i].judge();
    if (thread() != 0) return;
    bool even = true;
    PYGBT_ROLL
    for (std::int32_t k = 0; k < width; ++k) {
      const Quantiser& scales = targets.rows(first + k, precision).scales;
      const float most = std::bit_cast<float>(extremes[2 * (first + k) + 1]);
      const std::int64_t largest = quantise_hessian(most, scales.h_scale, scales.h_limit);
      even = even && largest > 0 && sums[k].h == sums[k].weight * largest;
      h[k] = static_cast<std::uint32_t>(largest);
    }
    if (!even) h[0] = 0;
  }
};

}  // namespace pygbt::device
