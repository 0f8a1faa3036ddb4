// SPDX-License-Identifier: Apache-2.0
// Histograms of many nodes in one launch. A block adds up a run of a node's rows for a group of features in shared
// memory, then adds what it found to the node's cells.
//
// Bounds. Packed: 16-bit g and h of at most kPackedRows = 65,536 rows, in two 32-bit words: |sum g| <= 2^15 * 2^16 and
// 0 <= sum h < 2^16 * 2^16. A run never has more rows. Others: 64-bit words, |sum| < 2^62 over all rows
// (math/quantise.h).
#include <algorithm>
#include <stdexcept>
#include <type_traits>

#include "backend/kernels.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/layout.h"

namespace pygbt::device {

namespace {

// Rows [run.begin, + run.n), a group of features and the targets [first_target, + n_targets) of one node.
struct HistogramTask {
  RowRun run;
  std::int32_t group = 0;
  std::int32_t first_target = 0;
  std::int32_t n_targets = 1;
  Cell* cells = nullptr;           // of the node
  std::int64_t* counts = nullptr;  // nullptr = not counted, or by another task
};

// Cells of a block: two words each, g and h apart, so that neighbours lie in different banks.
template <class Word>
struct SharedCells {
  Word* g;
  Word* h;

  PYGBT_KERNEL SharedCells(Word* words, std::int64_t n) : g(words), h(words + n) {}
  PYGBT_KERNEL void add_to(std::int64_t cell, std::int64_t gradient, std::int64_t hessian) const {
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

PYGBT_KERNEL void add_cell(Cell* at, const Cell& cell) {
  if (cell.g != 0) add(&at->g, cell.g);
  if (cell.h != 0) add(&at->h, cell.h);
}

// Word: of shared cells; void = straight to the node's cells in device memory, where a block has no room for them.
template <class Gradient, class Word>
struct HistogramKernel {
  static constexpr bool kShared = !std::is_void_v<Word>;

  const HistogramTask* tasks;  // [block]
  const Group* groups;
  const Feature* features;
  const RowId* rows[2];
  const Gradient* gradients[2];  // beside the rows, or [row][width] in [0]
  const std::uint32_t* weights;  // [row]; nullptr = all 1
  std::int32_t width;
  bool in_order;

  PYGBT_KERNEL void operator()() const {
    const HistogramTask& task = tasks[block()];
    const Group& group = groups[task.group];
    const std::int64_t n_cells = group.n_bins * task.n_targets;
    Cell* const node = task.cells + row_major(group.first_bin, task.first_target, width);
    if constexpr (!kShared) {
      visit_rows(task, group, [&](std::int64_t bin, std::int32_t k, std::int64_t g, std::int64_t h) {
        add_cell(node + row_major(bin, k, width), {g, h});
      });
    } else {
      auto* const words = shared<Word>();
      for (std::int64_t i = thread(); i < 2 * n_cells; i += n_threads()) words[i] = 0;
      sync();
      const SharedCells<Word> cells(words, n_cells);
      visit_rows(task, group, [&](std::int64_t bin, std::int32_t k, std::int64_t g, std::int64_t h) {
        cells.add_to(row_major(bin, k, task.n_targets), g, h);
      });
      sync();
      for (std::int64_t i = thread(); i < n_cells; i += n_threads())
        add_cell(node + row_major(i / task.n_targets, static_cast<std::int32_t>(i % task.n_targets), width),
                 cells.sum(i));
    }
  }

  // Calls body(bin of the group, target of the task, g, h). The threads of a row take a feature each.
  template <class Body>
  PYGBT_KERNEL void visit_rows(const HistogramTask& task, const Group& group, Body&& body) const {
    const std::int64_t rows_at_once = n_threads() / group.lanes;
    for (std::int64_t i = thread() / group.lanes; i < task.run.n; i += rows_at_once) {
      const std::int64_t at = task.run.begin + i;
      const RowId row = rows[task.run.buffer][at];
      const Gradient* const of_row =
          in_order ? gradients[task.run.buffer] + at : gradients[0] + row_major(row, task.first_target, width);
      const std::int64_t weight = weights == nullptr ? 1 : weights[row];
      for (std::int32_t f = thread() % group.lanes; f < group.n; f += group.lanes) {
        const std::int64_t bin = features[group.first + f].offset - group.first_bin +
                                 bin_at(group.bins, group.two_byte, row_major(row, f, group.n));
        for (std::int32_t k = 0; k < task.n_targets; ++k) body(bin, k, weight * of_row[k].g, weight * of_row[k].h);
        if (task.counts != nullptr) add(task.counts + group.first_bin + bin, std::int64_t{1});
      }
    }
  }
};

struct SubtractKernel {
  struct Pair {
    std::int64_t* parent;  // becomes parent - built
    const std::int64_t* built;
    std::int64_t n;
  };
  const Pair* pairs;
  std::int64_t blocks_of_pair;

  PYGBT_KERNEL void operator()() const {
    const Pair& pair = pairs[block() / blocks_of_pair];
    for (std::int64_t i = block() % blocks_of_pair * n_threads() + thread(); i < pair.n;
         i += blocks_of_pair * n_threads())
      pair.parent[i] -= pair.built[i];
  }
};

}  // namespace

std::unique_ptr<CudaBackend::Histogram> CudaBackend::new_histogram() {
  std::unique_ptr<Histogram> histogram;
  if (spare_.empty()) {
    histogram = std::make_unique<Histogram>(Histogram{Buffer<Cell>(device_), Buffer<std::int64_t>(device_)});
  } else {
    histogram = std::move(spare_.back());
    spare_.pop_back();
  }
  histogram->cells.make_zero(static_cast<std::size_t>(table_.n_bins() * request_.width));
  histogram->counts.make_zero(request_.count_rows ? static_cast<std::size_t>(table_.n_bins()) : 0);
  return histogram;
}

CudaBackend::Histogram& CudaBackend::histogram_at(NodeId node) const {
  const auto at = static_cast<std::size_t>(node);
  if (at >= histograms_.size() || !histograms_[at]) throw std::logic_error("the node has no histogram");
  return *histograms_[at];
}

void CudaBackend::histograms(std::span<const NodeId> nodes) {
  for (const NodeId node : nodes) {
    const auto at = static_cast<std::size_t>(node);
    if (histograms_.size() <= at) histograms_.resize(at + 1);
    if (histograms_[at]) spare_.push_back(std::move(histograms_[at]));
    histograms_[at] = new_histogram();
  }
  const Policy& policy = device_.policy();
  const bool packed = !request_.wide && table_.weights() == nullptr;
  const std::size_t cell_bytes = packed ? 2 * sizeof(std::uint32_t) : 2 * sizeof(std::uint64_t);
  std::int64_t n_rows = 0;
  for (const NodeId node : nodes) n_rows += rows_at(node).count;
  const auto n_groups = static_cast<std::int64_t>(table_.host_groups().size());
  const std::int64_t even = n_rows * n_groups / policy.histogram_blocks;
  const std::vector<RowRun> runs =
      runs_of(nodes, std::min(std::max(even, policy.chunk_rows), std::int64_t{kPackedRows}));
  std::vector<HistogramTask> in_shared, in_memory;
  std::size_t shared_bytes = 0;
  for (std::size_t g = 0; g < table_.host_groups().size(); ++g) {
    const std::size_t bytes = static_cast<std::size_t>(table_.host_groups()[g].n_bins) * cell_bytes;
    const bool fits = bytes <= policy.shared_bytes;
    const auto together = static_cast<std::int32_t>(
        fits ? std::min<std::size_t>(policy.shared_bytes / bytes, static_cast<std::size_t>(request_.width))
             : static_cast<std::size_t>(request_.width));
    if (fits) shared_bytes = std::max(shared_bytes, bytes * static_cast<std::size_t>(together));
    for (const RowRun& run : runs)
      for (std::int32_t first = 0; first < request_.width; first += together) {
        Histogram& of = histogram_at(nodes[static_cast<std::size_t>(run.item)]);
        (fits ? in_shared : in_memory)
            .push_back({run, static_cast<std::int32_t>(g), first, std::min(together, request_.width - first),
                        of.cells.data(), first == 0 && request_.count_rows ? of.counts.data() : nullptr});
      }
  }
  Buffer<HistogramTask> tasks_there(device_);
  const auto add_up = [&]<class Gradient, class Word>(const std::vector<HistogramTask>& tasks, std::size_t bytes) {
    HistogramKernel<Gradient, Word> kernel;
    kernel.tasks = tasks_there.put(tasks);
    kernel.groups = table_.groups();
    kernel.features = table_.features();
    for (int b = 0; b < 2; ++b) {
      kernel.rows[b] = rows_[b].data();
      kernel.gradients[b] = reinterpret_cast<const Gradient*>(gradients_[b].data());
    }
    kernel.weights = table_.weights();
    kernel.width = request_.width;
    kernel.in_order = in_order_;
    device_.launch(static_cast<std::int64_t>(tasks.size()), policy.n_threads, kernel, bytes);
  };
  if (packed) {
    add_up.template operator()<NarrowGradient, std::uint32_t>(in_shared, shared_bytes);
    add_up.template operator()<NarrowGradient, void>(in_memory, 0);
  } else if (!request_.wide) {
    add_up.template operator()<NarrowGradient, std::uint64_t>(in_shared, shared_bytes);
    add_up.template operator()<NarrowGradient, void>(in_memory, 0);
  } else {
    add_up.template operator()<WideGradient, std::uint64_t>(in_shared, shared_bytes);
    add_up.template operator()<WideGradient, void>(in_memory, 0);
  }
}

void CudaBackend::subtract(std::span<const SiblingPair> pairs) {
  std::vector<SubtractKernel::Pair> given;
  for (const SiblingPair& pair : pairs) {
    Histogram& parent = histogram_at(pair.parent);
    const Histogram& built = histogram_at(pair.built);
    given.push_back({reinterpret_cast<std::int64_t*>(parent.cells.data()),
                     reinterpret_cast<const std::int64_t*>(built.cells.data()),
                     static_cast<std::int64_t>(2 * parent.cells.size())});
    if (request_.count_rows)
      given.push_back({parent.counts.data(), built.counts.data(), static_cast<std::int64_t>(parent.counts.size())});
    const auto derived = static_cast<std::size_t>(pair.derived);
    if (histograms_.size() <= derived) histograms_.resize(derived + 1);
    histograms_[derived] = std::move(histograms_[static_cast<std::size_t>(pair.parent)]);
  }
  Buffer<SubtractKernel::Pair> there(device_);
  const std::int64_t blocks = blocks_for(2 * table_.n_bins() * request_.width);
  device_.launch(static_cast<std::int64_t>(given.size()) * blocks, device_.policy().n_threads,
                 SubtractKernel{there.put(given), blocks});
}

void CudaBackend::release(std::span<const NodeId> nodes) {
  for (const NodeId node : nodes) {
    const auto at = static_cast<std::size_t>(node);
    if (at < histograms_.size() && histograms_[at]) spare_.push_back(std::move(histograms_[at]));
  }
}

}  // namespace pygbt::device
