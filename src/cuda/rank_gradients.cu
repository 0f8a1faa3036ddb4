// SPDX-License-Identifier: Apache-2.0
// Gradients of ranking objectives: a query is the work of one thread, in the order of math/rank_loss.h.
#include <vector>

#include "backend/query_rows.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/rank_loss.h"

namespace pygbt::device {

namespace {

struct RankKernel {
  Objective objective;
  RankSpec spec;
  const std::int32_t* stop;
  const std::int64_t* group_begin;  // [query + 1]
  const float* scores;              // [row]
  const float* labels;              // [row], nullptr = none
  const float* teacher;             // [row], nullptr = none
  const RankMix* mixes;             // [query]
  const std::uint32_t* weights;     // [row], nullptr = all 1
  std::uint64_t* memory;            // [row] of RankScratch::kBytes
  float* g;                         // [row]
  float* h;
  std::int64_t n_queries;
  std::uint64_t global_row;

  PYGBT_KERNEL void operator()() const {
    if (*stop != 0) return;
    for (std::int64_t i = first_row(); i < n_queries; i += row_step()) {
      const std::int64_t begin = group_begin[i];
      QueryRows query;
      query.scores = scores + begin;
      query.labels = labels == nullptr ? nullptr : labels + begin;
      query.teacher = teacher == nullptr ? nullptr : teacher + begin;
      query.weights = weights == nullptr ? nullptr : weights + begin;
      query.first_row = global_row + static_cast<std::uint64_t>(begin);
      query.n = static_cast<std::int32_t>(group_begin[i + 1] - begin);
      constexpr std::int64_t kWords = RankScratch::kBytes / std::int64_t{sizeof(std::uint64_t)};
      rank_gradient(objective, spec, query, mixes[i], RankScratch::of(memory + begin * kWords, query.n), g + begin,
                    h + begin);
    }
  }
};

}  // namespace

void CudaBackend::rank_gradients(const LossSpec& loss) {
  const std::int64_t n_queries = pygbt::n_queries(*data_);
  if (!ranking_.loaded) {
    ranking_.group_begin.put(data_->group_begin);
    ranking_.teacher.put(data_->teacher);
    std::vector<RankMix> mixes;
    for (std::int64_t i = 0; i < n_queries; ++i) mixes.push_back(rank_mix(loss, *data_, i));
    ranking_.mixes.put(mixes);
    ranking_.loaded = true;
  }
  constexpr std::int64_t kWords = RankScratch::kBytes / std::int64_t{sizeof(std::uint64_t)};
  launch_rows(n_queries, RankKernel{loss.objective, loss.rank, stop_.data(), ranking_.group_begin.data(),
                                    scores_.data(), data_->labels.empty() ? nullptr : table_.labels(),
                                    data_->teacher.empty() ? nullptr : ranking_.teacher.data(), ranking_.mixes.data(),
                                    table_.weights(), ranking_.memory.make(n_rows_ * kWords), g_.data(), h_.data(),
                                    n_queries, static_cast<std::uint64_t>(data_->first_row)});
  find_scales();
}

}  // namespace pygbt::device
