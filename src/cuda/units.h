// SPDX-License-Identifier: Apache-2.0
// Columns of different lengths cut into units of rows, numbered through: what a block of a pass over all columns takes
// at a time. Blocks take runs of units, so that they seldom change the column.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "block.h"
#include "device.h"
#include "policy.h"

namespace pygbt::device {

// Items [begin, end) of a column.
struct Unit {
  std::int32_t column = 0;
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

struct Units {
  const std::int64_t* first;  // [column + 1] units of the columns before it
  const std::int64_t* items;  // [column]
  std::int32_t n_columns;
  std::int64_t rows;  // of a unit
  std::int64_t per_block;

  PYGBT_KERNEL std::int64_t begin_of_block() const { return block() * per_block; }
  PYGBT_KERNEL std::int64_t end_of_block() const {
    const std::int64_t end = begin_of_block() + per_block;
    return end < first[n_columns] ? end : first[n_columns];
  }
  PYGBT_KERNEL Unit at(std::int64_t unit) const {
    std::int32_t low = 0;
    for (std::int32_t high = n_columns; high - low > 1;) {
      const std::int32_t middle = (low + high) / 2;
      if (first[middle] <= unit)
        low = middle;
      else
        high = middle;
    }
    Unit found;
    found.column = low;
    found.begin = (unit - first[low]) * rows;
    found.end = found.begin + rows < items[low] ? found.begin + rows : items[low];
    return found;
  }
};

// Blocks of a pass over n items, a thread an item at a time.
inline std::int64_t blocks_for(const Policy& policy, std::int64_t n) {
  return std::min(policy.n_blocks, (n + policy.n_threads - 1) / policy.n_threads);
}

// Shared memory of block_sum and block_scan.
inline std::size_t scan_bytes(const Policy& policy) {
  return static_cast<std::size_t>(policy.n_threads) / kLanes * sizeof(std::int64_t);
}

// The units of columns of so many items; `first` and `items` of the result are to be set to these on the device.
struct UnitPlan {
  UnitPlan(const Policy& policy, std::span<const std::int64_t> n_items) : items(n_items.begin(), n_items.end()) {
    for (const std::int64_t n : items) first.push_back(first.back() + (n + policy.unit_rows - 1) / policy.unit_rows);
    per_block = std::max<std::int64_t>(1, (first.back() + policy.n_blocks - 1) / policy.n_blocks);
    n_blocks = (first.back() + per_block - 1) / per_block;
    rows = policy.unit_rows;
  }
  Units on_device(const std::int64_t* device_first, const std::int64_t* device_items) const {
    return {device_first, device_items, static_cast<std::int32_t>(items.size()), rows, per_block};
  }

  std::vector<std::int64_t> first{0};
  std::vector<std::int64_t> items;
  std::int64_t rows = 0;
  std::int64_t per_block = 0;
  std::int64_t n_blocks = 0;
};

}  // namespace pygbt::device
