// SPDX-License-Identifier: Apache-2.0
#include "memory_plan.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <vector>

#include "key_columns.h"
#include "out_of_memory.h"
#include "sorted_columns.h"

namespace pygbt::device {

namespace {

constexpr std::size_t kTurnBytes = 8 << 10, kColumnBytes = 1 << 10;

// That a column should have in a pass where it has many bins: each rank divides the span it lies in.
constexpr std::size_t kCellsOfBin = 16;

// Bytes of its edges, and where they begin.
std::size_t edge_bytes(const KeyColumn& column) {
  return (static_cast<std::size_t>(column.n_bins) + 1) * sizeof(std::uint64_t);
}

}  // namespace

std::size_t MemoryPlan::bin_bytes(std::int64_t n_rows, std::int32_t n_bins) {
  return aligned(static_cast<std::size_t>(n_rows) * (n_bins > 256 ? 2 : 1));
}

std::size_t MemoryPlan::small_bytes(std::size_t n_columns) { return kTurnBytes + n_columns * kColumnBytes; }

MemoryPlan::MemoryPlan(Device& device, std::int64_t n_rows, bool weighted, std::span<const KeyColumn> columns,
                       std::size_t most_bytes)
    : device_(device), n_rows_(n_rows), weighted_(weighted) {
  const std::size_t weights = weighted ? static_cast<std::size_t>(n_rows) * sizeof(std::uint32_t) : 0;
  std::size_t bins = 0, least = 0, streamed = 0, smallest = std::numeric_limits<std::size_t>::max();
  for (const KeyColumn& column : columns) {
    bins += bin_bytes(n_rows, column.n_bins);
    const std::size_t in_parts = least_streamed(column), at_once = whole(column).bytes();
    streamed = std::max(streamed, in_parts);
    least = std::max(least, std::min(in_parts, at_once));
    if (column.sorted) smallest = std::min(smallest, at_once);
  }
  const std::size_t turn = kTurnBytes + KeyColumns::load_bytes(device.policy().least_upload_bytes);
  const std::size_t with_weights = turn + weights + least, without = turn + streamed;
  const std::size_t needed = bins + std::min(with_weights, without);
  if (most_bytes > 0 && needed > most_bytes) throw OverBudget(most_bytes, needed);
  const std::size_t free = device.free_bytes();
  if (needed > free) device.refuse(needed);
  const auto share = static_cast<std::size_t>(static_cast<double>(free - bins) * device.policy().key_share);
  room_ = std::max(needed - bins, share);
  if (most_bytes > 0) room_ = std::min(room_, most_bytes - bins);
  // Weights by row serve columns that are sorted; streamed ones bring theirs part by part.
  weights_stay_ = weighted && with_weights <= room_ &&
                  (without > room_ || (smallest < room_ && turn + weights + smallest <= room_));
  if (weights_stay_) room_ -= weights;
}

MemoryPlan::Whole MemoryPlan::whole(const KeyColumn& column) const {
  Whole bytes;
  bytes.own = KeyColumns::bytes(column, KeyColumns::items(column, n_rows_)) + edge_bytes(column) + kColumnBytes;
  if (!column.sorted) return bytes;
  bytes.own += SortedColumns::bytes(device_, column, n_rows_, weighted_);
  const std::int64_t items = KeyColumns::items(column, n_rows_);
  if (items != scratch_items_ || column.kind != scratch_kind_) {
    scratch_ = SortedColumns::scratch(device_, column, n_rows_, weighted_);
    scratch_items_ = items;
    scratch_kind_ = column.kind;
  }
  bytes.scratch = scratch_;
  return bytes;
}

std::size_t MemoryPlan::streamed(std::span<const KeyColumn> columns, const StreamedColumns::Shape& shape) const {
  std::size_t bytes = StreamedColumns::part_bytes(columns, n_rows_, weighted_, shape);
  for (const KeyColumn& column : columns)
    bytes += edge_bytes(column) + kColumnBytes + (column.sorted ? shape.n_cells * StreamedColumns::kCellBytes : 0);
  return bytes;
}

std::size_t MemoryPlan::least_streamed(const KeyColumn& column) const {
  const Policy& policy = device_.policy();
  return streamed({&column, 1}, {policy.least_part_rows, policy.least_rank_cells});
}

// Whether the column has room whole, with the smallest chunks.
bool MemoryPlan::fits(const KeyColumn& column) const {
  if (column.sorted && weighted_ && !weights_stay_) return false;
  return kTurnBytes + KeyColumns::load_bytes(device_.policy().least_upload_bytes) + whole(column).bytes() <= room_;
}

Turn MemoryPlan::turn(std::span<const KeyColumn> rest) const {
  return fits(rest[0]) ? whole_turn(rest) : streamed_turn(rest);
}

// Chunks as large as they should be, if so much is left.
std::size_t MemoryPlan::chunk(std::size_t left) const {
  const Policy& policy = device_.policy();
  return std::clamp(std::bit_floor(left / 2), policy.least_upload_bytes, policy.upload_bytes);
}

Turn MemoryPlan::whole_turn(std::span<const KeyColumn> rest) const {
  const std::size_t most = std::min(room_, device_.policy().key_bytes), chunks = 2 * chunk(room_ / 8);
  Turn turn;
  Whole taken = whole(rest[0]);
  for (; turn.n < rest.size() && fits(rest[turn.n]); ++turn.n) {
    Whole more = whole(rest[turn.n]);
    more.own += taken.own;
    more.scratch.raise(taken.scratch);
    if (kTurnBytes + chunks + more.bytes() > most) break;
    taken = more;
  }
  turn.chunk_bytes = chunk(room_ - kTurnBytes - taken.bytes());
  return turn;
}

// The first column takes as many cells as half of the room has, others join it while all have as many as they should
// and parts of many rows; what is left then goes to the parts.
Turn MemoryPlan::streamed_turn(std::span<const KeyColumn> rest) const {
  const Policy& policy = device_.policy();
  const std::size_t least_chunks = KeyColumns::load_bytes(policy.least_upload_bytes);
  const std::size_t chunks = KeyColumns::load_bytes(chunk(room_ / 8));
  const auto has_room = [&](std::size_t n, const StreamedColumns::Shape& shape, std::size_t most, std::size_t more) {
    return kTurnBytes + more + streamed(rest.first(n), shape) <= most;
  };
  Turn turn;
  turn.streamed = true;
  const std::size_t cells = std::max(policy.rank_cells, kCellsOfBin * static_cast<std::size_t>(rest[0].n_bins));
  turn.shape = {policy.least_part_rows, cells};
  while (turn.shape.n_cells > policy.least_rank_cells && !has_room(1, turn.shape, room_ / 2, least_chunks))
    turn.shape.n_cells = std::max(turn.shape.n_cells / 2, policy.least_rank_cells);
  const StreamedColumns::Shape many{16 * policy.least_part_rows, cells};
  while (turn.n < rest.size() && !fits(rest[turn.n]) && has_room(turn.n + 1, many, room_, chunks)) ++turn.n;
  for (std::int64_t rows = 2 * policy.least_part_rows; rows <= policy.part_rows; rows *= 2) {
    if (!has_room(turn.n, {rows, turn.shape.n_cells}, room_, chunks)) break;
    turn.shape.part_rows = rows;
    if (rows >= n_rows_) break;
  }
  turn.chunk_bytes = chunk(room_ - kTurnBytes - streamed(rest.first(turn.n), turn.shape));
  return turn;
}

}  // namespace pygbt::device
