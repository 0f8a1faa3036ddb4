// SPDX-License-Identifier: Apache-2.0
// Counter-based randomness (Philox4x32-10, Salmon et al. 2011): a draw is a pure function of
// (seed, purpose, iteration, id). No state, so threads, chunks, workers and resumed runs see the same draws.
#pragma once

#include <array>
#include <cstdint>

#include "base/host_device.h"

namespace pygbt {

// What a draw is for: different purposes never share a counter.
enum class Draw : std::uint32_t {
  kRow = 1,            // id = global row
  kColumnTree = 2,     // id = feature unit
  kColumnLevel = 3,    // id = feature unit, sub = depth
  kColumnNode = 4,     // id = feature unit, sub = node
  kBootstrap = 5,      // of a tree of a forest: id = number of the draw
  kTreeFeature = 6,    // of a tree of a forest: id = key of the node, sub = number of the draw
  kSketch = 16,        // id = sketch * targets + target
  kThreshold = 7,      // of a tree of a forest: id = key of node and feature, sub = number of the draw or level
  kRelevance = 8,      // of a ranking loss: id = global row
  kNegative = 9,       // of a ranking teacher: id = global row
};

struct Philox {
  std::uint32_t x[4];
};

PYGBT_HD Philox philox4x32(std::uint32_t c0, std::uint32_t c1, std::uint32_t c2, std::uint32_t c3, std::uint32_t k0,
                           std::uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = 0xD2511F53ull * c0;
    const std::uint64_t p1 = 0xCD9E8D57ull * c2;
    const std::uint32_t n0 = static_cast<std::uint32_t>(p1 >> 32) ^ c1 ^ k0;
    const std::uint32_t n2 = static_cast<std::uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c1 = static_cast<std::uint32_t>(p1);
    c3 = static_cast<std::uint32_t>(p0);
    c0 = n0;
    c2 = n2;
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// Key of the generator.
PYGBT_HD void random_key(std::uint64_t seed, Draw purpose, std::uint32_t (&key)[2]) {
  key[0] = static_cast<std::uint32_t>(seed);
  key[1] = static_cast<std::uint32_t>(seed >> 32) ^ (static_cast<std::uint32_t>(purpose) << 24);
}

// Four words of uniform bits for (seed, purpose, iteration, id, sub).
PYGBT_HD Philox random_words(std::uint64_t seed, Draw purpose, std::uint32_t iteration, std::uint64_t id,
                             std::uint32_t sub = 0) {
  std::uint32_t key[2];
  random_key(seed, purpose, key);
  return philox4x32(static_cast<std::uint32_t>(id), static_cast<std::uint32_t>(id >> 32), iteration, sub, key[0],
                    key[1]);
}

// The first of them.
PYGBT_HD std::uint32_t random_bits(std::uint64_t seed, Draw purpose, std::uint32_t iteration, std::uint64_t id,
                                   std::uint32_t sub = 0) {
  return random_words(seed, purpose, iteration, id, sub).x[0];
}

}  // namespace pygbt
