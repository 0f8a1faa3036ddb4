// SPDX-License-Identifier: Apache-2.0
// Histograms of many nodes in one launch: their memory, which parts and pieces the work is cut into, subtraction.
#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "backend/kernels.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "histogram_kernel.h"
#include "math/layout.h"
#include "parcel.h"
#include "shared_cells.h"

namespace pygbt::device {

namespace {

// Cells of the nodes.
struct ClearNodesKernel {
  const HistogramPlace* places;  // [n_items]
  std::int64_t n_items;
  std::int64_t n_words;  // of a node's cells
  std::int64_t n_counts;  // 0 = not counted

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t item = 0; item < n_items; ++item) {
      auto* const words = reinterpret_cast<std::int64_t*>(places[item].cells);
      for (std::int64_t i = first_row(); i < n_words; i += row_step()) words[i] = 0;
      for (std::int64_t i = first_row(); i < n_counts; i += row_step()) places[item].counts[i] = 0;
    }
  }
};

struct SubtractKernel {
  const HistogramPair* pairs;
  const std::int32_t* n_pairs;
  std::int64_t n_words;  // of a node's cells
  std::int64_t n_counts;  // 0 = not counted

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = first_row(); i < *n_pairs * n_words; i += row_step()) {
      const HistogramPair& pair = pairs[i / n_words];
      reinterpret_cast<std::int64_t*>(pair.parent.cells)[i % n_words] -=
          reinterpret_cast<const std::int64_t*>(pair.built.cells)[i % n_words];
    }
    for (std::int64_t i = first_row(); i < *n_pairs * n_counts; i += row_step()) {
      const HistogramPair& pair = pairs[i / n_counts];
      pair.parent.counts[i % n_counts] -= pair.built.counts[i % n_counts];
    }
  }
};

}  // namespace

// Whatever its memory holds.
std::unique_ptr<CudaBackend::Histogram> CudaBackend::new_histogram() {
  std::unique_ptr<Histogram> histogram;
  if (spare_.empty()) {
    histogram = std::make_unique<Histogram>(Histogram{Buffer<Cell>(device_), Buffer<std::int64_t>(device_)});
  } else {
    histogram = std::move(spare_.back());
    spare_.pop_back();
  }
  histogram->cells.make(table_.n_bins() * request_.width);
  histogram->counts.make(request_.count_rows ? table_.n_bins() : 0);
  return histogram;
}

CudaBackend::Histogram& CudaBackend::histogram_at(NodeId node) const {
  const auto at = static_cast<std::size_t>(node);
  if (at >= histograms_.size() || !histograms_[at]) throw std::logic_error("the node has no histogram");
  return *histograms_[at];
}

// Parts of a group's words. One where every block has rows enough: parts read a row's bins again. More where clearing the
// cells and handing them over would take longer than the rows do, or where all targets fit into shared memory only so.
std::int32_t CudaBackend::histogram_parts() const {
  const Policy& policy = device_.policy();
  const bool packed = !request_.wide && table_.weights() == nullptr;
  const SharedLayout layout{packed ? sizeof(std::uint32_t) : sizeof(std::uint64_t), policy.shared_bytes,
                            request_.count_rows};
  const auto n_groups = static_cast<std::int64_t>(table_.groups().host().size());
  const std::int64_t of_block = std::max<std::int64_t>(1, n_rows_ * n_groups / policy.histogram_blocks);
  std::int32_t n = 1;
  while (n < Group::kMostWords && n * of_block < policy.histogram_rows_enough) n *= 2;
  for (const Group& group : table_.groups().host())
    while (n < group.n_words && layout.together(group.n_places, request_.width) > 0 &&
           layout.bytes(table_.groups().most_places(group, n), request_.width) > policy.shared_bytes)
      n *= 2;
  std::int32_t most = 1;
  for (const Group& group : table_.groups().host()) most = std::max(most, group.n_words);
  return std::min(n, most);
}

// Rows of a piece: even work for all blocks, which take the groups, their parts and the targets of a piece in turn.
PieceSize CudaBackend::histogram_pieces() const {
  const Policy& policy = device_.policy();
  const auto n_tasks = static_cast<std::int64_t>(table_.groups().host().size()) * histogram_parts();
  return {std::max<std::int64_t>(1, policy.histogram_blocks / n_tasks), policy.histogram_rows, kPackedRows};
}

