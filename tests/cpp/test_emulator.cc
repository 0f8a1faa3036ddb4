// SPDX-License-Identifier: Apache-2.0
// The emulator of src/cuda runs right kernels right, and shows wrong ones.
#include <cstdint>
#include <set>
#include <stdexcept>
#include <vector>

#include "block.h"
#include "check.h"
#include "device.h"
#include "emulated/emulator.h"

namespace {

using namespace pygbt::device;

template <class Kernel>
void run(std::int64_t n_blocks, int n_threads, std::size_t shared_bytes, const Kernel& kernel) {
  emulator::run_grid(n_blocks, n_threads, shared_bytes, emulator::kernel_object(kernel));
}

constexpr int kThreads = 96;

// Each thread reads what the next one wrote to shared memory.
template <bool kBarrier>
struct NeighbourKernel {
  std::int64_t* out;

  void operator()() const {
    auto* const values = shared<std::int64_t>();
    values[thread()] = thread() + 1;
    if (kBarrier) sync();
    out[block() * n_threads() + thread()] = values[(thread() + 1) % n_threads()];
  }
};

struct SumKernel {
  std::int64_t* sums;    // [thread of the grid]
  std::int64_t* before;  // [thread of the grid]
  std::int64_t* total;

  void operator()() const {
    auto* const scratch = shared<std::int64_t>();
    const std::int64_t at = first_row();
    sums[at] = block_sum<std::int64_t>(at * at, scratch);
    std::int64_t all = 0;
    before[at] = block_scan<std::int64_t>(at * at, scratch, all);
    add(total, all);
  }
};

struct LostThreadKernel {
  void operator()() const {
    if (thread() != 5) sync();
  }
};

struct TooFarKernel {
  void operator()() const { shared<std::uint64_t>()[n_threads()] = 1; }
};

struct OrderKernel {
  std::vector<int>* order;
  void operator()() const { order->push_back(thread()); }
};

TEST(emulator_barrier_separates_writes_from_reads) {
  std::vector<std::int64_t> out(3 * kThreads);
  for (int repeat = 0; repeat < 20; ++repeat) {
    run(3, kThreads, kThreads * sizeof(std::int64_t), NeighbourKernel<true>{out.data()});
    for (std::size_t i = 0; i < out.size(); ++i) CHECK(out[i] == (static_cast<int>(i) % kThreads + 1) % kThreads + 1);
  }
}

TEST(emulator_shows_a_missing_barrier) {
  std::vector<std::int64_t> out(kThreads);
  run(1, kThreads, kThreads * sizeof(std::int64_t), NeighbourKernel<false>{out.data()});
  int n_wrong = 0;
  for (int i = 0; i < kThreads; ++i) n_wrong += out[static_cast<std::size_t>(i)] != (i + 1) % kThreads + 1;
  CHECK(n_wrong > kThreads / 4);  // about half of the neighbours come later
}

TEST(emulator_sums_over_a_block) {
  constexpr std::int64_t kBlocks = 4;
  std::vector<std::int64_t> sums(kBlocks * kThreads), before(kBlocks * kThreads);
  std::int64_t total = 0;
  run(kBlocks, kThreads, kThreads / kLanes * sizeof(std::int64_t), SumKernel{sums.data(), before.data(), &total});
  std::int64_t all = 0;
  for (std::int64_t b = 0; b < kBlocks; ++b) {
    std::int64_t sum = 0;
    for (std::int64_t i = b * kThreads; i < (b + 1) * kThreads; ++i) {
      CHECK(before[static_cast<std::size_t>(i)] == sum);
      sum += i * i;
    }
    for (std::int64_t i = b * kThreads; i < (b + 1) * kThreads; ++i) CHECK(sums[static_cast<std::size_t>(i)] == sum);
    all += sum;
  }
  CHECK(total == all * kThreads);
}

TEST(emulator_refuses_a_barrier_that_a_thread_never_reaches) {
  CHECK_THROWS(std::logic_error, run(2, kThreads, 0, LostThreadKernel{}));
  std::vector<std::int64_t> out(kThreads);  // and goes on
  run(1, kThreads, kThreads * sizeof(std::int64_t), NeighbourKernel<true>{out.data()});
  CHECK(out[0] == 2);
}

TEST(emulator_refuses_writes_beyond_shared_memory) {
  CHECK_THROWS(std::logic_error, run(1, kThreads, kThreads * sizeof(std::uint64_t), TooFarKernel{}));
}

TEST(emulator_draws_the_order_of_threads) {
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 0; seed < 8; ++seed) {
    emulator::set_seed(seed);
    std::vector<int> order;
    run(1, kThreads, 0, OrderKernel{&order});
    CHECK(order.size() == kThreads);
    orders.insert(order);
  }
  CHECK(orders.size() == 8);
  emulator::set_seed(3);
  std::vector<int> first, second;
  run(1, kThreads, 0, OrderKernel{&first});
  emulator::set_seed(3);
  run(1, kThreads, 0, OrderKernel{&second});
  CHECK(first == second);
}

}  // namespace
