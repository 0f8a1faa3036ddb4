// SPDX-License-Identifier: Apache-2.0
// Histograms of several targets in one pass over the rows: of the nodes of a vector-leaf tree, and of the roots of a
// round's trees, which all hold the same rows. A bin is looked up once and the cells of up to 8 targets are added with
// vector instructions. Narrow gradients of weight 1 only.
#include <algorithm>
#include <mutex>

#include "backend/cpu_backend.h"
#include "backend/histogram_flush.h"
#include "backend/histogram_tasks.h"
#include "backend/isa_dispatch.h"
#include "backend/sparse_flush.h"
#include "base/pool.h"

namespace pygbt {

namespace {

constexpr std::int32_t kLanes = 8;          // a cache line of cells
constexpr std::int64_t kLaneCodes = 512;    // of the slots of a pass: 32 KiB of cells, they stay in L1
constexpr std::int64_t kChunkRows = 2048;   // their bins and packed values stay in L2 from one pass to the next
constexpr std::int64_t kVectorUpdates = 2;  // a vector addition, in updates of one target

// Targets added up together: more than one in 4 or 8 lanes, one as trees of one target are.
struct TargetGroup {
  std::int32_t first = 0;
  std::int32_t n = 1;
  std::int32_t lanes() const { return n == 1 ? 1 : (n <= kLanes / 2 ? kLanes / 2 : kLanes); }
};

std::vector<TargetGroup> groups_of(std::int32_t width) {
  std::vector<TargetGroup> groups;
  for (std::int32_t first = 0; first < width; first += kLanes)
    groups.push_back({first, std::min(kLanes, width - first)});
  return groups;
}

}  // namespace

// What all runs of a call share.
class CpuBackend::LaneCall {
 public:
  // Gradients [target][row] or, of all targets, [row][width]; out [node][target] or, of all targets, [node].
  LaneCall(CpuBackend& backend, std::span<const NodeId> nodes, std::vector<const NarrowGradient*> gradients,
           std::int32_t width, std::vector<Histogram*> out)
      : backend_(backend),
        nodes_(nodes),
        gradients_(std::move(gradients)),
        width_(width),
        groups_(groups_of(width)),
        out_(std::move(out)),
        n_out_(out_.size() / nodes.size()) {
    std::vector<std::int64_t> rows;
    for (const NodeId node : nodes) rows.push_back(backend.rows_at(node).count);
    std::vector<BlockWork> blocks;
    for (const BlockLayout& layout : backend.layouts_) blocks.push_back(work_of(layout));
    for (const SparseBlock& block : backend.data_->bins->sparse_blocks)
      blocks.push_back(work_of(block, backend.n_rows_));
    for (BlockWork& work : blocks) {
      work.row *= static_cast<std::int64_t>(groups_.size()) * kVectorUpdates;
      work.flush *= width;
    }
    n_blocks_ = blocks.size();
    tasks_.plan(blocks, rows, backend.n_threads_);
    written_.assign(nodes.size() * n_blocks_ * (groups_.size() + 1), 0);
  }

  void run() {
    const int n_threads = tasks_.serial ? 1 : backend_.n_threads_;
    auto& buffers = backend_.histogram_buffers_;
    if (buffers.size() < static_cast<std::size_t>(n_threads)) buffers.resize(static_cast<std::size_t>(n_threads));
    parallel_for(n_threads, static_cast<std::int64_t>(tasks_.ends.size()), [&](std::int64_t t, int worker) {
      const auto at = static_cast<std::size_t>(t);
      for (std::size_t r = t == 0 ? 0 : tasks_.ends[at - 1]; r < tasks_.ends[at]; ++r)
        add_run(tasks_.runs[r], buffers[static_cast<std::size_t>(worker)].lanes);
    });
    if (!backend_.request_.count_rows) return;
    for (std::size_t i = 0; i < out_.size(); ++i)
      if (i % n_out_ != 0) out_[i]->counts = out_[i - i % n_out_]->counts;
  }

