// SPDX-License-Identifier: Apache-2.0
// Histograms to zero before rows are added up: a launch of its own, or beside another one. Included by kernels.
#pragma once

#include <cstdint>

#include "block.h"
#include "device.h"
#include "tree_work.h"

namespace pygbt::device {

// Cells of the nodes.
struct ClearKernel {
  const HistogramPlace* places;
  const std::int32_t* n_items;
  std::int64_t n_words;  // of a node's cells
  std::int64_t n_counts;  // 0 = not counted

  PYGBT_KERNEL void operator()() const {
    clear(n_words, [&](std::int64_t item) { return reinterpret_cast<std::int64_t*>(places[item].cells); });
    clear(n_counts, [&](std::int64_t item) { return places[item].counts; });
  }

  // A block a chunk of an item at a time.
  template <class Of>
  PYGBT_KERNEL void clear(std::int64_t n, Of&& of) const {
    const std::int64_t n_here = kAtOnce * n_threads(), n_chunks = (n + n_here - 1) / n_here;
    for (std::int64_t task = block(); task < *n_items * n_chunks; task += n_blocks()) {
      std::int64_t* const words = of(task / n_chunks);
      const std::int64_t begin = task % n_chunks * n_here, end = begin + n_here < n ? begin + n_here : n;
      for (std::int64_t i = begin + thread(); i < end; i += n_threads()) words[i] = 0;
    }
  }

  static constexpr std::int64_t kAtOnce = 8;  // words of a thread
};

// Blocks that a launch of so many items at most keeps busy.
inline std::int64_t blocks_to_clear(std::int64_t most_items, std::int64_t n_words, int n_threads) {
  const std::int64_t n_here = ClearKernel::kAtOnce * n_threads;
  return most_items * ((n_words + n_here - 1) / n_here);
}

}  // namespace pygbt::device
