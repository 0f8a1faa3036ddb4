// SPDX-License-Identifier: Apache-2.0
// Memory and small operations; the others have files of their own.
#include "cuda_backend.h"

#include <algorithm>
#include <stdexcept>

#include "backend/kernels.h"
#include "base/error.h"
#include "math/quantise.h"

namespace pygbt::device {

CudaBackend::CudaBackend(int ordinal)
    : device_(ordinal),
      table_(device_),
      training_rows_(device_, table_, scores_),
      evaluation_sets_(device_),
      scores_(device_),
      g_(device_),
      h_(device_),
      extremes_(device_),
      sums_(device_),
      rows_{Buffer<RowId>(device_), Buffer<RowId>(device_)},
      gradients_{Buffer<std::uint8_t>(device_), Buffer<std::uint8_t>(device_)},
      moves_{Buffer<std::byte>(device_), Buffer<std::int64_t>(device_), Buffer<std::int64_t>(device_),
             Buffer<std::uint8_t>(device_)},
      given_(device_) {}

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
  max_g_.assign(static_cast<std::size_t>(n_targets), -1.0);
  max_h_.assign(static_cast<std::size_t>(n_targets), -1.0);
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

std::span<const float> CudaBackend::scores() {
  host_scores_.resize(scores_.size());
  scores_.get(host_scores_.data(), host_scores_.size());
  return host_scores_;
}

std::int64_t CudaBackend::gradient_bytes() const {
  return static_cast<std::int64_t>(request_.wide ? sizeof(WideGradient) : sizeof(NarrowGradient));
}

// Rows of the nodes in runs of at most so many; `item` is the place of the node in the list.
std::vector<RowRun> CudaBackend::runs_of(std::span<const NodeId> nodes, std::int64_t most_rows) const {
  std::vector<RowRun> runs;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const NodeRows& at = rows_at(nodes[i]);
    for (std::int64_t done = 0; done < at.count; done += most_rows)
      runs.push_back({at.begin + done, std::min(most_rows, at.count - done), static_cast<std::int32_t>(i), at.buffer});
  }
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
