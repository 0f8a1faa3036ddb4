// SPDX-License-Identifier: Apache-2.0
#include "backend/histogram_tasks.h"

#include <algorithm>

#include "backend/kernels.h"

namespace pygbt {

namespace {

constexpr std::int64_t kFlushRows = 128;  // clearing and flushing a slot costs as much as this many rows
constexpr std::int64_t kSparseRow = 8;    // of a row of a sparse block, whatever it lists
constexpr std::int64_t kMinTaskWork = 1 << 16;
constexpr std::int64_t kSerialWork = 1 << 15;
constexpr std::int64_t kTasksPerThread = 8;  // the last task to end keeps the others waiting for 1/8 of their time

}  // namespace

BlockWork work_of(const BlockLayout& block) {
  const auto n_slots = static_cast<std::int64_t>(block.slots.size());
  return {n_slots, kFlushRows * n_slots};
}

BlockWork work_of(const SparseBlock& block, std::int64_t n_rows) {
  return {block.n_groups() * kCodeGroup / n_rows + kSparseRow, block.n_codes};
}

void HistogramTasks::plan(std::span<const BlockWork> blocks, std::span<const std::int64_t> rows, int n_threads) {
  runs.clear();
  ends.clear();
  std::int64_t work = 0;
  for (const BlockWork& block : blocks)
    for (const std::int64_t n : rows) work += n * block.row + block.flush;
  serial = n_threads == 1 || work < kSerialWork;
  const std::int64_t share = serial ? work : std::max(kMinTaskWork, work / (kTasksPerThread * n_threads));

  // Block by block, so that nodes that follow one another find the block's bins in the cache.
  std::int64_t open = 0;  // work of the runs since the last end
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const std::int64_t most = std::clamp<std::int64_t>(share / blocks[b].row, 1, kPackedRows);  // rows of a run
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int64_t pieces = std::max<std::int64_t>(1, (rows[i] + most - 1) / most);
      for (std::int64_t p = 0; p < pieces; ++p) {
        runs.push_back({b, i, rows[i] * p / pieces, rows[i] * (p + 1) / pieces, pieces == 1});
        open += (runs.back().end - runs.back().begin) * blocks[b].row + blocks[b].flush;
        if (open < share) continue;
        ends.push_back(runs.size());
        open = 0;
      }
    }
  }
  if (ends.empty() || ends.back() != runs.size()) ends.push_back(runs.size());
}

}  // namespace pygbt
