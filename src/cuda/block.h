// SPDX-License-Identifier: Apache-2.0
// Sums and running sums over the threads of a block. All threads of the block call them, whole warps only.
#pragma once

#include <cstdint>

#include "device.h"

namespace pygbt::device {

template <class T>
PYGBT_KERNEL T warp_sum(T value) {
  for (int by = kLanes / 2; by > 0; by /= 2) value += shuffle_xor(value, by);
  return value;
}

template <class T>
PYGBT_KERNEL T warp_max(T value) {
  for (int by = kLanes / 2; by > 0; by /= 2) {
    const T other = shuffle_xor(value, by);
    value = other > value ? other : value;
  }
  return value;
}

// The sum, in every thread. scratch: shared [warps of the block].
template <class T>
PYGBT_KERNEL T block_sum(T value, T* scratch) {
  value = warp_sum(value);
  sync();  // whoever read scratch before has done so
  if (thread() % kLanes == 0) scratch[thread() / kLanes] = value;
  sync();
  T sum{};
  for (int warp = 0; warp < n_threads() / kLanes; ++warp) sum += scratch[warp];
  return sum;
}

// Sum of the values of the threads before this one; `total` is that of all.
template <class T>
PYGBT_KERNEL T block_scan(T value, T* scratch, T& total) {
  const int lane = thread() % kLanes;
  T inclusive = value;
  for (int by = 1; by < kLanes; by *= 2) {
    const T other = shuffle_up(inclusive, by);
    if (lane >= by) inclusive += other;
  }
  sync();
  if (lane == kLanes - 1) scratch[thread() / kLanes] = inclusive;
  sync();
  T before{};
  total = T{};
  for (int warp = 0; warp < n_threads() / kLanes; ++warp) {
    if (warp < thread() / kLanes) before += scratch[warp];
    total += scratch[warp];
  }
  return before + inclusive - value;
}

// The value that comes before those of all other threads, to all[0]. all: shared [threads of the block].
template <class T>
PYGBT_KERNEL void first_of_block(const T& mine, T* all) {
  sync();  // whoever read `all` before has done so
  all[thread()] = mine;
  sync();
  for (int by = n_threads() / 2; by > 0; by /= 2) {
    if (thread() < by && all[thread() + by].before(all[thread()])) all[thread()] = all[thread() + by];
    sync();
  }
}

// Rows first, first + step, ... of a pass over all rows: for (i = first_row(); i < n; i += row_step()).
PYGBT_KERNEL std::int64_t first_row() { return block() * n_threads() + thread(); }
PYGBT_KERNEL std::int64_t row_step() { return n_blocks() * n_threads(); }

}  // namespace pygbt::device