 private:
  void add_run(const HistogramRun& run, LaneBuffer& buffer) {
    const std::size_t n_dense = backend_.layouts_.size();
    HistogramTask task;
    if (run.block < n_dense) {
      const BinBlock& block = backend_.data_->bins->blocks[run.block];
      const BlockLayout& layout = backend_.layouts_[run.block];
      task.bins = block.bytes.data();
      task.stride = block.stride;
      task.n_slots = block.n_slots();
      task.offsets = layout.offsets.data();
      add_groups(
          run, task, layout.size, buffer,
          [&](const HistogramTask& piece, std::int32_t lanes, std::uint64_t* cells) {
            if (lanes > 1)
              add_slots(piece, layout, block.two_byte, lanes, buffer.values.data(), cells);
            else if (block.two_byte)
              kernels().histogram_packed_at[1](piece, cells);
            else
              kernels().histogram_packed(piece, cells);
          },
          [&](std::uint64_t* from, std::int64_t from_stride, auto* to, std::int64_t to_stride, bool fresh) {
            flush_block(layout, from, from_stride, to, to_stride, fresh);
          },
          [&](std::uint64_t* from, std::uint64_t* to, std::int64_t to_stride, bool fresh) {
            flush_lanes<kLanes>(layout, from, to, to_stride, fresh);
          },
          [&](std::uint64_t* cells, std::int64_t lanes) { clear_block(layout, cells, lanes); });
    } else {
      const SparseBlock& block = backend_.data_->bins->sparse_blocks[run.block - n_dense];
      task.bins = block.codes.data();
      task.begins = block.begins.data();
      add_groups(
          run, task, block.n_codes, buffer,
          [&](const HistogramTask& piece, std::int32_t lanes, std::uint64_t* cells) {
            if (lanes > 1)
              kernels().sparse_lanes[lanes == kLanes](piece, buffer.values.data(), cells);
            else
              kernels().sparse_packed(piece, cells);
          },
          [&](std::uint64_t* from, std::int64_t from_stride, auto* to, std::int64_t to_stride, bool fresh) {
            flush_sparse(block, backend_.bin_offset_, from, from_stride, to, to_stride, fresh);
          },
          [&](std::uint64_t* from, std::uint64_t* to, std::int64_t to_stride, bool fresh) {
            for (std::int64_t lane = 0; lane < kLanes; ++lane)
              flush_sparse(block, backend_.bin_offset_, from + lane, kLanes, to + lane, to_stride, fresh);
          },
          [&](std::uint64_t* cells, std::int64_t lanes) { std::fill_n(cells, block.n_codes * lanes, 0); });
    }
  }

  // The rows of the run into the histograms, one group of targets after the other, then counted.
  template <class Add, class Flush, class FlushLanes, class Clear>
  void add_groups(const HistogramRun& run, HistogramTask task, std::int64_t n_codes, LaneBuffer& buffer, Add&& add,
                  Flush&& flush, FlushLanes&& flush_all, Clear&& clear) {
    const auto n_cells = static_cast<std::size_t>(n_codes * kLanes);
    if (buffer.cells.size() < n_cells) buffer.cells.resize(n_cells, 0);
    buffer.values.resize(static_cast<std::size_t>(kChunkRows * kLanes));
    buffer.rows.resize(static_cast<std::size_t>(kChunkRows));
    std::uint64_t* const cells = buffer.cells.data();
    const bool by_target = gradients_.size() > 1;
    const auto add_rows = [&](const TargetGroup& group) {
      const std::int32_t lanes = group.lanes();
      const NarrowGradient* const of_group = gradients_[by_target ? static_cast<std::size_t>(group.first) : 0];
      task.width = by_target ? 1 : width_;
      task.target = by_target ? 0 : group.first;
      visit_chunks(run, buffer, [&](const RowId* rows, RowId first_row, std::int64_t n) {
        task.rows = rows;
        task.first_row = first_row;
        task.n = n;
        task.in_order = lanes == 1 && by_target && rows == nullptr;
        task.gradients = of_group + (task.in_order ? static_cast<std::int64_t>(first_row) : 0);
        if (lanes > 1) pack(task, group, buffer.values.data());
        add(task, lanes, cells);
      });
    };
    Histogram** const out = out_.data() + run.node * n_out_;
    const std::int64_t stride = n_out_ == 1 ? width_ : 1;
    for (std::size_t g = 0; g < groups_.size(); ++g) {
      const TargetGroup& group = groups_[g];
      const std::int32_t lanes = group.lanes();
      add_rows(group);
      in_turn(run, g, [&](bool fresh) {
        if (n_out_ == 1 && group.n == kLanes && out[0]->packed)
          return flush_all(cells, out[0]->packed_cells() + group.first, stride, fresh);
        for (std::int32_t lane = 0; lane < group.n; ++lane) {
          const std::int32_t k = group.first + lane;
          Histogram& to = *out[n_out_ == 1 ? 0 : k];
          const std::int64_t at = n_out_ == 1 ? k : 0;
          if (to.packed)
            flush(cells + lane, lanes, to.packed_cells() + at, stride, fresh);
          else
            flush(cells + lane, lanes, to.cells() + at, stride, fresh);
        }
      });
      clear(cells, lanes);
    }
    if (!backend_.request_.count_rows) return;
    task.count = true;
    add_rows({});
    in_turn(run, groups_.size(), [&](bool fresh) { flush(cells, 1, out[0]->counts.data(), 1, fresh); });
    clear(cells, 1);
  }

