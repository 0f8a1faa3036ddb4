// SPDX-License-Identifier: Apache-2.0
// Histograms of many nodes in one launch. A block takes pieces of the nodes' rows, each for a group of features or a part
// of one: it adds them up in shared memory (shared_cells.h states the bounds), then adds what it found to the node's
// cells.
#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "backend/kernels.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/layout.h"
#include "parcel.h"
#include "shared_cells.h"

namespace pygbt::device {

namespace {

PYGBT_KERNEL void add_cell(Cell* at, const Cell& cell) {
  if (cell.g != 0) add(&at->g, cell.g);
  if (cell.h != 0) add(&at->h, cell.h);
}

// Word: of shared cells; void = straight to the nodes' cells in device memory, for groups that have no room. kOne: trees of
// one target, whose gradients lie beside the rows.
template <class Gradient, class Word, bool kOne>
struct HistogramKernel {
  static constexpr int kMostThreads = 1024;
  static constexpr bool kShared = !std::is_void_v<Word>;
  static constexpr bool kPacked = std::is_same_v<Word, std::uint32_t>;  // of rows without weights
  static constexpr int kAtOnce = kOne ? 4 : 2;  // rows whose bins a thread has on their way

  Pieces pieces;
  const HistogramPlace* places;  // [item]
  const Group* groups;
  const Feature* features;
  const RowId* rows[2];
  const Gradient* gradients[2];  // beside the rows, or [row][width] in [0]
  const std::uint32_t* weights;  // [row]; nullptr = all 1
  const std::uint32_t* even_h;  // [width], see EvenHessians
  WordTrials* trials;  // [group]
  SharedLayout layout;
  std::int32_t n_groups;
  std::int32_t word_parts, target_parts;  // of a group, of the targets: at most
  std::int32_t width;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t of_group = word_parts * target_parts, of_piece = n_groups * of_group;
    for (std::int64_t task = block(), n_tasks = pieces.n() * of_piece; task < n_tasks; task += n_blocks()) {
      const auto in_piece = static_cast<std::int32_t>(task % of_piece);
      const std::int32_t number = in_piece / of_group;
      const Group& group = groups[number];
      if ((layout.together(group.n_bins, width) > 0) != kShared) continue;
      const Part part = Part::of(group, features, in_piece / target_parts % word_parts, word_parts);
      if (part.n == 0) continue;
      const std::int32_t together = kShared ? layout.together(part.n_bins, width) : width;
      const std::int32_t first_target = in_piece % target_parts * together, rest = width - first_target;
      if (rest <= 0) continue;
      const RowRun run = pieces[task / of_piece];
      const std::int32_t n_targets = rest < together ? rest : together;
      if (group.two_byte)
        add_up<2>(run, part, first_target, n_targets, trials[number]);
      else
        add_up<4>(run, part, first_target, n_targets, trials[number]);
    }
  }

  template <int kInWord>
  PYGBT_KERNEL void add_up(const RowRun& run, const Part& part, std::int32_t first_target, std::int32_t n_targets,
                           WordTrials& of_group) const {
    if constexpr (!kShared) {
      add_to_node<kInWord>(run, part, first_target, n_targets);
    } else {
      if constexpr (kPacked) {
        const bool sure = run.n <= kWordRows;
        if (even_h[0] != 0 && run.n <= of_group.most_rows) {
          const bool fits = add_in_words<kInWord, true>(run, part, first_target, n_targets);
          if (thread() == 0 && !sure) add(&of_group.rows, run.n);
          if (fits) return;
          if (thread() == 0) add(&of_group.again, run.n);
        }
      }
      add_in_words<kInWord, false>(run, part, first_target, n_targets);
    }
  }

