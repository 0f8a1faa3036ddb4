// SPDX-License-Identifier: Apache-2.0
// Rows to their children, order kept, in three launches over tiles of rows: which side each goes to and how many of a
// tile go left; how many lie before each tile; the move. Called by the partition and by the draw of a tree's rows, which
// differ in what decides the side:
//
//   buffer a  [ tile 0 ][ tile 1 ][ tile 2 ]          rows of one item
//   buffer b  [ left of 0, 1, 2  ][ right of 0, 1, 2 ]
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "parcel.h"

namespace pygbt::device {

// The two buffers of rows, and what lies beside the rows, `bytes` each: 0, 4 or 8.
struct RowBuffers {
  RowId* rows[2];
  std::uint8_t* beside[2];
  std::int64_t bytes;
};

template <class Side>
struct SideKernel {
  Side side;
  const RowRun* tiles;  // [block]
  RowBuffers buffers;
  std::uint8_t* sides;  // [place]
  std::int64_t* tile_lefts;  // [block]

  PYGBT_KERNEL void operator()() const {
    const RowRun tile = tiles[block()];
    std::int64_t n_left = 0;
    for (std::int64_t i = tile.begin + thread(); i < tile.begin + tile.n; i += n_threads()) {
      const bool left = side(tile.item, buffers.rows[tile.buffer][i]);
      sides[i] = left;
      n_left += left;
    }
    n_left = block_sum(n_left, shared<std::int64_t>());
    if (thread() == 0) tile_lefts[block()] = n_left;
  }
};

// A block an item.
struct TileOffsetKernel {
  const std::int64_t* first_tiles;  // [item + 1]
  std::int64_t* tile_lefts;  // [tile] of the tile; becomes those of the tiles before it
  std::int64_t* left_counts;  // [item]

  PYGBT_KERNEL void operator()() const {
    const std::int64_t end = first_tiles[block() + 1];
    std::int64_t before = 0;
    for (std::int64_t first = first_tiles[block()]; first < end; first += n_threads()) {
      const std::int64_t tile = first + thread();
      std::int64_t total = 0;
      const std::int64_t here = block_scan(tile < end ? tile_lefts[tile] : 0, shared<std::int64_t>(), total);
      if (tile < end) tile_lefts[tile] = before + here;
      before += total;
    }
    if (thread() == 0) left_counts[block()] = before;
  }
};

struct MoveKernel {
  const RowRun* items;
  const RowRun* tiles;  // [block]
  const std::int64_t* tile_lefts;
  const std::int64_t* left_counts;
  const std::uint8_t* sides;
  RowBuffers buffers;

  PYGBT_KERNEL void operator()() const {
    const RowRun tile = tiles[block()];
    const std::int64_t begin = items[tile.item].begin;
    std::int64_t left_at = begin + tile_lefts[block()];
    std::int64_t right_at = begin + left_counts[tile.item] + (tile.begin - begin) - tile_lefts[block()];
    for (std::int64_t first = 0; first < tile.n; first += n_threads()) {
      const std::int64_t n_here = tile.n - first < n_threads() ? tile.n - first : n_threads();
      const std::int64_t from = tile.begin + first + thread();
      const bool here = thread() < n_here;
      const bool left = here && sides[from] != 0;
      std::int64_t n_left = 0;
      const std::int64_t lefts_before = block_scan<std::int64_t>(left, shared<std::int64_t>(), n_left);
      if (here) move(tile.buffer, from, left ? left_at + lefts_before : right_at + thread() - lefts_before);
      left_at += n_left;
      right_at += n_here - n_left;
    }
  }

  PYGBT_KERNEL void move(std::int32_t buffer, std::int64_t from, std::int64_t to) const {
    buffers.rows[1 - buffer][to] = buffers.rows[buffer][from];
    if (buffers.bytes == 4)
      reinterpret_cast<std::uint32_t*>(buffers.beside[1 - buffer])[to] =
          reinterpret_cast<const std::uint32_t*>(buffers.beside[buffer])[from];
    if (buffers.bytes == 8)
      reinterpret_cast<std::uint64_t*>(buffers.beside[1 - buffer])[to] =
          reinterpret_cast<const std::uint64_t*>(buffers.beside[buffer])[from];
  }
};

// Moves the rows of the items, each a whole run, to the other buffer; returns how many of each went left. The gradients
// move with them if they have bytes.
template <class Side>
std::vector<std::int64_t> CudaBackend::move_rows(const std::vector<RowRun>& items, const Side& side,
                                                 std::int64_t gradient_bytes) {
  const Policy& policy = device_.policy();
  std::vector<RowRun> tiles;
  std::vector<std::int64_t> first_tiles(1, 0);
  for (std::size_t i = 0; i < items.size(); ++i) {
    for (std::int64_t done = 0; done < items[i].n; done += policy.tile_rows) {
      const std::int64_t left = items[i].n - done;
      tiles.push_back({items[i].begin + done, left < policy.tile_rows ? left : policy.tile_rows,
                       static_cast<std::int32_t>(i), items[i].buffer});
    }
    first_tiles.push_back(static_cast<std::int64_t>(tiles.size()));
  }
  const auto n_items = static_cast<std::int64_t>(items.size()), n_tiles = static_cast<std::int64_t>(tiles.size());
  Parcel parcel(moves_.given);
  const auto items_part = parcel.put(items);
  const auto tiles_part = parcel.put(tiles);
  const auto first_part = parcel.put(first_tiles);
  parcel.send();
  moves_.tile_lefts.make(n_tiles);
  moves_.left_counts.make(n_items);
  moves_.sides.make(n_rows_);
  const RowBuffers buffers{
      {rows_[0].data(), rows_[1].data()}, {gradients_[0].data(), gradients_[1].data()}, gradient_bytes};
  const std::size_t scratch = warps() * sizeof(std::int64_t);
  device_.launch(n_tiles, policy.n_threads,
                 SideKernel<Side>{side, parcel.at(tiles_part), buffers, moves_.sides.data(), moves_.tile_lefts.data()},
                 scratch);
  device_.launch(n_items, policy.n_threads,
                 TileOffsetKernel{parcel.at(first_part), moves_.tile_lefts.data(), moves_.left_counts.data()}, scratch);
  device_.launch(n_tiles, policy.n_threads,
                 MoveKernel{parcel.at(items_part), parcel.at(tiles_part), moves_.tile_lefts.data(),
                            moves_.left_counts.data(), moves_.sides.data(), buffers},
                 scratch);
  return moves_.left_counts.get();
}

}  // namespace pygbt::device
