// SPDX-License-Identifier: Apache-2.0
// Histograms as values: their memory and format, and derived = parent - built. Cells are packed where the node's rows
// fit a packed cell; packed and unpacked cells are subtracted modulo 2^64, which is exact as the difference fits too.
#include <algorithm>
#include <utility>

#include "backend/cpu_calls.h"
#include "backend/histogram_flush.h"
#include "backend/kernels.h"
#include "base/error.h"
#include "base/pool.h"

namespace pygbt {

namespace {

constexpr std::int64_t kSerialWork = 8192;  // cells below which a dispatch costs more than it saves

template <class Derived, class Parent, class Built>
void subtract_cells(Derived* derived, const Parent* parent, const Built* built, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i)
    derived[i] = convert_cell<Derived>(parent[i]) - convert_cell<Derived>(built[i]);
}

}  // namespace

bool CpuBackend::packs(NodeId node) const {
  return packable_ && comm_->size() == 1 && rows_at(node).count <= kPackedRows;
}

std::unique_ptr<CpuBackend::Histogram> CpuBackend::take_spare(bool packed) {
  std::unique_ptr<Histogram> histogram;
  if (spare_.empty()) {
    histogram = std::make_unique<Histogram>();
  } else {  // one that has the right size already, if any
    auto found = std::find_if(spare_.rbegin(), spare_.rend(), [&](const auto& one) { return one->packed == packed; });
    if (found == spare_.rend()) found = spare_.rbegin();
    std::swap(*found, spare_.back());
    histogram = std::move(spare_.back());
    spare_.pop_back();
  }
  const std::int64_t cells = bin_offset_.back() * request_.width;
  histogram->packed = packed;
  histogram->words.resize(static_cast<std::size_t>(packed ? cells : 2 * cells));
  histogram->counts.resize(request_.count_rows ? static_cast<std::size_t>(bin_offset_.back()) : 0);
  return histogram;
}

CpuBackend::Histogram& CpuBackend::new_histogram(NodeId node) {
  const auto at = static_cast<std::size_t>(node);
  if (histograms_.size() <= at) histograms_.resize(at + 1);
  if (histograms_[at]) spare_.push_back(std::move(histograms_[at]));
  histograms_[at] = take_spare(packs(node));
  return *histograms_[at];
}

CpuBackend::Histogram& CpuBackend::histogram_at(NodeId node) const {
  const auto at = static_cast<std::size_t>(node);
  require(at < histograms_.size() && histograms_[at] != nullptr, "node has no histogram");
  return *histograms_[at];
}

CpuBackend::SubtractCall::SubtractCall(CpuBackend& backend, std::span<const SiblingPair> pairs)
    : backend_(backend), pairs_(pairs) {
  auto& histograms = backend_.histograms_;
  for (const SiblingPair& pair : pairs) {
    const auto most = static_cast<std::size_t>(std::max(pair.parent, pair.derived));
    if (histograms.size() <= most) histograms.resize(most + 1);
    const bool packed = backend_.packs(pair.derived);
    const bool in_place = backend_.histogram_at(pair.parent).packed == packed;
    auto& parent = histograms[static_cast<std::size_t>(pair.parent)];
    auto& derived = histograms[static_cast<std::size_t>(pair.derived)];
    if (derived) backend_.spare_.push_back(std::move(derived));
    if (in_place) {
      derived = std::move(parent);
      parents_.emplace_back();
    } else {
      parents_.push_back(std::move(parent));
      derived = backend_.take_spare(packed);
    }
  }
}

CpuBackend::SubtractCall::~SubtractCall() {
  for (auto& parent : parents_)
    if (parent) backend_.spare_.push_back(std::move(parent));
}

// Bins [first_bin, last_bin) of the histograms of a pair.
void CpuBackend::SubtractCall::subtract(std::size_t pair, std::int64_t first_bin, std::int64_t last_bin) const {
  const std::int64_t width = backend_.request_.width;
  Histogram& derived = backend_.histogram_at(pairs_[pair].derived);
  const Histogram& parent = parents_[pair] ? *parents_[pair] : derived;
  const Histogram& built = backend_.histogram_at(pairs_[pair].built);
  const auto from_parent = [&](auto* to, const auto* from) {
    if (built.packed)
      subtract_cells(to, from, built.packed_cells(), first_bin * width, last_bin * width);
    else
      subtract_cells(to, from, built.cells(), first_bin * width, last_bin * width);
  };
  const auto into_derived = [&](auto* to) {
    if (parent.packed)
      from_parent(to, parent.packed_cells());
    else
      from_parent(to, parent.cells());
  };
  if (derived.packed)
    into_derived(derived.packed_cells());
  else
    into_derived(derived.cells());
  if (!derived.counts.empty())
    subtract_cells(derived.counts.data(), parent.counts.data(), built.counts.data(), first_bin, last_bin);
}

void CpuBackend::SubtractCall::run() {
  const auto n_pairs = static_cast<std::int64_t>(pairs_.size());
  const auto& bin_offset = backend_.bin_offset_;
  const FeatureParts& parts = backend_.feature_parts_;
  const int n_threads = bin_offset.back() * backend_.request_.width * n_pairs < kSerialWork ? 1 : backend_.n_threads_;
  const FeatureParts::Grid grid = n_threads == 1 ? FeatureParts::Grid{} : parts.grid(n_threads, n_pairs);
  parallel_for(n_threads, grid.n_tasks(), [&](std::int64_t task, int) {
    const std::int64_t part = task / grid.n_groups, share = task % grid.n_groups;
    const auto first_bin = [&](std::int64_t of) {
      return bin_offset[static_cast<std::size_t>(parts.begin(of, grid.n_parts))];
    };
    for (std::int64_t pair = n_pairs * share / grid.n_groups; pair < n_pairs * (share + 1) / grid.n_groups; ++pair)
      subtract(static_cast<std::size_t>(pair), first_bin(part), first_bin(part + 1));
  });
}

void CpuBackend::subtract(std::span<const SiblingPair> pairs) { SubtractCall(*this, pairs).run(); }

void CpuBackend::release(std::span<const NodeId> nodes) {
  for (const NodeId node : nodes) {
    const auto at = static_cast<std::size_t>(node);
    if (at < histograms_.size() && histograms_[at]) spare_.push_back(std::move(histograms_[at]));
  }
}

std::vector<Cell> CpuBackend::histogram_of(NodeId node) const {
  const Histogram& histogram = histogram_at(node);
  std::vector<Cell> cells(static_cast<std::size_t>(bin_offset_.back() * request_.width));
  for (std::size_t i = 0; i < cells.size(); ++i)
    cells[i] = histogram.packed ? unpack(histogram.packed_cells()[i]) : histogram.cells()[i];
  return cells;
}

}  // namespace pygbt
