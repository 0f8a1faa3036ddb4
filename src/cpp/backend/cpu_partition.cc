// SPDX-License-Identifier: Apache-2.0
// Rows of split nodes to their children, all nodes of a step in one dispatch: a task is a tile, where each cut's segment
// is routed (which side, how many) and scattered while it is in cache. Rows of final cuts get the marks of their leaves
// instead.
#include <algorithm>
#include <cstring>

#include "backend/cpu_backend.h"
#include "backend/isa_dispatch.h"
#include "base/error.h"
#include "base/pool.h"

namespace pygbt {

namespace {

constexpr std::int64_t kSerialRows = 2048;  // fewer rows are not worth a dispatch
constexpr std::int64_t kSideRows = 16;  // rows of a word of sides
constexpr std::int64_t kRowsOfLine = 64;  // one-byte bins of a cache line

}  // namespace

// Sides of a segment's rows; returns how many go left. The tile's part of the column of the cut that is routed next is
// fetched meanwhile, where both have rows enough: for the lines to be read, and to hide the fetch.
std::int64_t CpuBackend::route(const Piece& rows, std::int64_t tile, const Split& split, const NodeCut* next,
                               std::uint16_t* sides) const {
  const BinColumn column = data_->column(split.feature);
  PartitionTask task;
  task.column = column.data;
  task.two_byte = column.two_byte;
  task.bin = split.bin;
  task.missing_left = split.missing_left;
  if (split.categorical) {
    task.left_bins = split.left_bins.data();
    task.left_words = static_cast<std::int32_t>(split.left_bins.size());
  }
  task.rows = rows.rows;
  task.first_row = rows.first_row;
  task.n = rows.n;
  const std::int64_t n_enough = rows_of_tile(tile) / kRowsOfLine;
  if (next != nullptr && next->split->feature != split.feature && rows.n >= n_enough &&
      std::int64_t{segments(next->node)[tile].count} >= n_enough) {
    const BinColumn later = data_->column(next->split->feature);
    const std::int64_t bin_bytes = later.two_byte ? 2 : 1;
    task.later = static_cast<const std::uint8_t*>(later.data) + tile * tile_rows_ * bin_bytes;
    task.later_bytes = rows_of_tile(tile) * bin_bytes;
  }
  if (in_order_) {
    task.beside = rows.gradients;
    task.beside_bytes = static_cast<std::int32_t>(gradient_bytes());
  }
  return kernels().route(task, sides);
}

// Rows and gradients of the segment at `first` to the places of its children, left ones first.
void CpuBackend::scatter(const Piece& rows, const std::uint16_t* sides, std::int64_t n_left, std::int64_t first,
                         std::uint8_t* spare) {
  ScatterTask task;
  task.sides = sides;
  task.n = rows.n;
  task.first_row = rows.first_row;
  task.from = rows.rows;
  const auto move = [&](void (*kernel)(const ScatterTask&), std::uint8_t* segment, std::int64_t bytes) {
    const bool in_place = task.from != nullptr;
    std::uint8_t* const right = segment + n_left * bytes;
    task.left = segment;
    task.right = in_place ? spare : right;
    kernel(task);
    if (in_place) std::memcpy(right, spare, static_cast<std::size_t>((rows.n - n_left) * bytes));
  };
  move(kernels().scatter4, reinterpret_cast<std::uint8_t*>(rows_.data() + first), sizeof(RowId));
  if (!in_order_) return;
  const std::int64_t bytes = gradient_bytes();
  task.from = rows.gradients;
  move(wide_ ? kernels().scatter8 : kernels().scatter4, gradients_.data() + first * bytes, bytes);
}

void CpuBackend::mark(const Piece& rows, const std::uint16_t* sides, NodeId left) {
  MarkTask task;
  task.sides = sides;
  task.rows = rows.rows;
  task.first_row = rows.first_row;
  task.n = rows.n;
  task.left = static_cast<std::uint32_t>(left) + 1;
  task.right = task.left + 1;
  task.marks = marks_.data();
  kernels().mark_rows[mark_type_](task);
}

void CpuBackend::partition(std::span<const NodeCut> cuts, std::span<std::int64_t> out_left_counts) {
  std::int64_t total = 0;
  NodeId last = 0;
  for (const NodeCut& cut : cuts) {
    total += rows_at(cut.node).count;
    last = std::max(last, cut.left + 1);
  }
  const auto n_nodes = static_cast<std::size_t>(last) + 1;
  if (nodes_.size() < n_nodes) nodes_.resize(n_nodes);
  if (segments_.size() < n_nodes * static_cast<std::size_t>(n_tiles_))
    segments_.resize(n_nodes * static_cast<std::size_t>(n_tiles_));
  rows_.resize(static_cast<std::size_t>(n_rows_));
  const std::int64_t words = (tile_rows_ + kSideRows - 1) / kSideRows;
  sides_.resize(static_cast<std::size_t>(n_threads_ * words));
  const std::int64_t spare_bytes = tile_rows_ * std::int64_t{sizeof(WideGradient)};
  right_.resize(static_cast<std::size_t>(n_threads_ * spare_bytes));

  parallel_for(total < kSerialRows ? 1 : n_threads_, n_tiles_, [&](std::int64_t tile, int worker) {
    std::uint16_t* const sides = sides_.data() + worker * words;
    for (std::size_t c = 0; c < cuts.size(); ++c) {
      const NodeCut& cut = cuts[c];
      const NodeCut* const next = c + 1 < cuts.size() ? &cuts[c + 1] : nullptr;
      const Segment parent = segments(cut.node)[tile];
      const Piece rows = piece(cut.node, tile, 0, parent.count);
      const std::int64_t n_left = parent.count == 0 ? 0 : route(rows, tile, *cut.split, next, sides);
      segments(cut.left)[tile] = {parent.begin, static_cast<std::uint32_t>(n_left)};
      segments(cut.left + 1)[tile] = {parent.begin + static_cast<std::uint32_t>(n_left),
                                      parent.count - static_cast<std::uint32_t>(n_left)};
      if (parent.count == 0) continue;
      if (cut.final)
        mark(rows, sides, cut.left);
      else
        scatter(rows, sides, n_left, tile * tile_rows_ + parent.begin, right_.data() + worker * spare_bytes);
    }
  });

  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const NodeCut& cut = cuts[i];
    const NodeRows parent = rows_at(cut.node);
    std::int64_t n_left = 0;
    for (std::int64_t tile = 0; tile < n_tiles_; ++tile) n_left += segments(cut.left)[tile].count;
    rows_at(cut.left) = {n_left, false, cut.final};
    rows_at(cut.left + 1) = {parent.count - n_left, false, cut.final};
    out_left_counts[i] = n_left;
  }
  comm_->allreduce_sum(out_left_counts);
}

}  // namespace pygbt
