// SPDX-License-Identifier: Apache-2.0
// How many histogram updates a second a device does in shared memory, by the kind of addition: what decides the layout of
// cells in histogram.cu. Called by benchmarks/compare_gpu.py.
#include <chrono>
#include <stdexcept>

#include "block.h"
#include "buffer.h"
#include "device.h"
#include "factory.h"
#include "runtime.h"

namespace pygbt::device {

namespace {

constexpr std::int64_t kBins = 256;
constexpr std::int64_t kFeatures = 28;
constexpr std::int64_t kCells = kBins * kFeatures;

// Each thread adds 1 to g and h of a cell of its feature, `n` times; the cells of a block are added up at the end.
template <class Adder>
struct AtomicsKernel {
  std::int64_t n;
  bool skewed;  // 15 of 16 updates go to one bin
  std::uint64_t* sums;  // [2] of g and h over all blocks

  PYGBT_KERNEL void operator()() const {
    auto* const cells = shared<std::uint64_t>();
    for (std::int64_t i = thread(); i < kCells; i += n_threads()) cells[i] = 0;
    sync();
    auto random = static_cast<std::uint32_t>(first_row()) * 2654435761u + 1u;
    const std::int64_t feature = thread() % kFeatures;
    for (std::int64_t i = 0; i < n; ++i) {
      random = random * 1664525u + 1013904223u;
      const std::uint32_t bin = skewed && (random >> 28) != 0 ? 7u : (random >> 16) % static_cast<std::uint32_t>(kBins);
      Adder::add_to(cells, feature * kBins + bin);
    }
    sync();
    std::uint64_t g = 0, h = 0;
    for (std::int64_t i = thread(); i < kCells; i += n_threads()) Adder::read(cells, i, g, h);
    add(sums, g);
    add(sums + 1, h);
  }
};

// Two words of 32 bits, nothing returned.
struct TwoWords {
  PYGBT_KERNEL static void add_to(std::uint64_t* cells, std::int64_t at) {
    auto* const words = reinterpret_cast<std::uint32_t*>(cells);
    add(words + at, 1u);
    add(words + kCells + at, 1u);
  }
  PYGBT_KERNEL static void read(const std::uint64_t* cells, std::int64_t at, std::uint64_t& g, std::uint64_t& h) {
    const auto* const words = reinterpret_cast<const std::uint32_t*>(cells);
    g += words[at];
    h += words[kCells + at];
  }
};

// The same, the first returned and looked at, as a carry would be.
struct Returning {
  PYGBT_KERNEL static void add_to(std::uint64_t* cells, std::int64_t at) {
    auto* const words = reinterpret_cast<std::uint32_t*>(cells);
    const std::uint32_t before = fetch_add(words + at, 1u);
    add(words + kCells + at, before == 0xffffffffu ? 2u : 1u);
  }
  PYGBT_KERNEL static void read(const std::uint64_t* cells, std::int64_t at, std::uint64_t& g, std::uint64_t& h) {
    TwoWords::read(cells, at, g, h);
  }
};

// One word of 64 bits.
struct OneLongWord {
  PYGBT_KERNEL static void add_to(std::uint64_t* cells, std::int64_t at) {
    add(cells + at, (std::uint64_t{1} << 32) + 1u);
  }
  PYGBT_KERNEL static void read(const std::uint64_t* cells, std::int64_t at, std::uint64_t& g, std::uint64_t& h) {
    g += cells[at] >> 32;
    h += cells[at] & 0xffffffffu;
  }
};

// One word of 32 bits: 16 of each, which a flush must empty in time.
struct OneWord {
  PYGBT_KERNEL static void add_to(std::uint64_t* cells, std::int64_t at) {
    add(reinterpret_cast<std::uint32_t*>(cells) + at, 0x10001u);
  }
  PYGBT_KERNEL static void read(const std::uint64_t* cells, std::int64_t at, std::uint64_t& g, std::uint64_t& h) {
    const std::uint32_t word = reinterpret_cast<const std::uint32_t*>(cells)[at];
    g += word >> 16;
    h += word & 0xffffu;
  }
};

template <class Adder>
double updates_per_second(Device& device, bool skewed, std::int64_t n) {
  const Policy& policy = device.policy();
  const std::int64_t blocks = policy.histogram_blocks;
  Buffer<std::uint64_t> sums(device);
  double best = 0.0;
  for (int turn = 0; turn < 4; ++turn) {  // the first one warms up
    sums.make_zero(2);
    sums.get();
    const auto begin = std::chrono::steady_clock::now();
    device.launch(blocks, policy.n_threads, AtomicsKernel<Adder>{n, skewed, sums.data()},
                  kCells * sizeof(std::uint64_t));
    const std::vector<std::uint64_t> found = sums.get();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    const auto updates = static_cast<double>(blocks * policy.n_threads * n);
    if (static_cast<double>(found[0]) != updates || static_cast<double>(found[1]) != updates)
      throw std::logic_error("the atomics of the device lost an addition");
    if (turn > 0 && updates / time.count() > best) best = updates / time.count();
  }
  return best;
}

}  // namespace

std::vector<AtomicsRate> probe_atomics(int ordinal, std::int64_t n) {
  Device device(ordinal);
  std::vector<AtomicsRate> rates;
  for (const bool skewed : {false, true}) {
    rates.push_back({"two 32-bit words", skewed, updates_per_second<TwoWords>(device, skewed, n)});
    rates.push_back({"two 32-bit words, one returned", skewed, updates_per_second<Returning>(device, skewed, n)});
    rates.push_back({"one 64-bit word", skewed, updates_per_second<OneLongWord>(device, skewed, n)});
    const std::int64_t few = n < 4096 ? n : 4096;  // 10 threads of 256 share a feature: a cell stays below 2^16
    rates.push_back({"one 32-bit word", skewed, updates_per_second<OneWord>(device, skewed, few)});
  }
  return rates;
}

}  // namespace pygbt::device
