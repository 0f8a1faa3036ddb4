// SPDX-License-Identifier: Apache-2.0
// How many histogram updates a second a device does in shared memory, by the kind of addition: what decides the layout of
// cells in histogram.cu. Called by benchmarks/compare_gpu.py and gpu_stages.py.
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
constexpr std::int64_t kCells = (kBins + 1) * kFeatures;  // there is room for

// Each thread adds 1 to g and h of a cell of its feature, `n` times; then the cells of a block are added up. All that
// `rounds` times. kPlaces: of a feature; where they are even, equal bins of all features lie in one bank.
template <class Adder, std::int64_t kPlaces>
struct AtomicsKernel {
  static constexpr int kMostThreads = 1024;

  std::int64_t n, rounds;
  bool skewed;  // 15 of 16 updates go to one bin
  std::uint64_t* sums;  // [2] of g and h over all blocks

  PYGBT_KERNEL void operator()() const {
    auto* const cells = shared<std::uint64_t>();
    auto random = static_cast<std::uint32_t>(first_row()) * 2654435761u + 1u;
    const std::int64_t feature = thread() % kFeatures;
    std::uint64_t g = 0, h = 0;
    for (std::int64_t round = 0; round < rounds; ++round) {
      for (std::int64_t i = thread(); i < kCells; i += n_threads()) cells[i] = 0;
      sync();
      for (std::int64_t i = 0; i < n; ++i) {
        random = random * 1664525u + 1013904223u;
        const std::uint32_t bin =
            skewed && (random >> 28) != 0 ? 7u : (random >> 16) % static_cast<std::uint32_t>(kBins);
        Adder::add_to(cells, feature * kPlaces + bin);
      }
      sync();
      for (std::int64_t i = thread(); i < kCells; i += n_threads()) Adder::read(cells, i, g, h);
      sync();
    }
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

template <class Adder, std::int64_t kPlaces = kBins>
double updates_per_second(Device& device, bool skewed, std::int64_t n, std::int64_t rounds) {
  const Policy& policy = device.policy();
  const std::int64_t blocks = policy.histogram_blocks;
  Buffer<std::uint64_t> sums(device);
  double best = 0.0;
  for (int turn = 0; turn < 4; ++turn) {  // the first one warms up
    sums.make_zero(2);
    sums.get();
    const auto begin = std::chrono::steady_clock::now();
    device.launch(blocks, policy.histogram_threads, AtomicsKernel<Adder, kPlaces>{n, rounds, skewed, sums.data()},
                  kCells * sizeof(std::uint64_t));
    const std::vector<std::uint64_t> found = sums.get();
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - begin;
    const auto updates = static_cast<double>(blocks * policy.histogram_threads * n * rounds);
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
  constexpr std::int64_t kRounds = 4;
  n = (n + kRounds - 1) / kRounds;
  for (const bool skewed : {false, true}) {
    const auto probe = [&](const char* kind, double rate) { rates.push_back({kind, skewed, rate}); };
    probe("two 32-bit words", updates_per_second<TwoWords>(device, skewed, n, kRounds));
    probe("two 32-bit words, odd places", updates_per_second<TwoWords, kBins + 1>(device, skewed, n, kRounds));
    probe("two 32-bit words, one returned", updates_per_second<Returning>(device, skewed, n, kRounds));
    probe("one 64-bit word", updates_per_second<OneLongWord>(device, skewed, n, kRounds));
    const std::int64_t few = n < 1024 ? n : 1024;  // 37 threads of 1,024 share a feature: a cell stays below 2^16
    probe("one 32-bit word", updates_per_second<OneWord>(device, skewed, few, kRounds));
    probe("one 32-bit word, odd places", updates_per_second<OneWord, kBins + 1>(device, skewed, few, kRounds));
  }
  return rates;
}

}  // namespace pygbt::device
