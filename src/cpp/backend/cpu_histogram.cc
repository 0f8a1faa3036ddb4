// SPDX-License-Identifier: Apache-2.0
// Histograms of many nodes in one dispatch. A run of rows is added up in a buffer of its block that stays in L1, then
// flushed to the node's histogram; runs that share cells flush one after the other, and the first finds nothing to add
// to, so that a histogram is never cleared.
#include <algorithm>
#include <mutex>

#include "backend/cpu_calls.h"
#include "backend/histogram_flush.h"
#include "backend/isa_dispatch.h"
#include "backend/sparse_flush.h"
#include "base/pool.h"

namespace pygbt {

namespace {

constexpr std::int64_t kDirectRows = 96;  // fewer go straight to the histogram: the buffer's way is longer

constexpr std::int64_t kAheadRows = 128;  // as in isa/histogram_packed.inc

void prefetch_lines(const void* first, std::int64_t bytes) {
  for (std::int64_t at = 0; at < bytes; at += 64) __builtin_prefetch(static_cast<const char*>(first) + at);
}

template <class Element>
Element* grown(std::vector<Element>& buffer, std::int64_t size) {
  if (buffer.size() < static_cast<std::size_t>(size)) buffer.resize(static_cast<std::size_t>(size));
  return buffer.data();
}

template <class Element>
void clear_bins(const BlockLayout& layout, Element* cells, std::int64_t width) {
  for (const SlotLayout& slot : layout.slots) std::fill_n(cells + slot.bin * width, slot.n_codes * width, Element{});
}

}  // namespace

CpuBackend::HistogramCall::HistogramCall(CpuBackend& backend, std::span<const NodeId> nodes)
    : backend_(backend), nodes_(nodes) {
  for (const NodeId node : nodes) {
    out_.push_back(&backend.new_histogram(node));
    rows_.push_back(backend.rows_at(node).count);
  }
}

void CpuBackend::HistogramCall::add_block(std::size_t block, std::size_t node, HistogramBuffer& buffer) {
  add_run({block, node, 0, rows_[node], true}, buffer);
}

void CpuBackend::HistogramCall::run() {
  std::vector<BlockWork> blocks;
  for (const BlockLayout& layout : backend_.layouts_) blocks.push_back(work_of(layout));
  for (const SparseBlock& block : backend_.data_->bins->sparse_blocks)
    blocks.push_back(work_of(block, backend_.n_rows_));
  n_blocks_ = blocks.size();
  tasks_.plan(blocks, rows_, backend_.n_threads_);
  written_.assign(nodes_.size() * n_blocks_ * static_cast<std::size_t>(n_layers()), 0);
  const int n_threads = tasks_.serial ? 1 : backend_.n_threads_;
  auto& buffers = backend_.histogram_buffers_;
  if (buffers.size() < static_cast<std::size_t>(n_threads)) buffers.resize(static_cast<std::size_t>(n_threads));
  parallel_for(n_threads, static_cast<std::int64_t>(tasks_.ends.size()), [&](std::int64_t t, int worker) {
    const auto at = static_cast<std::size_t>(t);
    for (std::size_t r = t == 0 ? 0 : tasks_.ends[at - 1]; r < tasks_.ends[at]; ++r)
      add_run(tasks_.runs[r], buffers[static_cast<std::size_t>(worker)]);
  });
}

// Calls kernel(task) with the rows of the run, piece by piece where they lie side by side. A kernel fetches the first
// bins of the next piece; the ids and gradients of the one after are fetched here.
template <class Kernel>
void CpuBackend::HistogramCall::visit_rows(const HistogramRun& run, HistogramTask task, Kernel&& kernel) const {
  Piece ahead[3];
  std::size_t n = 0;
  const auto next = [&] {
    if (n > 2 && ahead[2].rows != nullptr) {
      const std::int64_t n_first = std::min(kAheadRows, ahead[2].n);
      prefetch_lines(ahead[2].rows, n_first * std::int64_t{sizeof(RowId)});
      if (task.in_order) prefetch_lines(ahead[2].gradients, n_first * backend_.gradient_bytes());
    }
    task.next = n > 1 && ahead[1].rows != nullptr ? NextRows{ahead[1].rows, ahead[1].n} : NextRows{};
    task.rows = ahead[0].rows;
    task.first_row = ahead[0].first_row;
    task.n = ahead[0].n;
    task.gradients = ahead[0].gradients;
    kernel(task);
    ahead[0] = ahead[1];
    ahead[1] = ahead[2];
    --n;
  };
  backend_.visit_pieces(nodes_[run.node], run.begin, run.end, [&](const Piece& piece) {
    ahead[n++] = piece;
    if (n == 3) next();
  });
  while (n > 0) next();
}

void CpuBackend::HistogramCall::add_run(const HistogramRun& run, HistogramBuffer& buffer) {
  const std::size_t n_dense = backend_.layouts_.size();
  if (run.block < n_dense)
    add_rows(run, buffer);
  else
    add_sparse_rows(run, backend_.data_->bins->sparse_blocks[run.block - n_dense], buffer);
}

void CpuBackend::HistogramCall::add_rows(const HistogramRun& run, HistogramBuffer& buffer) {
  const BinBlock& block = backend_.data_->bins->blocks[run.block];
  const BlockLayout& layout = backend_.layouts_[run.block];
  Histogram& out = *out_[run.node];
  HistogramTask task;
  task.bins = block.bytes.data();
  task.stride = block.stride;
  task.n_slots = block.n_slots();
  task.in_order = backend_.in_order_;
  task.weights = backend_.weights();
  task.width = backend_.request_.width;
  task.offsets = layout.offsets.data();

  if (!backend_.packable_) {
    add_cells(run, task, block.two_byte, layout, buffer, out);
  } else if (out.packed && run.alone && !layout.joint && run.end - run.begin < kDirectRows) {
    add_direct(run, task, block.two_byte, layout, out);
  } else {
    const std::uint64_t* sums = add_packed(run, task, block.two_byte, layout, buffer);
    flush(run, 0, [&](bool fresh) {
      if (out.packed)
        flush_block(layout, sums, 1, out.packed_cells(), 1, fresh);
      else
        flush_block(layout, sums, 1, out.cells(), 1, fresh);
    });
    clear_block(layout, buffer.packed.data(), 1);
  }
  if (!backend_.request_.count_rows) return;
  task.count = true;
  const std::uint64_t* counts = add_packed(run, task, block.two_byte, layout, buffer);
  flush(run, width(), [&](bool fresh) { flush_block(layout, counts, 1, out.counts.data(), 1, fresh); });
  clear_block(layout, buffer.packed.data(), 1);
}

// Packed sums of the run; the caller clears them.
const std::uint64_t* CpuBackend::HistogramCall::add_packed(const HistogramRun& run, const HistogramTask& task,
                                                           bool two_byte, const BlockLayout& layout,
                                                           HistogramBuffer& buffer) const {
  std::uint64_t* const cells = grown(buffer.packed, layout.size);
  visit_rows(run, task, [&](const HistogramTask& piece) {
    if (two_byte)
      kernels().histogram_packed_at[1](piece, cells);
    else
      kernels().histogram_packed(piece, cells);
  });
  return cells;
}

// Few rows, straight into their cells.
void CpuBackend::HistogramCall::add_direct(const HistogramRun& run, HistogramTask task, bool two_byte,
                                           const BlockLayout& layout, Histogram& out) const {
  std::uint64_t* const cells = out.packed_cells();
  clear_bins(layout, cells, 1);
  task.offsets = layout.bins.data();
  visit_rows(run, task, [&](const HistogramTask& piece) { kernels().histogram_packed_at[two_byte](piece, cells); });
}

void CpuBackend::HistogramCall::add_cells(const HistogramRun& run, HistogramTask task, bool two_byte,
                                          const BlockLayout& layout, HistogramBuffer& buffer, Histogram& out) {
  const bool direct = run.alone && !layout.joint;
  Cell* cells = out.cells();
  if (direct) {
    clear_bins(layout, cells, width());
    task.offsets = layout.bins.data();
  } else {
    cells = grown(buffer.cells, layout.size * width());
  }
  visit_rows(run, task,
             [&](const HistogramTask& piece) { kernels().histogram_cells[two_byte][backend_.wide_](piece, cells); });
  if (direct) return;
  flush(run, 0, [&](bool fresh) {
    for (std::int64_t k = 0; k < width(); ++k) flush_block(layout, cells + k, width(), out.cells() + k, width(), fresh);
  });
  clear_block(layout, cells, width());
}

void CpuBackend::HistogramCall::add_sparse_rows(const HistogramRun& run, const SparseBlock& block,
                                                HistogramBuffer& buffer) {
  Histogram& out = *out_[run.node];
  HistogramTask task;
  task.bins = block.codes.data();
  task.begins = block.begins.data();
  task.in_order = backend_.in_order_;
  task.weights = backend_.weights();
  task.width = backend_.request_.width;

  // One target from its buffer to its layer of the histogram.
  const auto flush_layer = [&](std::int64_t layer, auto* from, std::int64_t from_stride, auto* to,
                               std::int64_t to_stride) {
    flush(run, layer,
          [&](bool fresh) { flush_sparse(block, backend_.bin_offset_, from, from_stride, to, to_stride, fresh); });
  };
  const auto add_packed = [&] {
    std::uint64_t* const cells = grown(buffer.packed, block.n_codes);
    visit_rows(run, task, [&](const HistogramTask& piece) { kernels().sparse_packed(piece, cells); });
    return cells;
  };
  if (backend_.packable_) {
    if (out.packed)
      flush_layer(0, add_packed(), 1, out.packed_cells(), 1);
    else
      flush_layer(0, add_packed(), 1, out.cells(), 1);
  } else {
    Cell* const cells = grown(buffer.cells, block.n_codes * width());
    visit_rows(run, task, [&](const HistogramTask& piece) { kernels().sparse_cells[backend_.wide_](piece, cells); });
    for (std::int64_t k = 0; k < width(); ++k) flush_layer(k, cells + k, width(), out.cells() + k, width());
  }
  if (!backend_.request_.count_rows) return;
  task.count = true;
  flush_layer(width(), add_packed(), 1, out.counts.data(), 1);
}

// Calls write(fresh) when it is this run's turn to write a layer of its cells.
template <class Write>
void CpuBackend::HistogramCall::flush(const HistogramRun& run, std::int64_t layer, Write&& write) {
  if (run.alone) {
    write(true);
    return;
  }
  const std::size_t cells = run.node * n_blocks_ + run.block;
  char& written = written_[cells * static_cast<std::size_t>(n_layers()) + static_cast<std::size_t>(layer)];
  const std::lock_guard lock(backend_.histogram_locks_[cells % backend_.histogram_locks_.size()]);
  write(written == 0);
  written = 1;
}

void CpuBackend::histograms(std::span<const NodeId> nodes) {
  if (nodes.empty()) return;
  if (request_.width > 1 && packable_)
    lane_histograms(nodes);
  else if (nodes.size() > 1 || nodes[0] != 0 || !take_round_root())
    HistogramCall(*this, nodes).run();
  for (const NodeId node : nodes) {
    comm_->allreduce_sum(histogram_at(node).words);
    comm_->allreduce_sum(histogram_at(node).counts);
  }
}

}  // namespace pygbt