  template <int kInWord>
  PYGBT_KERNEL void add_to_node(const RowRun& run, const Part& part, std::int32_t first_target,
                                std::int32_t n_targets) const {
    const HistogramPlace& place = places[run.item];
    Cell* const node = place.cells + row_major(part.first_bin, first_target, width);
    std::int64_t* const counts = layout.counted ? place.counts + part.first_bin : nullptr;
    visit_rows<kInWord>(run, part, first_target, [&](std::int32_t bin, std::int64_t weight, auto&& gradient_of) {
      for (std::int32_t k = 0; k < n_targets; ++k) {
        const Gradient gradient = gradient_of(k);
        add_cell(node + row_major(bin, k, width), {weight * gradient.g, weight * gradient.h});
      }
      if (counts != nullptr) add(counts + bin, std::int64_t{1});
    });
  }

  // False: a cell of one word has had no room for its rows, and the node is as it was.
  template <int kInWord, bool kOneWord>
  PYGBT_KERNEL bool add_in_words(const RowRun& run, const Part& part, std::int32_t first_target,
                                 std::int32_t n_targets) const {
    const HistogramPlace& place = places[run.item];
    Cell* const node = place.cells + row_major(part.first_bin, first_target, width);
    std::int64_t* const counts = first_target == 0 && layout.counted ? place.counts + part.first_bin : nullptr;
    const auto n_bins = static_cast<std::int32_t>(part.n_bins), n_cells = n_bins * n_targets;
    const SharedCells<Word> cells(n_cells);
    const bool counts_apart = !kOneWord && counts != nullptr;
    for (std::int32_t i = thread(); i < (kOneWord ? 1 : 2) * n_cells; i += n_threads()) cells.g[i] = 0;
    for (std::int32_t bin = thread(); counts_apart && bin < n_bins; bin += n_threads()) cells.counts[bin] = 0;
    sync();
    visit_rows<kInWord>(run, part, first_target, [&](std::int32_t bin, std::int64_t weight, auto&& gradient_of) {
      for (std::int32_t k = 0; k < (kOne ? 1 : n_targets); ++k) {
        const Gradient gradient = gradient_of(k);
        cells.template add_to<kOneWord>(kOne ? bin : bin * n_targets + k, weight * gradient.g, weight * gradient.h);
      }
      if (counts_apart) add(cells.counts + bin, std::uint32_t{1});
    });
    sync();
    const bool fits = !kOneWord || run.n <= kWordRows || cells.fit(run.n * part.n * n_targets);
    if (fits) {
      for (std::int32_t i = thread(); i < n_cells; i += n_threads()) {
        const std::int32_t k = i % n_targets;
        const std::int64_t of_row = kOneWord ? even_h[first_target + k] : 0;
        add_cell(node + row_major(i / n_targets, k, width), cells.template sum<kOneWord>(i, of_row));
      }
      for (std::int32_t bin = thread(); counts != nullptr && bin < n_bins; bin += n_threads()) {
        const std::int64_t n = kOneWord ? cells.rows(bin * n_targets) : std::int64_t{cells.counts[bin]};
        if (n != 0) add(counts + bin, n);
      }
    }
    sync();  // before the next piece clears the cells
    return fits;
  }

