// SPDX-License-Identifier: Apache-2.0
// Histograms of many nodes in one launch. A block takes pieces of the nodes' rows, each for a group of features: it adds
// them up in shared memory, then adds what it found to the node's cells.
//
// Bounds. Packed: 16-bit g and h of at most kPackedRows = 65,536 rows, in two 32-bit words: |sum g| <= 2^15 * 2^16 and
// 0 <= sum h < 2^16 * 2^16. A piece never has more rows. Others: 64-bit words, |sum| < 2^62 over all rows
// (math/quantise.h).
#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "backend/kernels.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/layout.h"
#include "parcel.h"

namespace pygbt::device {

namespace {

// What a block keeps in shared memory: two words a cell and, of tables that count rows, one more a bin.
struct SharedLayout {
  std::size_t word_bytes = 4;
  std::size_t shared_bytes = 0;  // there are at most
  bool counted = false;

  PYGBT_HD std::size_t bytes(const Group& group, std::int32_t n_targets) const {
    return static_cast<std::size_t>(group.n_bins) *
           (2 * word_bytes * static_cast<std::size_t>(n_targets) + (counted ? sizeof(std::uint32_t) : 0));
  }
  // Targets of `width` that a block adds up together; 0 where there is no room for one.
  PYGBT_HD std::int32_t together(const Group& group, std::int32_t width) const {
    std::int32_t n = width;
    while (n > 0 && bytes(group, n) > shared_bytes) --n;
    return n;
  }
};

PYGBT_KERNEL void add_cell(Cell* at, const Cell& cell) {
  if (cell.g != 0) add(&at->g, cell.g);
  if (cell.h != 0) add(&at->h, cell.h);
}

// g and h apart, so that neighbours lie in different banks.
template <class Word>
struct SharedCells {
  Word* g;
  Word* h;
  std::uint32_t* counts;

  PYGBT_KERNEL SharedCells(std::int64_t n_cells)
      : g(shared<Word>()), h(g + n_cells), counts(reinterpret_cast<std::uint32_t*>(h + n_cells)) {}
  PYGBT_KERNEL void add_to(std::int32_t cell, std::int64_t gradient, std::int64_t hessian) const {
    add(g + cell, static_cast<Word>(gradient));
    add(h + cell, static_cast<Word>(hessian));
  }
  PYGBT_KERNEL Cell sum(std::int64_t cell) const {
    if constexpr (sizeof(Word) == 4)
      return {static_cast<std::int32_t>(g[cell]), static_cast<std::int64_t>(h[cell])};
    else
      return {static_cast<std::int64_t>(g[cell]), static_cast<std::int64_t>(h[cell])};
  }
};

// Word: of shared cells; void = straight to the nodes' cells in device memory, for groups that have no room.
template <class Gradient, class Word>
struct HistogramKernel {
  static constexpr int kMostThreads = 1024;
  static constexpr bool kShared = !std::is_void_v<Word>;
  static constexpr bool kPacked = std::is_same_v<Word, std::uint32_t>;  // of rows without weights
  static constexpr int kAtOnce = 4;  // rows whose bins a thread has on their way

  Pieces pieces;
  const HistogramPlace* places;  // [item]
  const Group* groups;
  const Feature* features;
  const RowId* rows[2];
  const Gradient* gradients[2];  // beside the rows, or [row][width] in [0]
  const std::uint32_t* weights;  // [row]; nullptr = all 1
  SharedLayout layout;
  std::int32_t n_groups, n_parts;  // parts: of the targets, at most
  std::int32_t width;
  bool in_order;

  PYGBT_KERNEL void operator()() const {
    const std::int64_t of_piece = std::int64_t{n_groups} * n_parts, n_tasks = pieces.n() * of_piece;
    for (std::int64_t task = block(); task < n_tasks; task += n_blocks()) {
      const Group& group = groups[task / n_parts % n_groups];
      const std::int32_t together = layout.together(group, width);
      if ((together > 0) != kShared) continue;
      const std::int32_t of_part = kShared ? together : width;
      const auto first_target = static_cast<std::int32_t>(task % n_parts) * of_part;
      if (first_target >= width) continue;
      const std::int32_t rest = width - first_target;
      add_up(pieces[task / of_piece], group, first_target, rest < of_part ? rest : of_part);
    }
  }

