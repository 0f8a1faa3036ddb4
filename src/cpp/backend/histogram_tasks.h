// SPDX-License-Identifier: Apache-2.0
// How the work of a histogram call is cut: runs of rows of (block, node), in tasks of about equal work.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/histogram_layout.h"

namespace pygbt {

// What a run costs, in updates of about 0.4 ns.
struct BlockWork {
  std::int64_t row = 0;    // to add a row
  std::int64_t flush = 0;  // to clear and flush the buffer
};
BlockWork work_of(const BlockLayout& block);
BlockWork work_of(const SparseBlock& block, std::int64_t n_rows);

// Rows [begin, end) of a node into the cells of a block.
struct HistogramRun {
  std::size_t block = 0;        // index in the call: dense blocks, then sparse ones
  std::size_t node = 0;         // index in the call
  std::int64_t begin = 0, end = 0;
  bool alone = true;            // no other run writes these cells
};

struct HistogramTasks {
  std::vector<HistogramRun> runs;
  std::vector<std::size_t> ends;  // task t does the runs [ends[t - 1], ends[t])
  bool serial = true;             // too little to wake a thread for

  // rows [node]: how many each node has.
  void plan(std::span<const BlockWork> blocks, std::span<const std::int64_t> rows, int n_threads);
};

}  // namespace pygbt