  // Calls visit(rows, first_row, n) for chunks of the run: rows == nullptr are consecutive ones from first_row.
  template <class Visit>
  void visit_chunks(const HistogramRun& run, LaneBuffer& buffer, Visit&& visit) const {
    RowId* const rows = buffer.rows.data();
    std::int64_t held = 0;
    backend_.visit_pieces(nodes_[run.node], run.begin, run.end, [&](const Piece& piece) {
      for (std::int64_t begin = 0; begin < piece.n;) {
        const std::int64_t n = std::min(kChunkRows - held, piece.n - begin);
        if (piece.rows == nullptr) {
          visit(nullptr, piece.first_row + static_cast<RowId>(begin), n);
        } else {
          std::copy_n(piece.rows + begin, n, rows + held);
          held += n;
          if (held == kChunkRows) {
            visit(rows, RowId{0}, held);
            held = 0;
          }
        }
        begin += n;
      }
    });
    if (held > 0) visit(rows, RowId{0}, held);
  }

  void pack(const HistogramTask& task, const TargetGroup& group, std::uint64_t* values) const {
    const bool all_lanes = group.lanes() == kLanes;
    if (gradients_.size() == 1) {
      kernels().pack_lanes[all_lanes](task, values);
      return;
    }
    const NarrowGradient* targets[kLanes];
    for (std::int32_t lane = 0; lane < kLanes; ++lane)
      targets[lane] = gradients_[static_cast<std::size_t>(group.first + std::min(lane, group.n - 1))];
    kernels().pack_targets[all_lanes](task, targets, values);
  }

  // As many slots a pass as leave their cells in L1.
  static void add_slots(HistogramTask task, const BlockLayout& layout, bool two_byte, std::int32_t lanes,
                        const std::uint64_t* values, std::uint64_t* cells) {
    const auto* const bins = static_cast<const std::uint8_t*>(task.bins);
    const std::int32_t n_slots = task.n_slots;
    const std::int64_t most = kLaneCodes * kLanes / lanes;
    for (std::int32_t first = 0; first < n_slots; first += task.n_slots) {
      std::int64_t n_codes = 0;
      task.n_slots = 0;
      while (task.n_slots < kLaneSlots && first + task.n_slots < n_slots) {
        n_codes += layout.slots[static_cast<std::size_t>(first + task.n_slots)].n_codes;
        if (n_codes > most && task.n_slots > 0) break;
        ++task.n_slots;
      }
      task.bins = bins + first * (two_byte ? 2 : 1);
      if (two_byte) task.offsets = layout.offsets.data() + first;
      kernels().histogram_lanes[two_byte][lanes == kLanes](
          task, values, two_byte ? cells : cells + first * std::int64_t{kPackedBins} * lanes);
    }
  }

  // Calls write(fresh) when it is this run's turn to write a layer of its cells.
  template <class Write>
  void in_turn(const HistogramRun& run, std::size_t layer, Write&& write) {
    if (run.alone) {
      write(true);
      return;
    }
    const std::size_t cells = run.node * n_blocks_ + run.block;
    char& written = written_[cells * (groups_.size() + 1) + layer];
    const std::lock_guard lock(backend_.histogram_locks_[cells % backend_.histogram_locks_.size()]);
    write(written == 0);
    written = 1;
  }

  CpuBackend& backend_;
  std::span<const NodeId> nodes_;
  std::vector<const NarrowGradient*> gradients_;
  std::int32_t width_;
  std::vector<TargetGroup> groups_;
  std::vector<Histogram*> out_;
  std::size_t n_out_;         // histograms of a node
  std::size_t n_blocks_ = 0;  // dense, then sparse
  HistogramTasks tasks_;
  std::vector<char> written_;  // [node of the call][block][group, then counts]
};

// Of the tree at hand, whose targets lie side by side.
void CpuBackend::lane_histograms(std::span<const NodeId> nodes) {
  std::vector<Histogram*> out;
  for (const NodeId node : nodes) out.push_back(&new_histogram(node));
  const auto* const gradients = reinterpret_cast<const NarrowGradient*>(gradients_.data());
  LaneCall(*this, nodes, {gradients}, request_.width, std::move(out)).run();
}

// Of the root of the tree at hand, for a width-1 tree of each target: gradients and out [target].
void CpuBackend::root_histograms(const std::vector<const NarrowGradient*>& gradients,
                                 const std::vector<Histogram*>& out) {
  const NodeId root = 0;
  LaneCall(*this, {&root, 1}, gradients, static_cast<std::int32_t>(out.size()), out).run();
}

}  // namespace pygbt
