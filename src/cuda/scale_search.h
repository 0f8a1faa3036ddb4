// SPDX-License-Identifier: Apache-2.0
// The scales of a target's integers, from the largest magnitudes of its gradients: every block of a launch over the rows
// tells those of its rows, the last one compares them. Included by kernels.
#pragma once

#include <bit>
#include <cstdint>

#include "block.h"
#include "device.h"
#include "math/quantise.h"
#include "quantised.h"

namespace pygbt::device {

// Largest |g| and h, as bits: floats that are not negative are ordered as their bits are.
struct Magnitudes {
  std::uint32_t g = 0, h = 0;

  PYGBT_KERNEL void take(const Magnitudes& other) {
    g = other.g > g ? other.g : g;
    h = other.h > h ? other.h : h;
  }
  PYGBT_KERNEL void take(float gradient, float hessian) { take({magnitude_bits(gradient), magnitude_bits(hessian)}); }
};

struct ScaleSearch {
  Magnitudes* of_block;  // [target][most_blocks] scratch
  std::int64_t most_blocks;
  std::uint32_t* extremes;  // [target][2]
  Quantiser* scales;  // [target][kPrecisions]
  std::uint64_t total_weight;
  Arrivals arrivals;

  // Tells what this thread has seen of `target`, as block number `number` of the `n` that have its rows; `n_targets` from
  // `first` on are the work of the launch. shared: a Magnitudes a warp.
  PYGBT_KERNEL void tell(const Magnitudes& seen, std::int32_t target, std::int64_t number, std::int64_t n,
                         std::int32_t first, std::int32_t n_targets) const {
    const Magnitudes most = largest_of_block(seen);
    if (thread() == 0) of_block[target * most_blocks + number] = most;
    if (!arrivals.last_of(n * n_targets)) return;
    for (std::int32_t k = first; k < first + n_targets; ++k) {
      Magnitudes mine;
      for (std::int64_t i = thread(); i < n; i += n_threads()) mine.take(of_block[k * most_blocks + i]);
      const Magnitudes of_target = largest_of_block(mine);
      if (thread() == 0) extremes[2 * k] = of_target.g;
      if (thread() == 0) extremes[2 * k + 1] = of_target.h;
      if (thread() < kPrecisions)
        scales[k * kPrecisions + thread()] = quantiser_of(static_cast<double>(std::bit_cast<float>(of_target.g)),
                                                          static_cast<double>(std::bit_cast<float>(of_target.h)),
                                                          static_cast<Precision>(thread()), total_weight);
    }
  }

  PYGBT_KERNEL static Magnitudes largest_of_block(Magnitudes mine) {
    auto* const scratch = shared<Magnitudes>();
    mine = {warp_max(mine.g), warp_max(mine.h)};
    sync();  // whoever read scratch before has done so
    if (thread() % kLanes == 0) scratch[thread() / kLanes] = mine;
    sync();
    Magnitudes most;
    for (int warp = 0; warp < n_threads() / kLanes; ++warp) most.take(scratch[warp]);
    return most;
  }
};

}  // namespace pygbt::device
