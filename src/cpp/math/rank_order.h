// SPDX-License-Identifier: Apache-2.0
// The rows of a query in an order: by falling value, equal values in the order of the rows. Called by the ranking losses
// and metrics; sorts in place and without recursion, so that a thread of a device can.
#pragma once

#include <cstdint>

#include "base/host_device.h"
#include "math/log.h"
#include "math/order_key.h"

namespace pygbt {

// Ascending order of the key = falling value, then rising row.
PYGBT_HD std::uint64_t falling_key(float value, std::int32_t row) {
  return (static_cast<std::uint64_t>(~order_key(value)) << 32) | static_cast<std::uint32_t>(row);
}

// Heap sort, ascending.
PYGBT_HD void sort_keys(std::uint64_t* keys, std::int32_t n) {
  for (std::int32_t end = n, start = n / 2; end > 1;) {
    if (start > 0) {
      --start;
    } else {
      --end;
      const std::uint64_t top = keys[0];
      keys[0] = keys[end];
      keys[end] = top;
    }
    const std::uint64_t key = keys[start];
    std::int32_t at = start;
    for (std::int32_t child = 2 * at + 1; child < end; child = 2 * at + 1) {
      if (child + 1 < end && keys[child] < keys[child + 1]) ++child;
      if (keys[child] <= key) break;
      keys[at] = keys[child];
      at = child;
    }
    keys[at] = key;
  }
}

// Discount of the place `at` = 0, 1, ..: 1 / log2(2 + at).
PYGBT_HD double place_discount(std::int32_t at) { return 1.0 / log2_of(2.0 + static_cast<double>(at)); }

// Places that count of n: `most` of them, all if most is 0.
PYGBT_HD std::int32_t first_places(std::int32_t most, std::int32_t n) { return most > 0 && most < n ? most : n; }

}  // namespace pygbt
