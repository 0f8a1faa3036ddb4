// SPDX-License-Identifier: Apache-2.0
// Exact sums of pieces (math/exact_piece.h) over the threads of a block. Pieces of a warp that lie in the same few limbs,
// as most do, are added up by shuffles; a copy of the limbs a warp, in shared memory, takes their sums and the others.
// Included by kernels.
#pragma once

#include <cstddef>
#include <cstdint>

#include "block.h"
#include "device.h"
#include "math/exact_piece.h"

namespace pygbt::device {

struct LimbSums {
  static constexpr int kNotFinite = kExactLimbs;
  static constexpr int kWords = kExactLimbs + 1;  // of an ExactLimbs

  static std::size_t shared_bytes(int n_threads) {
    return static_cast<std::size_t>(n_threads / kLanes * kWords) * sizeof(std::int64_t);
  }

  std::int64_t* all;  // shared [warp][kWords]

  // All threads of the block.
  PYGBT_KERNEL void clear() const {
    for (int i = thread(); i < n_threads() / kLanes * kWords; i += n_threads()) all[i] = 0;
    sync();
  }

  // All lanes of the warp; a thread without a piece gives ExactPiece{}.
  PYGBT_KERNEL void add_piece(const ExactPiece& piece) const {
    constexpr int kWindow = 5;  // limbs: from one below the highest first limb of the warp
    std::int64_t* const mine = all + thread() / kLanes * kWords;
    const std::int32_t most = warp_max(piece.limb);
    const std::int32_t first = most > 0 ? most - 1 : 0;
    const std::int32_t shift = piece.limb - first;
    for (std::int32_t i = 0; i < kWindow; ++i) {
      const std::int64_t sum = warp_sum(shift >= 0 && i >= shift && i < shift + 4 ? piece.parts[i - shift] : 0);
      if (thread() % kLanes == 0 && sum != 0) add(mine + first + i, sum);
    }
    for (int i = 0; shift < 0 && i < 4; ++i)
      if (piece.parts[i] != 0) add(mine + piece.limb + i, piece.parts[i]);
    if (!piece.finite) add(mine + kNotFinite, std::int64_t{1});
  }

  // All threads of the block, to out [kWords]: of each limb its 32 bits, the rest to the next one, so that the limbs of
  // all blocks can be added up.
  PYGBT_KERNEL void flush(std::int64_t* out) const {
    sync();
    for (int i = thread(); i < kWords; i += n_threads()) {
      std::int64_t sum = 0;
      for (int warp = 0; warp < n_threads() / kLanes; ++warp) sum += all[warp * kWords + i];
      if (sum == 0) continue;
      if (i + 1 < kExactLimbs) {
        add(out + i + 1, sum >> 32);
        sum &= 0xffffffff;
      }
      add(out + i, sum);
    }
  }
};

}  // namespace pygbt::device
