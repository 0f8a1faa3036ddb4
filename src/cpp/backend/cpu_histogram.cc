// SPDX-License-Identifier: Apache-2.0
// Histograms of many nodes in one dispatch: a task is (node, block of features, run of rows).
#include <algorithm>
#include <array>
#include <mutex>

#include "backend/cpu_backend.h"
#include "backend/isa_dispatch.h"
#include "base/error.h"
#include "base/pool.h"

namespace pygbt {

namespace {

constexpr std::int64_t kMinTaskRows = 8192;    // splitting a node finer than this costs more than it balances
constexpr std::int64_t kPackedMinRows = 1024;  // below, zeroing and flushing a packed buffer outweighs its faster adds

struct BlockTask {
  std::size_t node;  // index in the call
  std::size_t block;
  std::int64_t begin, end;
  bool alone;  // no other task writes these cells
};

// Adds a packed buffer [stride][256] to the cells of a block and clears it.
void flush_packed(std::uint64_t* buffer, const BinBlock& block, const std::int64_t* bin_offset, Cell* cells) {
  for (std::int32_t f = 0; f < block.width; ++f) {
    std::uint64_t* slot = buffer + static_cast<std::int64_t>(f) * kPackedBins;
    const std::int64_t first = bin_offset[block.first + f];
    const std::int64_t n_bins = bin_offset[block.first + f + 1] - first;
    for (std::int64_t b = 0; b < n_bins; ++b) {
      cells[first + b].h += static_cast<std::int64_t>(slot[b] & 0xffffffffu);
      cells[first + b].g += static_cast<std::int64_t>(slot[b]) >> 32;
    }
  }
  std::fill_n(buffer, static_cast<std::int64_t>(block.stride) * kPackedBins, std::uint64_t{0});
}

}  // namespace

CpuBackend::Histogram& CpuBackend::new_histogram(NodeId node) {
  const auto at = static_cast<std::size_t>(node);
  if (histograms_.size() <= at) histograms_.resize(at + 1);
  if (!histograms_[at]) {
    if (spare_.empty()) {
      histograms_[at] = std::make_unique<Histogram>();
    } else {
      histograms_[at] = std::move(spare_.back());
      spare_.pop_back();
    }
  }
  const auto bins = static_cast<std::size_t>(bin_offset_.back());
  histograms_[at]->cells.assign(bins * static_cast<std::size_t>(request_.width), Cell{});
  histograms_[at]->counts.assign(request_.count_rows ? bins : 0, 0);
  return *histograms_[at];
}

CpuBackend::Histogram& CpuBackend::histogram_at(NodeId node) const {
  const auto at = static_cast<std::size_t>(node);
  require(at < histograms_.size() && histograms_[at] != nullptr, "node has no histogram");
  return *histograms_[at];
}

void CpuBackend::histograms(std::span<const NodeId> nodes) {
  std::vector<Histogram*> out;
  std::int64_t total_rows = 0;
  for (const NodeId node : nodes) {
    out.push_back(&new_histogram(node));
    total_rows += rows_at(node).count;
  }
  // Several runs a node only where they are needed to keep the threads busy, or to bound a packed cell.
  const std::int64_t target = std::max(kMinTaskRows, total_rows / (4 * n_threads_));
  const std::int64_t run = std::min(target, kPackedRows);
  std::vector<BlockTask> tasks;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const std::int64_t count = rows_at(nodes[i]).count;
    const std::int64_t pieces = std::max<std::int64_t>(1, (count + run - 1) / run);
    for (std::size_t b = 0; b < data_->blocks.size(); ++b)
      for (std::int64_t p = 0; p < pieces; ++p)
        tasks.push_back({i, b, count * p / pieces, count * (p + 1) / pieces, pieces == 1});
  }
  const bool packable = request_.width == 1 && !wide_ && data_->weights.empty() && !request_.count_rows;
  struct Scratch {
    std::vector<std::uint64_t> packed;
    std::vector<Cell> cells;
    std::vector<std::int64_t> counts;
  };
  const int n_threads = total_rows * static_cast<std::int64_t>(data_->blocks.size()) < kMinTaskRows ? 1 : n_threads_;
  std::vector<Scratch> scratch(static_cast<std::size_t>(n_threads));
  std::array<std::mutex, 64> locks;