  PYGBT_KERNEL void add_up(const RowRun& run, const Group& group, std::int32_t first_target,
                           std::int32_t n_targets) const {
    const HistogramPlace& place = places[run.item];
    Cell* const node = place.cells + row_major(group.first_bin, first_target, width);
    std::int64_t* const counts = first_target == 0 && layout.counted ? place.counts + group.first_bin : nullptr;
    if constexpr (!kShared) {
      visit_rows(run, group, first_target, [&](std::int32_t bin, std::int64_t weight, auto&& gradient_of) {
        for (std::int32_t k = 0; k < n_targets; ++k) {
          const Gradient gradient = gradient_of(k);
          add_cell(node + row_major(bin, k, width), {weight * gradient.g, weight * gradient.h});
        }
        if (counts != nullptr) add(counts + bin, std::int64_t{1});
      });
    } else {
      const std::int64_t n_cells = group.n_bins * n_targets;
      const SharedCells<Word> cells(n_cells);
      for (std::int64_t i = thread(); i < 2 * n_cells; i += n_threads()) cells.g[i] = 0;
      for (std::int64_t bin = thread(); counts != nullptr && bin < group.n_bins; bin += n_threads())
        cells.counts[bin] = 0;
      sync();
      visit_rows(run, group, first_target, [&](std::int32_t bin, std::int64_t weight, auto&& gradient_of) {
        for (std::int32_t k = 0; k < n_targets; ++k) {
          const Gradient gradient = gradient_of(k);
          cells.add_to(bin * n_targets + k, weight * gradient.g, weight * gradient.h);
        }
        if (counts != nullptr) add(cells.counts + bin, std::uint32_t{1});
      });
      sync();
      for (std::int64_t i = thread(); i < n_cells; i += n_threads())
        add_cell(node + row_major(i / n_targets, static_cast<std::int32_t>(i % n_targets), width), cells.sum(i));
      for (std::int64_t bin = thread(); counts != nullptr && bin < group.n_bins; bin += n_threads())
        if (cells.counts[bin] != 0) add(counts + bin, std::int64_t{cells.counts[bin]});
      sync();  // before the next piece clears the cells
    }
  }

  // Calls body(bin of the group, weight, gradient of a target of the task, of its number there). The threads of a row take a word of
  // its bins each.
  template <class Body>
  PYGBT_KERNEL void visit_rows(const RowRun& run, const Group& group, std::int32_t first_target, Body&& body) const {
    if (group.two_byte)
      visit_words<2>(run, group, first_target, body);
    else
      visit_words<4>(run, group, first_target, body);
  }

