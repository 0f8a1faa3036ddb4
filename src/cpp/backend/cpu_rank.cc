// SPDX-License-Identifier: Apache-2.0
// Gradients of ranking objectives: a query is a task of one thread.
#include <algorithm>
#include <vector>

#include "backend/cpu_backend.h"
#include "backend/query_rows.h"
#include "base/pool.h"
#include "math/rank_loss.h"

namespace pygbt {

namespace {
constexpr std::int64_t kQueryGrain = 4;
}

// The scores of all rows of a query come first: its rows may lie in several chunks.
void CpuBackend::rank_gradients(const LossSpec& loss) {
  forget_narrow();
  forget_round();
  finish_pending();
  std::vector<std::vector<std::uint64_t>> memory(static_cast<std::size_t>(resolve_threads(n_threads_)));  // of a worker
  parallel_ranges(n_threads_, n_queries(*data_), kQueryGrain, [&](std::int64_t begin, std::int64_t end, int worker) {
    std::vector<std::uint64_t>& mine = memory[static_cast<std::size_t>(worker)];
    for (std::int64_t i = begin; i < end; ++i) {
      const QueryRows query = query_at(*data_, scores_, i);
      const std::int64_t first = data_->group_begin[static_cast<std::size_t>(i)];
      mine.resize(std::max(mine.size(), static_cast<std::size_t>(query.n) * RankScratch::kBytes / sizeof(mine[0])));
      rank_gradient(loss.objective, loss.rank, query, rank_mix(loss, *data_, i), RankScratch::of(mine.data(), query.n),
                    g_.data() + first, h_.data() + first);
    }
  });
  std::fill(max_g_.begin(), max_g_.end(), -1.0);  // target_extremes finds them
}

}  // namespace pygbt
