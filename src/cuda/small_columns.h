// SPDX-License-Identifier: Apache-2.0
// Columns of few items, which are sorted together. Launched by sorted_columns.cu.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/types.h"
#include "block.h"
#include "data/keys.h"
#include "device.h"

namespace pygbt::device {

// A column that is sorted with others.
struct SmallColumn {
  const std::byte* keys;
  const RowId* rows;
  std::byte* out;
  std::uint32_t* out_weights;  // nullptr: every item weighs 1
  std::int32_t n;
  bool wide;

  // Of an item, and its weight: what weighs 0 is as good as missing, what is missing weighs 0.
  PYGBT_KERNEL std::uint64_t key(std::int32_t i, const std::uint32_t* weights, std::uint32_t& weight) const {
    std::uint64_t key =
        wide ? reinterpret_cast<const std::uint64_t*>(keys)[i] : reinterpret_cast<const std::uint32_t*>(keys)[i];
    if (out_weights != nullptr) weight = weights[rows == nullptr ? i : static_cast<std::int64_t>(rows[i])];
    if (out_weights != nullptr && weight == 0) key = kMissingKey;
    if (key == kMissingKey) weight = 0;
    return key;
  }
  PYGBT_KERNEL void put(std::int32_t i, std::uint64_t key, std::uint32_t weight) const {
    if (wide)
      reinterpret_cast<std::uint64_t*>(out)[i] = key;
    else
      reinterpret_cast<std::uint32_t*>(out)[i] = static_cast<std::uint32_t>(key);
    if (out_weights != nullptr) out_weights[i] = weight;
  }
};

// Copies of columns, to be sorted as segments. So many blocks a column.
struct GatherKernel {
  const SmallColumn* columns;
  const std::uint32_t* weights;  // [row]
  std::int64_t n_parts;

  PYGBT_KERNEL void operator()() const {
    const SmallColumn column = columns[block() / n_parts];
    const auto step = static_cast<std::int32_t>(n_parts * n_threads());
    for (auto i = static_cast<std::int32_t>(block() % n_parts * n_threads()) + thread(); i < column.n; i += step) {
      std::uint32_t weight = 0;
      const std::uint64_t key = column.key(i, weights, weight);
      column.put(i, key, weight);
    }
  }
};

// A block a column: a bitonic sort in shared memory, [most] keys, then [most] weights.
struct BlockSortKernel {
  const SmallColumn* columns;
  const std::uint32_t* weights;  // [row]
  std::int32_t most;

  PYGBT_KERNEL void operator()() const {
    const SmallColumn column = columns[block()];
    auto* const keys = shared<std::uint64_t>();
    auto* const own = reinterpret_cast<std::uint32_t*>(keys + most);
    const bool weighted = column.out_weights != nullptr;
    std::int32_t size = 1;
    while (size < column.n) size *= 2;
    for (std::int32_t i = thread(); i < size; i += n_threads()) {
      std::uint32_t weight = 0;
      keys[i] = i < column.n ? column.key(i, weights, weight) : ~std::uint64_t{0};  // of no value: those stay behind
      if (weighted) own[i] = weight;
    }
    for (std::int32_t run = 2; run <= size; run *= 2) {
      for (std::int32_t by = run / 2; by > 0; by /= 2) {
        sync();
        for (std::int32_t i = thread(); i < size; i += n_threads()) {
          const std::int32_t other = i ^ by;
          if (other < i) continue;
          const bool ascends = (i & run) == 0;
          if ((keys[i] > keys[other]) != ascends) continue;
          const std::uint64_t key = keys[i];
          keys[i] = keys[other];
          keys[other] = key;
          if (!weighted) continue;
          const std::uint32_t weight = own[i];
          own[i] = own[other];
          own[other] = weight;
        }
      }
    }
    sync();
    for (std::int32_t i = thread(); i < column.n; i += n_threads()) column.put(i, keys[i], weighted ? own[i] : 0u);
  }
};

}  // namespace pygbt::device