// Into cells that are zero.
void CudaBackend::launch_histograms(const Pieces& pieces, const HistogramPlace* places) {
  const Policy& policy = device_.policy();
  const bool packed = !request_.wide && table_.weights() == nullptr;
  const SharedLayout layout{packed ? sizeof(std::uint32_t) : sizeof(std::uint64_t), policy.shared_bytes,
                            request_.count_rows};
  const std::int32_t word_parts = histogram_parts();
  std::size_t shared_bytes = 0;
  std::int32_t target_parts = 1;
  bool in_shared = false, in_memory = false;
  for (const Group& group : table_.groups().host()) {
    const std::int32_t together = layout.together(group.n_places, request_.width);
    (together > 0 ? in_shared : in_memory) = true;
    if (together == 0) continue;
    const std::int64_t n_places = table_.groups().most_places(group, word_parts);
    const std::int32_t of_part = layout.together(n_places, request_.width);
    shared_bytes = std::max(shared_bytes, layout.bytes(n_places, of_part));
    target_parts = std::max(target_parts, (request_.width + of_part - 1) / of_part);
  }
  // A part of fewer places than the largest takes more targets at a time, up to all that there is room for.
  if (target_parts > 1) shared_bytes = policy.shared_bytes;
  const auto n_groups = static_cast<std::int32_t>(table_.groups().host().size());
  const auto add_up = [&]<class Gradient, class Word, bool kOne>(HistogramKernel<Gradient, Word, kOne> kernel) {
    kernel.pieces = pieces;
    kernel.places = places;
    kernel.table = table_.groups().table();
    for (int b = 0; b < 2; ++b) {
      kernel.rows[b] = rows_[b].data();
      kernel.gradients[b] = reinterpret_cast<const Gradient*>(gradients_[b].data());
    }
    kernel.weights = table_.weights();
    kernel.even_h = even_h_.data();
    kernel.trials = word_trials_.data();
    kernel.layout = layout;
    if (kernel.kShared)
      kernel.scratch_at = static_cast<std::int64_t>((shared_bytes - SharedLayout::kScratch) / sizeof(Cell));
    kernel.n_groups = n_groups;
    kernel.word_parts = kernel.kShared ? word_parts : 1;
    kernel.target_parts = kernel.kShared ? target_parts : 1;
    kernel.width = request_.width;
    device_.launch(policy.histogram_blocks, policy.histogram_threads, kernel, kernel.kShared ? shared_bytes : 0);
  };
  const auto of_word = [&]<class Gradient, class Word>(Gradient, Word*) {
    if (in_order_)
      add_up(HistogramKernel<Gradient, Word, true>{});
    else
      add_up(HistogramKernel<Gradient, Word, false>{});
  };
  const auto of_gradient = [&](auto gradient) {
    if constexpr (std::is_same_v<decltype(gradient), NarrowGradient>)
      if (in_shared && packed) of_word(gradient, static_cast<std::uint32_t*>(nullptr));
    if (in_shared && !packed) of_word(gradient, static_cast<std::uint64_t*>(nullptr));
    if (in_memory) of_word(gradient, static_cast<void*>(nullptr));
  };
  if (request_.wide)
    of_gradient(WideGradient{});
  else
    of_gradient(NarrowGradient{});
}

void CudaBackend::histograms(std::span<const NodeId> nodes) {
  std::vector<HistogramPlace> places;
  std::vector<RowRun> runs;
  for (const NodeId node : nodes) {
    const auto at = static_cast<std::size_t>(node);
    if (histograms_.size() <= at) histograms_.resize(at + 1);
    if (histograms_[at]) spare_.push_back(std::move(histograms_[at]));
    histograms_[at] = new_histogram();
    places.push_back(place_of(*histograms_[at]));
    runs.push_back(run_of(node));
  }
  Buffer<HistogramPlace> places_buffer(device_);
  const HistogramPlace* const places_there = places_buffer.put(places);
  const Pieces pieces = pieces_.put(runs, histogram_pieces());
  const std::int64_t n_words = 2 * table_.n_bins() * request_.width;
  launch_rows(n_words, ClearNodesKernel{places_there, static_cast<std::int64_t>(nodes.size()), n_words,
                                        request_.count_rows ? table_.n_bins() : 0});
  launch_histograms(pieces, places_there);
}

void CudaBackend::launch_subtract(const HistogramPair* pairs, const std::int32_t* n_pairs, std::int64_t most_pairs) {
  const std::int64_t n_words = 2 * table_.n_bins() * request_.width;
  launch_rows(most_pairs * n_words, SubtractKernel{pairs, n_pairs, n_words, request_.count_rows ? table_.n_bins() : 0});
}

void CudaBackend::subtract(std::span<const SiblingPair> pairs) {
  std::vector<HistogramPair> given;
  for (const SiblingPair& pair : pairs) {
    given.push_back({place_of(histogram_at(pair.parent)), place_of(histogram_at(pair.built))});
    const auto derived = static_cast<std::size_t>(pair.derived);
    if (histograms_.size() <= derived) histograms_.resize(derived + 1);
    histograms_[derived] = std::move(histograms_[static_cast<std::size_t>(pair.parent)]);
  }
  Parcel parcel(given_);
  const auto pairs_part = parcel.put(given);
  const auto n_part = parcel.put(std::vector<std::int32_t>{static_cast<std::int32_t>(given.size())});
  parcel.send();
  launch_subtract(parcel.at(pairs_part), parcel.at(n_part), static_cast<std::int64_t>(given.size()));
}

void CudaBackend::release(std::span<const NodeId> nodes) {
  for (const NodeId node : nodes) {
    const auto at = static_cast<std::size_t>(node);
    if (at < histograms_.size() && histograms_[at]) spare_.push_back(std::move(histograms_[at]));
  }
}

}  // namespace pygbt::device