  parallel_for(n_threads, static_cast<std::int64_t>(tasks.size()), [&](std::int64_t t, int worker) {
    const BlockTask& task = tasks[static_cast<std::size_t>(t)];
    const BinBlock& block = data_->blocks[task.block];
    Histogram& histogram = *out[task.node];
    Scratch& mine = scratch[static_cast<std::size_t>(worker)];
    HistogramTask work;
    work.bins = block.bytes.data();
    work.stride = block.stride;
    work.n_features = block.width;
    work.in_order = in_order_;
    const auto run_kernel = [&](auto&& kernel) {
      visit_pieces(nodes[task.node], task.begin, task.end, [&](const Piece& piece) {
        work.rows = piece.rows;
        work.first_row = piece.first_row;
        work.n = piece.n;
        work.gradients = piece.gradients;
        kernel(work);
      });
    };
    work.weights = weights();
    work.width = request_.width;
    std::mutex& lock = locks[(task.node * data_->blocks.size() + task.block) % locks.size()];

    if (packable && !block.two_byte && task.end - task.begin >= kPackedMinRows) {
      mine.packed.resize(static_cast<std::size_t>(kBlockWidth) * kPackedBins, 0);
      run_kernel([&](const HistogramTask& part) { kernels().histogram_packed(part, mine.packed.data()); });
      const std::lock_guard guard(lock);
      flush_packed(mine.packed.data(), block, bin_offset_.data(), histogram.cells.data());
      return;
    }
    const std::int64_t first = bin_offset_[static_cast<std::size_t>(block.first)];
    const std::int64_t bins = bin_offset_[static_cast<std::size_t>(block.first + block.width)] - first;
    std::vector<std::int64_t> offsets(static_cast<std::size_t>(block.width));
    for (std::int32_t f = 0; f < block.width; ++f)
      offsets[static_cast<std::size_t>(f)] = bin_offset_[static_cast<std::size_t>(block.first + f)] - first;
    work.offsets = offsets.data();
    Cell* cells = histogram.cells.data() + first * request_.width;
    std::int64_t* counts = request_.count_rows ? histogram.counts.data() + first : nullptr;
    if (task.alone) {
      work.cells = cells;
      work.counts = counts;
      run_kernel(kernels().histogram_cells[block.two_byte][wide_]);
      return;
    }
    mine.cells.assign(static_cast<std::size_t>(bins * request_.width), Cell{});
    mine.counts.assign(request_.count_rows ? static_cast<std::size_t>(bins) : 0, 0);
    work.cells = mine.cells.data();
    work.counts = request_.count_rows ? mine.counts.data() : nullptr;
    run_kernel(kernels().histogram_cells[block.two_byte][wide_]);
    const std::lock_guard guard(lock);
    for (std::size_t i = 0; i < mine.cells.size(); ++i) cells[i] += mine.cells[i];
    for (std::size_t i = 0; i < mine.counts.size(); ++i) counts[i] += mine.counts[i];
  });

  for (Histogram* histogram : out) {
    comm_->allreduce_sum({reinterpret_cast<std::int64_t*>(histogram->cells.data()), histogram->cells.size() * 2});
    comm_->allreduce_sum(histogram->counts);
  }
}

void CpuBackend::subtract(std::span<const SiblingPair> pairs) {
  for (const SiblingPair& pair : pairs) {
    const auto most = static_cast<std::size_t>(std::max(pair.parent, pair.derived));
    if (histograms_.size() <= most) histograms_.resize(most + 1);
    histogram_at(pair.parent);
    std::swap(histograms_[static_cast<std::size_t>(pair.derived)], histograms_[static_cast<std::size_t>(pair.parent)]);
  }
  const std::int64_t cells = bin_offset_.back() * request_.width;
  const std::int64_t pieces = std::max<std::int64_t>(1, cells / 16384);
  const auto n_pairs = static_cast<std::int64_t>(pairs.size());
  parallel_for(cells * n_pairs < 16384 ? 1 : n_threads_, n_pairs * pieces, [&](std::int64_t t, int) {
    const SiblingPair& pair = pairs[static_cast<std::size_t>(t / pieces)];
    Histogram& derived = histogram_at(pair.derived);
    const Histogram& built = histogram_at(pair.built);
    const auto slice = [&](std::size_t size) {
      const auto n = static_cast<std::int64_t>(size);
      const std::int64_t piece = t % pieces;
      return std::pair{static_cast<std::size_t>(n * piece / pieces),
                       static_cast<std::size_t>(n * (piece + 1) / pieces)};
    };
    const auto [cell_begin, cell_end] = slice(derived.cells.size());
    for (std::size_t i = cell_begin; i < cell_end; ++i) derived.cells[i] -= built.cells[i];
    const auto [count_begin, count_end] = slice(derived.counts.size());
    for (std::size_t i = count_begin; i < count_end; ++i) derived.counts[i] -= built.counts[i];
  });
}

void CpuBackend::release(std::span<const NodeId> nodes) {
  for (const NodeId node : nodes) {
    const auto at = static_cast<std::size_t>(node);
    if (at < histograms_.size() && histograms_[at]) spare_.push_back(std::move(histograms_[at]));
  }
}

}  // namespace pygbt
