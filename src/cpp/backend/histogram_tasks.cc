// SPDX-License-Identifier: Apache-2.0
#include "backend/histogram_tasks.h"

#include <algorithm>

#include "backend/kernels.h"

namespace pygbt {

namespace {

constexpr std::int64_t kSparseRow = 8;    // of a row of a sparse block, whatever it lists
constexpr std::int64_t kRunPerFlush = 24;  // a node is not split so finely that flushes take more than 1/24
constexpr std::int64_t kMinTaskWork = 1 << 15;
constexpr std::int64_t kSerialWork = 1 << 13;
constexpr std::int64_t kTasksPerThread = 16;  // the last task to end keeps the others waiting for 1/16 of their time

}  // namespace

BlockWork work_of(const BlockLayout& block) {
  return {static_cast<std::int64_t>(block.slots.size()), block.flush_work};
}

BlockWork work_of(const SparseBlock& block, std::int64_t n_rows) {
  return {block.n_groups() * kCodeGroup / n_rows + kSparseRow, block.n_codes};
}

void HistogramTasks::plan(std::span<const BlockWork> blocks, std::span<const std::int64_t> rows, int n_threads) {
  runs.clear();
  ends.clear();
  std::int64_t n_rows = 0, work = 0;
  for (const std::int64_t n : rows) n_rows += n;
  for (const BlockWork& block : blocks)
    work += n_rows * block.row + static_cast<std::int64_t>(rows.size()) * block.flush;
  serial = n_threads == 1 || work < kSerialWork;
  const std::int64_t share = serial ? work : std::max(kMinTaskWork, work / (kTasksPerThread * n_threads));

  // Part of the rows by part, a thread's each: it finds the rows and gradients that it moved itself in its cache. Then
  // block by block, so that nodes that follow one another find the block's bins there.
  std::vector<std::vector<HistogramRun>> parts(static_cast<std::size_t>(n_threads));
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto [row, flush] = blocks[b];
    const std::int64_t least = kRunPerFlush * flush / row;
    const std::int64_t most = std::clamp<std::int64_t>(std::max(share / row, least), 1, kPackedRows);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      std::int64_t pieces = std::max<std::int64_t>(1, (rows[i] + most - 1) / most);
      if (!serial && rows[i] >= n_threads * least) pieces = std::max<std::int64_t>(pieces, n_threads);
      for (std::int64_t p = 0; p < pieces; ++p)
        parts[static_cast<std::size_t>(p * n_threads / pieces)].push_back(
            {b, i, rows[i] * p / pieces, rows[i] * (p + 1) / pieces, pieces == 1});
    }
  }
  std::int64_t open = 0;  // work of the runs since the last end
  for (const auto& part : parts)
    for (const HistogramRun& run : part) {
      runs.push_back(run);
      open += (run.end - run.begin) * blocks[run.block].row + blocks[run.block].flush;
      if (open < share) continue;
      ends.push_back(runs.size());
      open = 0;
    }
  if (ends.empty() || ends.back() != runs.size()) ends.push_back(runs.size());
}

}  // namespace pygbt