  // Calls body(bin of the part, weight, gradient of a target of the task, of its number there). The threads of a row take
  // a word of its bins each.
  template <int kInWord, class Body>
  PYGBT_KERNEL void visit_rows(const RowRun& run, const Part& part, std::int32_t first_target, Body&& body) const {
    constexpr int kBits = 32 / kInWord;
    constexpr std::uint32_t kMask = kInWord == 4 ? 0xffu : 0xffffu;
    const std::int32_t word = thread() % part.n_words, step = n_threads() / part.n_words;
    const std::int32_t n_mine = part.n - word * kInWord;  // features from this word on
    if (n_mine <= 0) return;
    std::int32_t bin_0[kInWord];
    for (int i = 0; i < kInWord; ++i)
      bin_0[i] =
          i < n_mine ? static_cast<std::int32_t>(features[part.first + word * kInWord + i].offset - part.first_bin) : 0;
    const RowId* const ids = rows[run.buffer] + run.begin;
    const auto n = static_cast<std::int32_t>(run.n);
    const Gradient* const of_rows = gradients[kOne ? run.buffer : 0] + (kOne ? run.begin : std::int64_t{first_target});
    for (std::int32_t i = thread() / part.n_words; i < n; i += kAtOnce * step) {
      RowId row[kAtOnce];
      std::uint32_t bins[kAtOnce];
      Gradient first[kAtOnce];
      for (int u = 0; u < kAtOnce; ++u) row[u] = ids[i + u * step < n ? i + u * step : i];
      for (int u = 0; u < kAtOnce; ++u) {
        first[u] = kOne ? of_rows[i + u * step < n ? i + u * step : i] : of_rows[row_major(row[u], 0, width)];
        bins[u] = part.words[row_major(row[u], word, part.stride)];
      }
      PYGBT_UNROLL  // or the arrays would lie in memory
      for (int u = 0; u < kAtOnce; ++u) {
        if (i + u * step >= n) continue;
        const std::int64_t weight = kPacked || weights == nullptr ? 1 : weights[row[u]];
        PYGBT_UNROLL
        for (int j = 0; j < kInWord; ++j)
          if (j < n_mine)
            body(bin_0[j] + static_cast<std::int32_t>((bins[u] >> (j * kBits)) & kMask), weight,
                 [&](std::int32_t k) { return k == 0 ? first[u] : of_rows[row_major(row[u], k, width)]; });
      }
    }
  }
};

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
  const auto n_groups = static_cast<std::int64_t>(table_.host_groups().size());
  const std::int64_t of_block = std::max<std::int64_t>(1, n_rows_ * n_groups / policy.histogram_blocks);
  std::int32_t n = 1;
  while (n < Group::kMostWords && n * of_block < policy.histogram_rows_enough) n *= 2;
  for (const Group& group : table_.host_groups())
    while (n < group.n_words && layout.together(group.n_bins, request_.width) > 0 &&
           layout.bytes(table_.most_bins(group, n), request_.width) > policy.shared_bytes)
      n *= 2;
  std::int32_t most = 1;
  for (const Group& group : table_.host_groups()) most = std::max(most, group.n_words);
  return std::min(n, most);
}

// Rows of a piece: even work for all blocks, which take the groups, their parts and the targets of a piece in turn.
PieceSize CudaBackend::histogram_pieces() const {
  const Policy& policy = device_.policy();
  const auto n_tasks = static_cast<std::int64_t>(table_.host_groups().size()) * histogram_parts();
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
  for (const Group& group : table_.host_groups()) {
    const std::int32_t together = layout.together(group.n_bins, request_.width);
    (together > 0 ? in_shared : in_memory) = true;
    if (together == 0) continue;
    const std::int64_t n_bins = table_.most_bins(group, word_parts);
    const std::int32_t of_part = layout.together(n_bins, request_.width);
    shared_bytes = std::max(shared_bytes, layout.bytes(n_bins, of_part));
    target_parts = std::max(target_parts, (request_.width + of_part - 1) / of_part);
  }
  // A part of fewer bins than the largest takes more targets at a time, up to all that there is room for.
  if (target_parts > 1) shared_bytes = policy.shared_bytes;
  const auto n_groups = static_cast<std::int32_t>(table_.host_groups().size());
  const auto add_up = [&]<class Gradient, class Word, bool kOne>(HistogramKernel<Gradient, Word, kOne> kernel) {
    kernel.pieces = pieces;
    kernel.places = places;
    kernel.groups = table_.groups();
    kernel.features = table_.features();
    for (int b = 0; b < 2; ++b) {
      kernel.rows[b] = rows_[b].data();
      kernel.gradients[b] = reinterpret_cast<const Gradient*>(gradients_[b].data());
    }
    kernel.weights = table_.weights();
    kernel.even_h = even_h_.data();
    kernel.trials = word_trials_.data();
    kernel.layout = layout;
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
