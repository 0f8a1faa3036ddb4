// SPDX-License-Identifier: Apache-2.0
// Floats as integers of the same order, and one step of the search for a value by its rank: a byte of the key at a time,
// from counts. Called by the quantiles of leaves.
#pragma once

#include <bit>
#include <cstdint>

#include "base/host_device.h"

namespace pygbt {

// Ascending order of the key = ascending order of the float, -0.0 equal to +0.0, one NaN above all: processors differ in
// the bits of theirs.
PYGBT_HD std::uint32_t order_key(float value) {
  const std::uint32_t bits = value == value ? std::bit_cast<std::uint32_t>(value + 0.0f) : 0x7fc00000u;
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

PYGBT_HD float value_of_key(std::uint32_t key) {
  return std::bit_cast<float>(key & 0x80000000u ? key & 0x7fffffffu : ~key);
}

// Where a search has come to: the leading bytes of the key at the wanted rank, and the weight of smaller keys.
struct RankSearch {
  std::uint32_t prefix = 0;
  std::int64_t below = 0;

  // Keys that agree with the bytes found so far, when the byte at `shift` comes next.
  PYGBT_HD bool follows(std::uint32_t key, int shift) const {
    return shift == 24 || (key >> (shift + 8)) == (prefix >> (shift + 8));
  }
  // count [256]: weight of the keys that follow, by their byte at `shift`. rank: weight up to the wanted key, at least 1.
  PYGBT_HD void step(const std::int64_t* count, std::int64_t rank, int shift) {
    std::uint32_t byte = 0;
    while (byte < 255 && below + count[byte] < rank) below += count[byte++];
    while (byte < 255 && count[byte] == 0) ++byte;
    prefix |= byte << shift;
  }
};

}  // namespace pygbt
