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
constexpr std::size_t kGroupsPerThread = 4, kPartsPerThread = 8;  // of targets

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
    tasks_.plan(plan_parts(), rows, backend.n_threads_);
    written_.assign(nodes.size() * parts_.size() * (groups_.size() + 1), 0);
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
  // What a run takes: a block for all groups of targets or, where these are many, all blocks for some groups, whose
  // values are then packed once.
  struct Part {
    std::size_t block = 0, blocks_end = 0;  // dense ones, then sparse ones
    std::size_t group = 0, groups_end = 0;
  };

  std::vector<BlockWork> plan_parts() {
    std::vector<BlockWork> blocks;
    for (const BlockLayout& layout : backend_.layouts_) blocks.push_back(work_of(layout));
    for (const SparseBlock& block : backend_.data_->bins->sparse_blocks)
      blocks.push_back(work_of(block, backend_.n_rows_));
    const std::size_t n_threads = static_cast<std::size_t>(backend_.n_threads_), n_groups = groups_.size();
    if (blocks.empty() || n_groups < kGroupsPerThread * n_threads) {
      for (std::size_t b = 0; b < blocks.size(); ++b) parts_.push_back({b, b + 1, 0, n_groups});
    } else {
      const std::size_t n_parts = std::min(n_groups, kPartsPerThread * n_threads);
      for (std::size_t p = 0; p < n_parts; ++p)
        parts_.push_back({0, blocks.size(), n_groups * p / n_parts, n_groups * (p + 1) / n_parts});
    }
    std::vector<BlockWork> works;
    for (const Part& part : parts_) {
      BlockWork work;
      for (std::size_t b = part.block; b < part.blocks_end; ++b) {
        work.row += blocks[b].row * static_cast<std::int64_t>(part.groups_end - part.group) * kVectorUpdates;
        for (std::size_t g = part.group; g < part.groups_end; ++g) work.flush += blocks[b].flush * groups_[g].n;
      }
      works.push_back(work);
    }
    return works;
  }

  // --- a block: its cells, [code][lanes] ---

  const BlockLayout* layout(std::size_t block) const {  // of a dense one
    return block < backend_.layouts_.size() ? &backend_.layouts_[block] : nullptr;
  }
  const SparseBlock& sparse(std::size_t block) const {
    return backend_.data_->bins->sparse_blocks[block - backend_.layouts_.size()];
  }
  std::int64_t n_codes(std::size_t block) const {
    return layout(block) != nullptr ? layout(block)->size : sparse(block).n_codes;
  }

  void add_rows(std::size_t block, HistogramTask task, std::int32_t lanes, const std::uint64_t* values,
                std::uint64_t* cells) const {
    if (layout(block) == nullptr) {
      task.bins = sparse(block).codes.data();
      task.begins = sparse(block).begins.data();
      if (lanes > 1)
        kernels().sparse_lanes[lanes == kLanes](task, values, cells);
      else
        kernels().sparse_packed(task, cells);
      return;
    }
    const BinBlock& bins = backend_.data_->bins->blocks[block];
    task.bins = bins.bytes.data();
    task.stride = bins.stride;
    task.n_slots = bins.n_slots();
    task.offsets = layout(block)->offsets.data();
    if (lanes > 1)
      add_slots(task, *layout(block), bins.two_byte, lanes, values, cells);
    else if (bins.two_byte)
      kernels().histogram_packed_at[1](task, cells);
    else
      kernels().histogram_packed(task, cells);
  }

  // One target of the cells to bins that lie to_stride apart.
  template <class To>
  void flush_target(std::size_t block, std::uint64_t* cells, std::int64_t lanes, To* to, std::int64_t to_stride,
                    bool fresh) const {
    if (layout(block) != nullptr)
      flush_block(*layout(block), cells, lanes, to, to_stride, fresh);
    else
      flush_sparse(sparse(block), backend_.bin_offset_, cells, lanes, to, to_stride, fresh);
  }

  void flush_group(std::size_t block, const TargetGroup& group, std::uint64_t* cells, Histogram** out,
                   bool fresh) const {
    const std::int64_t stride = n_out_ == 1 ? width_ : 1;
    if (n_out_ == 1 && group.n == kLanes && out[0]->packed && layout(block) != nullptr) {
      flush_lanes<kLanes>(*layout(block), cells, out[0]->packed_cells() + group.first, stride, fresh);
      return;
    }
    for (std::int32_t lane = 0; lane < group.n; ++lane) {
      const std::int32_t k = group.first + lane;
      Histogram& to = *out[n_out_ == 1 ? 0 : k];
      const std::int64_t at = n_out_ == 1 ? k : 0;
      if (to.packed)
        flush_target(block, cells + lane, group.lanes(), to.packed_cells() + at, stride, fresh);
      else
        flush_target(block, cells + lane, group.lanes(), to.cells() + at, stride, fresh);
    }
  }

  void clear(std::size_t block, std::uint64_t* cells, std::int64_t lanes) const {
    if (layout(block) != nullptr)
      clear_block(*layout(block), cells, lanes);
    else
      std::fill_n(cells, n_codes(block) * lanes, 0);
  }

  // --- a run ---

  // The rows of the run into the histograms, one group of targets after the other, then counted.
  void add_run(const HistogramRun& run, LaneBuffer& buffer) {
    const Part& part = parts_[run.block];
    std::vector<std::uint64_t*> cells;  // [block of the part]
    std::int64_t n_cells = 0;
    for (std::size_t b = part.block; b < part.blocks_end; ++b) n_cells += n_codes(b) * kLanes;
    if (buffer.cells.size() < static_cast<std::size_t>(n_cells))
      buffer.cells.resize(static_cast<std::size_t>(n_cells), 0);
    n_cells = 0;
    for (std::size_t b = part.block; b < part.blocks_end; ++b) {
      cells.push_back(buffer.cells.data() + n_cells);
      n_cells += n_codes(b) * kLanes;
    }
    buffer.values.resize(static_cast<std::size_t>(kChunkRows * kLanes));
    buffer.rows.resize(static_cast<std::size_t>(kChunkRows));
    const bool by_target = gradients_.size() > 1;
    HistogramTask task;
    const auto add_all = [&](const TargetGroup& group) {
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
        for (std::size_t b = part.block; b < part.blocks_end; ++b)
          add_rows(b, task, lanes, buffer.values.data(), cells[b - part.block]);
      });
    };
    Histogram** const out = out_.data() + run.node * n_out_;
    for (std::size_t g = part.group; g < part.groups_end; ++g) {
      const TargetGroup& group = groups_[g];
      add_all(group);
      in_turn(run, g, [&](bool fresh) {
        for (std::size_t b = part.block; b < part.blocks_end; ++b)
          flush_group(b, group, cells[b - part.block], out, fresh);
      });
      for (std::size_t b = part.block; b < part.blocks_end; ++b) clear(b, cells[b - part.block], group.lanes());
    }
    if (!backend_.request_.count_rows || part.group > 0) return;
    task.count = true;
    add_all({});
    in_turn(run, groups_.size(), [&](bool fresh) {
      for (std::size_t b = part.block; b < part.blocks_end; ++b)
        flush_target(b, cells[b - part.block], 1, out[0]->counts.data(), 1, fresh);
    });
    for (std::size_t b = part.block; b < part.blocks_end; ++b) clear(b, cells[b - part.block], 1);
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
    const std::size_t cells = run.node * parts_.size() + run.block;
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
  std::vector<Part> parts_;
  HistogramTasks tasks_;      // runs of (part, node)
  std::vector<char> written_;  // [node of the call][part][group, then counts]
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
