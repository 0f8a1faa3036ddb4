// SPDX-License-Identifier: Apache-2.0
// Sums and running sums over the threads of a block, and the blocks of a launch. All threads of the block call them,
// whole warps only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "device.h"

namespace pygbt::device {

// Any value of whole 64-bit words to another lane, by `shuffle` of a word.
template <class T, class Shuffle>
PYGBT_KERNEL T shuffle_words(const T& value, Shuffle&& shuffle) {
  static_assert(sizeof(T) % sizeof(std::uint64_t) == 0 && std::is_trivially_copyable_v<T>);
  std::uint64_t words[sizeof(T) / sizeof(std::uint64_t)];
  std::memcpy(words, &value, sizeof value);
  PYGBT_UNROLL
  for (std::size_t i = 0; i < sizeof(T) / sizeof(std::uint64_t); ++i) words[i] = shuffle(words[i]);
  T other;
  std::memcpy(&other, words, sizeof other);
  return other;
}
template <class T>
PYGBT_KERNEL T from_xor(const T& value, int mask) {
  if constexpr (std::is_arithmetic_v<T>)
    return shuffle_xor(value, mask);
  else
    return shuffle_words(value, [mask](std::uint64_t word) { return shuffle_xor(word, mask); });
}
template <class T>
PYGBT_KERNEL T from_below(const T& value, int by) {
  if constexpr (std::is_arithmetic_v<T>)
    return shuffle_up(value, by);
  else
    return shuffle_words(value, [by](std::uint64_t word) { return shuffle_up(word, by); });
}
template <class T>
PYGBT_KERNEL T from_last(const T& value) {
  if constexpr (std::is_arithmetic_v<T>)
    return shuffle(value, kLanes - 1);
  else
    return shuffle_words(value, [](std::uint64_t word) { return shuffle(word, kLanes - 1); });
}

template <class T>
PYGBT_KERNEL T warp_sum(T value) {
  for (int by = kLanes / 2; by > 0; by /= 2) value += from_xor(value, by);
  return value;
}

// Sum of the values of the lanes up to this one.
template <class T>
PYGBT_KERNEL T warp_scan(T value) {
  const int lane = thread() % kLanes;
  PYGBT_ROLL
  for (int by = 1; by < kLanes; by *= 2) {
    const T other = from_below(value, by);
    if (lane >= by) value += other;
  }
  return value;
}

template <class T>
PYGBT_KERNEL T warp_max(T value) {
  for (int by = kLanes / 2; by > 0; by /= 2) {
    const T other = from_xor(value, by);
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
  PYGBT_ROLL
  for (int warp = 0; warp < n_threads() / kLanes; ++warp) sum += scratch[warp];
  return sum;
}

// Sum of the values of the threads before this one; `total` is that of all.
template <class T>
PYGBT_KERNEL T block_scan(T value, T* scratch, T& total) {
  const int lane = thread() % kLanes;
  const T inclusive = warp_scan(value);
  sync();
  if (lane == kLanes - 1) scratch[thread() / kLanes] = inclusive;
  sync();
  T before{};
  total = T{};
  PYGBT_ROLL
  for (int warp = 0; warp < n_threads() / kLanes; ++warp) {
    if (warp < thread() / kLanes) before += scratch[warp];
    total += scratch[warp];
  }
  return before + inclusive - value;
}

// The value that comes before those of all other lanes, in every lane.
template <class T>
PYGBT_KERNEL T first_of_warp(T mine) {
  for (int by = kLanes / 2; by > 0; by /= 2) {
    const T other = from_xor(mine, by);
    if (other.before(mine)) mine = other;
  }
  return mine;
}

// The same of all threads. scratch: shared [warps of the block].
template <class T>
PYGBT_KERNEL T first_of_block(T mine, T* scratch) {
  mine = first_of_warp(mine);
  sync();  // whoever read scratch before has done so
  if (thread() % kLanes == 0) scratch[thread() / kLanes] = mine;
  sync();
  T first = scratch[0];
  PYGBT_ROLL
  for (int warp = 1; warp < n_threads() / kLanes; ++warp)
    if (scratch[warp].before(first)) first = scratch[warp];
  return first;
}

// Threads that work together: those of a block, or of a warp. A block has more for long loops, a warp need not wait.
struct BlockTeam {
  PYGBT_KERNEL static int rank() { return thread(); }
  PYGBT_KERNEL static int size() { return n_threads(); }
  PYGBT_KERNEL static int number() { return 0; }    // in its block
  PYGBT_KERNEL static int of_block() { return 1; }  // there are
  PYGBT_KERNEL static void wait() { sync(); }
  template <class T>
  PYGBT_KERNEL static T sum(const T& value) {
    return block_sum(value, shared<T>());
  }
  template <class T>
  PYGBT_KERNEL static T scan(const T& value, T& total) {
    return block_scan(value, shared<T>(), total);
  }
  template <class T>
  PYGBT_KERNEL static T first(const T& mine) {
    return first_of_block(mine, shared<T>());
  }
};

struct WarpTeam {
  PYGBT_KERNEL static int rank() { return thread() % kLanes; }
  PYGBT_KERNEL static int size() { return kLanes; }
  PYGBT_KERNEL static int number() { return thread() / kLanes; }
  PYGBT_KERNEL static int of_block() { return n_threads() / kLanes; }
  PYGBT_KERNEL static void wait() { sync_warp(); }
  template <class T>
  PYGBT_KERNEL static T sum(const T& value) {
    return warp_sum(value);
  }
  template <class T>
  PYGBT_KERNEL static T scan(const T& value, T& total) {
    const T inclusive = warp_scan(value);
    total = from_last(inclusive);
    return inclusive - value;
  }
  template <class T>
  PYGBT_KERNEL static T first(const T& mine) {
    return first_of_warp(mine);
  }
};

// Blocks that have come to the end of their part of a launch. The last one goes on with what follows from all parts: that
// saves a launch, which takes longer than small steps do.
struct Arrivals {
  std::uint32_t* counter = nullptr;  // 0 before and afterwards

  // Whether this block is the last of so many; it then sees what the others have written. Overwrites shared memory.
  PYGBT_KERNEL bool last_of(std::int64_t n_blocks) const {
    auto* const last = shared<std::uint32_t>();
    sync();
    if (thread() == 0) {
      publish();
      *last = fetch_add(counter, 1u) + 1 == n_blocks;
      publish();
      if (*last != 0) *counter = 0;
    }
    sync();
    const bool result = *last != 0;
    sync();
    return result;
  }
  // The same where the blocks of the launch take tasks block(), block() + n_blocks(), ...: those without one do not come.
  PYGBT_KERNEL bool last_of_tasks(std::int64_t n_tasks) const {
    const std::int64_t n_at_work = n_tasks == 0 ? 1 : n_tasks < n_blocks() ? n_tasks : n_blocks();
    return block() < n_at_work && last_of(n_at_work);
  }
};

// What follows where nothing does.
struct Nothing {
  PYGBT_KERNEL void operator()() const {}
  std::int64_t n() const { return 0; }  // tasks of threads
};

// One after the other, by the same block.
template <class First, class Second>
struct InTurn {
  First first;
  Second second;

  PYGBT_KERNEL void operator()() const {
    first();
    sync();
    second();
  }
};

// Rows first, first + step, ... of a pass over all rows: for (i = first_row(); i < n; i += row_step()).
PYGBT_KERNEL std::int64_t first_row() { return block() * n_threads() + thread(); }
PYGBT_KERNEL std::int64_t row_step() { return n_blocks() * n_threads(); }

// Such a pass where what use(row, loaded) stores would keep the next load(row) from being sent ahead of it: so many rows of
// a thread are on their way before the first of them is used.
template <int kAtOnce, class Load, class Use>
PYGBT_KERNEL void stream_rows(std::int64_t n, const Load& load, const Use& use) {
  const std::int64_t step = row_step();
  for (std::int64_t row = first_row(); row < n; row += kAtOnce * step) {
    decltype(load(row)) loaded[kAtOnce];
    PYGBT_UNROLL
    for (int u = 0; u < kAtOnce; ++u) loaded[u] = load(row + u * step < n ? row + u * step : row);
    PYGBT_UNROLL
    for (int u = 0; u < kAtOnce; ++u)
      if (row + u * step < n) use(row + u * step, loaded[u]);
  }
}

}  // namespace pygbt::device
