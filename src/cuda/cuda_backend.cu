// SPDX-License-Identifier: Apache-2.0
// Memory and small operations; the others have files of their own.
#include "cuda_backend.h"

#include <algorithm>
#include <stdexcept>

#include "backend/kernels.h"
#include "base/error.h"
#include "block.h"
#include "device.h"
#include "math/quantise.h"

namespace pygbt::device {

namespace {

struct FillRowsKernel {
  const float* of_target;
  float* scores;  // [row][n_targets]
  std::int64_t n_rows;
  std::int32_t n_targets;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t at = first_row(); at < n_rows * n_targets; at += row_step())
      scores[at] = of_target[at % n_targets];
  }
};

}  // namespace

CudaBackend::CudaBackend(int ordinal)
    : device_(ordinal),
      table_(device_),
      training_rows_(device_, table_, scores_),
      evaluation_sets_(device_),
      scores_(device_),
      g_(device_),
      h_(device_),
      extremes_(device_),
      scales_(device_),
      sums_(device_),
      magnitudes_(device_),
      word_trials_(device_),
      arrivals_(device_),
      tree_(device_),
      n_drawn_(device_),
      drawn_sums_(device_),
      even_h_(device_),
      rows_{Buffer<RowId>(device_), Buffer<RowId>(device_)},
      gradients_{Buffer<std::uint8_t>(device_), Buffer<std::uint8_t>(device_)},
      tiles_(device_),
      pieces_(device_),
      marks_(device_),
      moves_{Buffer<std::int64_t>(device_), Buffer<std::int64_t>(device_), Buffer<std::uint32_t>(device_)},
      given_(device_),
      search_{Buffer<std::byte>(device_),     Buffer<FeatureId>(device_),    Buffer<Cell>(device_),
              Buffer<Cell>(device_),          Buffer<double>(device_),       Buffer<std::int64_t>(device_),
              Buffer<std::uint16_t>(device_), Buffer<std::uint8_t>(device_), Buffer<std::int32_t>(device_),
              Buffer<Candidate>(device_)},
      quantiles_{Buffer<RankSearch>(device_), Buffer<std::int64_t>(device_), Buffer<std::int64_t>(device_)},
      ranking_{false, Buffer<std::int64_t>(device_), Buffer<float>(device_), Buffer<RankMix>(device_),
               Buffer<std::uint64_t>(device_)},
      stop_(device_),
      balance_{Buffer<DrawnSums>(device_), Buffer<CellUnits>(device_), Buffer<float>(device_)},
      witness_{Buffer<CellUnits>(device_),     Buffer<double>(device_),    Buffer<Query>(device_),
               Buffer<NodeSet>(device_),       Buffer<Candidate>(device_), Buffer<Cell>(device_),
               Buffer<std::uint32_t>(device_), Buffer<double>(device_),    Buffer<double>(device_),
               Buffer<std::int64_t>(device_)},
      full_leaves_{Buffer<std::int64_t>(device_), Buffer<double>(device_), Buffer<float>(device_)} {
  task_columns_.tasks = Buffer<TaskLoss>(device_);
  for (Buffer<float>* column : {&task_columns_.labels, &task_columns_.soft, &task_columns_.trust,
                                &task_columns_.temperature, &task_columns_.quantile_labels})
    *column = Buffer<float>(device_);
  growth_.memory = Buffer<std::byte>(device_);
  growth_.record_memory = Buffer<std::byte>(device_);
  growth_.monotone = Buffer<std::int8_t>(device_);
  growth_.used = Buffer<std::uint32_t>(device_);
  growth_.stem_cuts = Buffer<Candidate>(device_);
  growth_.stem_left = Buffer<std::int32_t>(device_);
  growth_.stem_sums = Buffer<Cell>(device_);
  growth_.stem_bins = Buffer<std::uint32_t>(device_);
  stop_.make_zero(1);
  arrivals_.make_zero(1);
}

void CudaBackend::load(const Dataset& data, std::int32_t n_targets, Communicator& comm, int /*n_threads*/) {
  if (comm.size() > 1) throw Unsupported("device=\"cuda\" works alone; use device=\"cpu\" for several workers");
  data_ = &data;
  n_targets_ = n_targets;
  n_rows_ = data.n_rows;
  table_.load(data);
  const auto size = static_cast<std::size_t>(n_rows_ * n_targets);
  scores_.make_zero(size);
  g_.make_zero(size);
  h_.make_zero(size);
  word_trials_.put(std::vector(table_.groups().host().size(), WordTrials{device_.policy().one_word_rows}));
  growth_.kinds.clear();
  growth_.used.make(std::size_t{0});
  witness_.gains.make(std::size_t{0});
  ranking_.loaded = false;
  find_scales();
  nodes_.clear();
}

std::int64_t CudaBackend::blocks_for(std::int64_t n) const {
  const Policy& policy = device_.policy();
  return std::min(policy.n_blocks, (n + policy.n_threads - 1) / policy.n_threads);
}

void CudaBackend::set_scores(std::span<const float> scores) {
  require(scores.size() == scores_.size(), "scores must have one value per row and target");
  scores_.put(scores);
}

void CudaBackend::start_scores(std::span<const float> of_target) {
  Buffer<float> there(device_);
  launch_rows(n_rows_ * n_targets_, FillRowsKernel{there.put(of_target), scores_.data(), n_rows_, n_targets_});
}

std::span<const float> CudaBackend::scores() {
  host_scores_.resize(scores_.size());
  scores_.get(host_scores_.data(), host_scores_.size());
  return host_scores_;
}

std::int64_t CudaBackend::gradient_bytes() const {
  return static_cast<std::int64_t>(request_.wide ? sizeof(WideGradient) : sizeof(NarrowGradient));
}

std::vector<RowRun> CudaBackend::runs_of(std::span<const NodeId> nodes) const {
  std::vector<RowRun> runs;
  for (const NodeId node : nodes) runs.push_back(run_of(node));
  return runs;
}

std::vector<Cell> CudaBackend::histogram_of(NodeId node) const { return histogram_at(node).cells.get(); }

std::vector<RowId> CudaBackend::rows_of(NodeId node) const {
  const NodeRows& at = rows_at(node);
  std::vector<RowId> rows(static_cast<std::size_t>(at.count));
  if (!rows.empty()) device_.to_host(rows.data(), rows_[at.buffer].data() + at.begin, rows.size() * sizeof(RowId));
  return rows;
}

}  // namespace pygbt::device