  template <int kInWord, class Body>
  PYGBT_KERNEL void visit_words(const RowRun& run, const Group& group, std::int32_t first_target, Body&& body) const {
    constexpr int kBits = 32 / kInWord;
    constexpr std::uint32_t kMask = kInWord == 4 ? 0xffu : 0xffffu;
    const std::int32_t word = thread() % group.n_words, step = n_threads() / group.n_words;
    const std::int32_t n_mine = group.n - word * kInWord;  // features from this word on
    if (n_mine <= 0) return;
    std::int32_t bin_0[kInWord];
    for (int i = 0; i < kInWord; ++i)
      bin_0[i] = i < n_mine
                     ? static_cast<std::int32_t>(features[group.first + word * kInWord + i].offset - group.first_bin)
                     : 0;
    const RowId* const ids = rows[run.buffer] + run.begin;
    const auto n = static_cast<std::int32_t>(run.n);
    for (std::int32_t i = thread() / group.n_words; i < n; i += kAtOnce * step) {
      RowId row[kAtOnce];
      std::uint32_t bins[kAtOnce];
      const Gradient* of_row[kAtOnce];
      Gradient first[kAtOnce];
      for (int u = 0; u < kAtOnce; ++u) row[u] = ids[i + u * step < n ? i + u * step : i];
      for (int u = 0; u < kAtOnce; ++u) {
        of_row[u] = in_order ? gradients[run.buffer] + run.begin + (i + u * step < n ? i + u * step : i)
                             : gradients[0] + row_major(row[u], first_target, width);
        first[u] = *of_row[u];
        bins[u] = group.words[row_major(row[u], word, group.n_words)];
      }
      for (int u = 0; u < kAtOnce; ++u) {
        if (i + u * step >= n) continue;
        const std::int64_t weight = kPacked || weights == nullptr ? 1 : weights[row[u]];
        for (int j = 0; j < kInWord; ++j)
          if (j < n_mine)
            body(bin_0[j] + static_cast<std::int32_t>((bins[u] >> (j * kBits)) & kMask), weight,
                 [&](std::int32_t k) { return k == 0 ? first[u] : of_row[u][k]; });
      }
    }
  }
};

// Cells of the nodes to zero.
struct ClearKernel {
  const HistogramPlace* places;
  const std::int32_t* n_items;
  std::int64_t n_words;  // of a node's cells
  std::int64_t n_counts;  // 0 = not counted

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = first_row(); i < *n_items * n_words; i += row_step())
      reinterpret_cast<std::int64_t*>(places[i / n_words].cells)[i % n_words] = 0;
    for (std::int64_t i = first_row(); i < *n_items * n_counts; i += row_step())
      places[i / n_counts].counts[i % n_counts] = 0;
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

// Rows of a piece: even work for all blocks, which take the groups and targets of a piece in turn.
PieceSize CudaBackend::histogram_pieces() const {
  const Policy& policy = device_.policy();
  const auto n_groups = static_cast<std::int64_t>(table_.host_groups().size());
  return {std::max<std::int64_t>(1, policy.histogram_blocks / n_groups), policy.histogram_rows, kPackedRows};
}

void CudaBackend::launch_histograms(const Pieces& pieces, const HistogramPlace* places, std::int64_t most_items) {
  const Policy& policy = device_.policy();
  const std::int64_t n_words = 2 * table_.n_bins() * request_.width;
  const std::int64_t n_counts = request_.count_rows ? table_.n_bins() : 0;
  launch_rows(most_items * n_words, ClearKernel{places, pieces.n_items, n_words, n_counts});
  const bool packed = !request_.wide && table_.weights() == nullptr;
  const SharedLayout layout{packed ? sizeof(std::uint32_t) : sizeof(std::uint64_t), policy.shared_bytes,
                            request_.count_rows};
  std::size_t shared_bytes = 0;
  std::int32_t n_parts = 1;
  bool in_shared = false, in_memory = false;
  for (const Group& group : table_.host_groups()) {
    const std::int32_t together = layout.together(group, request_.width);
    (together > 0 ? in_shared : in_memory) = true;
    if (together == 0) continue;
    shared_bytes = std::max(shared_bytes, layout.bytes(group, together));
    n_parts = std::max(n_parts, (request_.width + together - 1) / together);
  }
  const auto n_groups = static_cast<std::int32_t>(table_.host_groups().size());
  const auto add_up = [&]<class Gradient, class Word>(Gradient, Word*, std::int32_t parts, std::size_t bytes) {
    HistogramKernel<Gradient, Word> kernel;
    kernel.pieces = pieces;
    kernel.places = places;
    kernel.groups = table_.groups();
    kernel.features = table_.features();
    for (int b = 0; b < 2; ++b) {
      kernel.rows[b] = rows_[b].data();
      kernel.gradients[b] = reinterpret_cast<const Gradient*>(gradients_[b].data());
    }
    kernel.weights = table_.weights();
    kernel.layout = layout;
    kernel.n_groups = n_groups;
    kernel.n_parts = parts;
    kernel.width = request_.width;
    kernel.in_order = in_order_;
    device_.launch(policy.histogram_blocks, policy.histogram_threads, kernel, bytes);
  };
  const auto of_gradient = [&]<class Gradient>(Gradient gradient) {
    if (in_shared && packed) add_up(gradient, static_cast<std::uint32_t*>(nullptr), n_parts, shared_bytes);
    if (in_shared && !packed) add_up(gradient, static_cast<std::uint64_t*>(nullptr), n_parts, shared_bytes);
    if (in_memory) add_up(gradient, static_cast<void*>(nullptr), 1, 0);
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
  Buffer<HistogramPlace> places_there(device_);
  launch_histograms(pieces_.put(runs, histogram_pieces()), places_there.put(places),
                    static_cast<std::int64_t>(nodes.size()));
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
