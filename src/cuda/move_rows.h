// SPDX-License-Identifier: Apache-2.0
// Rows to their children, order kept, in three launches over tiles of rows: which side each goes to and how many of a
// tile go left; how many lie before each tile; the move. Called by the partition, by the growth of whole trees and by the
// draw of a tree's rows, which differ in what decides the side:
//
//   buffer a  [ tile 0 ][ tile 1 ][ tile 2 ]          rows of one item
//   buffer b  [ left of 0, 1, 2  ][ right of 0, 1, 2 ]
#pragma once

#include <cstdint>

#include "base/types.h"
#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "pieces.h"

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
  Pieces tiles;
  RowBuffers buffers;
  std::uint8_t* sides;  // [place]
  std::int64_t* tile_lefts;  // [tile]

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t t = block(), n = tiles.n(); t < n; t += n_blocks()) {
      const RowRun tile = tiles[t];
      std::int64_t n_left = 0;
      for (std::int64_t i = tile.begin + thread(); i < tile.begin + tile.n; i += n_threads()) {
        const bool left = side(tile.item, buffers.rows[tile.buffer][i]);
        sides[i] = left;
        n_left += left;
      }
      n_left = block_sum(n_left, shared<std::int64_t>());
      if (thread() == 0) tile_lefts[t] = n_left;
    }
  }
};

// A block an item.
struct TileOffsetKernel {
  Pieces tiles;
  std::int64_t* tile_lefts;  // [tile] of the tile; becomes those of the tiles before it
  std::int64_t* left_counts;  // [item]

  PYGBT_KERNEL void operator()() const {
    if (block() >= *tiles.n_items) return;
    const std::int64_t end = tiles.first[block() + 1];
    std::int64_t before = 0;
    for (std::int64_t first = tiles.first[block()]; first < end; first += n_threads()) {
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
  Pieces tiles;
  const std::int64_t* tile_lefts;
  const std::int64_t* left_counts;
  const std::uint8_t* sides;
  RowBuffers buffers;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t t = block(), n = tiles.n(); t < n; t += n_blocks()) move_tile(tiles[t], tile_lefts[t]);
  }

  PYGBT_KERNEL void move_tile(const RowRun& tile, std::int64_t lefts_before) const {
    const std::int64_t begin = tiles.items[tile.item].begin;
    std::int64_t left_at = begin + lefts_before;
    std::int64_t right_at = begin + left_counts[tile.item] + (tile.begin - begin) - lefts_before;
    for (std::int64_t first = 0; first < tile.n; first += n_threads()) {
      const std::int64_t n_here = tile.n - first < n_threads() ? tile.n - first : n_threads();
      const std::int64_t from = tile.begin + first + thread();
      const bool here = thread() < n_here;
      const bool left = here && sides[from] != 0;
      std::int32_t n_left = 0;
      const std::int32_t before = block_scan<std::int32_t>(left, shared<std::int32_t>(), n_left);
      if (here) move(tile.buffer, from, left ? left_at + before : right_at + thread() - before);
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

// Moves the rows of the items of `tiles` to the other buffer; how many of each go left is in moves_.left_counts. The
// gradients move with them if they have bytes.
template <class Side>
void CudaBackend::move_rows(const Pieces& tiles, std::int64_t most_items, const Side& side,
                            std::int64_t gradient_bytes) {
  const Policy& policy = device_.policy();
  const std::int64_t n_tiles = most_pieces(n_rows_, most_items, tile_pieces());
  moves_.tile_lefts.make(n_tiles);
  moves_.left_counts.make(most_items);
  moves_.sides.make(n_rows_);
  const RowBuffers buffers{
      {rows_[0].data(), rows_[1].data()}, {gradients_[0].data(), gradients_[1].data()}, gradient_bytes};
  const std::size_t scratch = warps() * sizeof(std::int64_t);
  const std::int64_t blocks = blocks_for(tile_pieces(), most_items);
  device_.launch(blocks, policy.n_threads,
                 SideKernel<Side>{side, tiles, buffers, moves_.sides.data(), moves_.tile_lefts.data()}, scratch);
  device_.launch(most_items, policy.n_threads,
                 TileOffsetKernel{tiles, moves_.tile_lefts.data(), moves_.left_counts.data()}, scratch);
  device_.launch(blocks, policy.n_threads,
                 MoveKernel{tiles, moves_.tile_lefts.data(), moves_.left_counts.data(), moves_.sides.data(), buffers},
                 scratch);
}

}  // namespace pygbt::device
