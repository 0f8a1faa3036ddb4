// SPDX-License-Identifier: Apache-2.0
// Which child a bin goes to. Raw values follow the same rule: x <= threshold <=> bin(x) <= bin of the threshold.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "base/types.h"

namespace pygbt {

PYGBT_HD bool goes_left(Bin bin, Bin cut, bool missing_left) {
  return bin <= cut && (bin != kMissingBin || missing_left);
}

// words: one bit a bin, bit 0 = missing; bins beyond the words are missing.
PYGBT_HD bool goes_left(Bin bin, const std::uint32_t* words, std::int32_t n_words) {
  const Bin known = (bin >> 5) < n_words ? bin : kMissingBin;
  return (words[known >> 5] >> (known & 31)) & 1u;
}

}  // namespace pygbt
