// SPDX-License-Identifier: Apache-2.0
#include "backend/histogram_tasks.h"

#include <algorithm>

#include "backend/kernels.h"

namespace pygbt {

namespace {

// Work is counted in updates, about 0.4 ns each.
constexpr std::int64_t kFlushRows = 128;         // clearing and flushing a slot costs as much as this many rows
constexpr std::int64_t kMinTaskWork = 1 << 16;
constexpr std::int64_t kSerialWork = 1 << 15;
constexpr std::int64_t kTasksPerThread = 8;  // the last task to end keeps the others waiting for 1/8 of their time

}  // namespace

void HistogramTasks::plan(std::span<const BlockLayout> blocks, std::span<const std::int64_t> rows, int n_threads) {
  runs.clear();
  ends.clear();
  std::int64_t n_slots = 0;
  for (const BlockLayout& block : blocks) n_slots += static_cast<std::int64_t>(block.slots.size());
  std::int64_t work = 0;
  for (const std::int64_t n : rows) work += (n + kFlushRows) * n_slots;
  serial = n_threads == 1 || work < kSerialWork;
  const std::int64_t share = serial ? work : std::max(kMinTaskWork, work / (kTasksPerThread * n_threads));

  // Block by block, so that nodes that follow one another find the block's bins in the cache.
  std::int64_t open = 0;  // work of the runs since the last end
  for (std::size_t b = 0; b < blocks.size(); ++b) {
    const auto width = static_cast<std::int64_t>(blocks[b].slots.size());
    const std::int64_t most = std::clamp<std::int64_t>(share / width, 1, kPackedRows);  // rows of a run
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::int64_t pieces = std::max<std::int64_t>(1, (rows[i] + most - 1) / most);
      for (std::int64_t p = 0; p < pieces; ++p) {
        runs.push_back({b, i, rows[i] * p / pieces, rows[i] * (p + 1) / pieces, pieces == 1});
        open += (runs.back().end - runs.back().begin + kFlushRows) * width;
        if (open < share) continue;
        ends.push_back(runs.size());
        open = 0;
      }
    }
  }
  if (ends.empty() || ends.back() != runs.size()) ends.push_back(runs.size());
}

}  // namespace pygbt
