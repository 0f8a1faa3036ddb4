// SPDX-License-Identifier: Apache-2.0
// Rows to their children, order kept, in two launches over tiles of rows: which side each goes to and how many of a tile
// go left; the move, for which a block adds up what lies before its tile. Called by the partition, by the growth of whole
// trees and by the draw of a tree's rows, which differ in what decides the side:
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

  // Chosen without an index: that would put the pointers into memory.
  PYGBT_KERNEL RowId* rows_of(std::int32_t buffer) const { return buffer == 0 ? rows[0] : rows[1]; }
  template <class T>
  PYGBT_KERNEL T* beside_of(std::int32_t buffer) const {
    return reinterpret_cast<T*>(buffer == 0 ? beside[0] : beside[1]);
  }
};

inline constexpr int kWordsAtOnce = 4;  // of 32 rows each, that a warp has on their way

// Rows of items as tiles, and the side that decides.
template <class Side>
struct SidedTiles {
  Side side;
  Pieces tiles;
  RowBuffers buffers;
  std::int64_t* tile_lefts;  // [tile] rows that go left

  // By all blocks of a launch. kept.of_tile(tile number, tile) is told the side of every row: take(row, left) by its
  // thread, take_word(place, sides of 32 rows) by the first lane of their warp.
  template <class Kept>
  PYGBT_KERNEL void find_sides(const Kept& kept) const {
    for (std::int64_t t = block(), n = tiles.n(); t < n; t += n_blocks()) {
      const RowRun tile = tiles[t];
      const std::int32_t n_left = block_sum(find_sides(tile, kept.of_tile(t, tile)), shared<std::int32_t>());
      if (thread() == 0) tile_lefts[t] = n_left;
    }
  }

  // How many rows go left, as the first lane of each warp has counted them.
  template <class OfTile>
  PYGBT_KERNEL std::int32_t find_sides(const RowRun& tile, const OfTile& kept) const {
    const auto of_item = side.of(tile.item);
    const RowId* const rows = buffers.rows_of(tile.buffer) + tile.begin;
    const auto n = static_cast<std::int32_t>(tile.n);
    const std::int32_t lane = thread() % kLanes;
    std::int32_t n_left = 0;
    for (std::int32_t first = (thread() - lane) * kWordsAtOnce; first < n; first += n_threads() * kWordsAtOnce) {
      RowId row[kWordsAtOnce];
      decltype(of_item.key(RowId{})) key[kWordsAtOnce];
      PYGBT_UNROLL
      for (int u = 0; u < kWordsAtOnce; ++u) {
        const std::int32_t i = first + u * kLanes + lane;
        row[u] = rows[i < n ? i : n - 1];
      }
      PYGBT_UNROLL
      for (int u = 0; u < kWordsAtOnce; ++u) key[u] = of_item.key(row[u]);
      PYGBT_UNROLL
      for (int u = 0; u < kWordsAtOnce; ++u) {
        const bool here = first + u * kLanes + lane < n, left = of_item.left(key[u]);
        const std::uint32_t word = ballot(here && left);
        if (here) kept.take(row[u], left);
        if (lane != 0 || first + u * kLanes >= n) continue;
        kept.take_word(first / kLanes + u, word);
        n_left += count_bits(word);
      }
    }
    return n_left;
  }
};

// Sides of the rows of a tile, a bit each: words [tile][words_of_tile].
struct Sides {
  std::uint32_t* words;
  const std::int64_t* tile_rows;  // [1] at most

  struct OfTile {
    std::uint32_t* words;
    PYGBT_KERNEL void take(RowId /*row*/, bool /*left*/) const {}
    PYGBT_KERNEL void take_word(std::int32_t at, std::uint32_t word) const { words[at] = word; }
  };
  PYGBT_KERNEL OfTile of_tile(std::int64_t tile, const RowRun& /*rows*/) const {
    return {words + tile * ((*tile_rows + 31) / 32)};
  }
};

template <class Side>
struct SideKernel {
  SidedTiles<Side> tiles;
  Sides sides;

  PYGBT_KERNEL void operator()() const { tiles.find_sides(sides); }
};

// How many rows of each item go left. By one block: a thread some tiles side by side; what it adds up of an item goes on
// top of what others do.
struct CountLefts {
  Pieces tiles;
  const std::int64_t* tile_lefts;
  std::int64_t* left_counts;  // [item]

  PYGBT_KERNEL void operator()() const {
    const std::int64_t n = tiles.n();
    for (std::int32_t item = thread(); item < *tiles.n_items; item += n_threads()) left_counts[item] = 0;
    sync();
    const std::int64_t n_mine = (n + n_threads() - 1) / n_threads(), begin = thread() * n_mine;
    const std::int64_t end = begin + n_mine < n ? begin + n_mine : n;
    for (std::int64_t t = begin; t < end;) {
      const std::int32_t item = tiles[t].item;
      const std::int64_t last = tiles.first[item + 1] < end ? tiles.first[item + 1] : end;
      std::int64_t n_left = 0;
      for (; t < last; ++t) n_left += tile_lefts[t];
      add(left_counts + item, n_left);
    }
    publish();
  }
};

// Block 0 moves nothing: it counts what goes left of each item and does what follows from that, meanwhile.
template <class Then>
struct MoveKernel {
  static constexpr int kLeastBlocks = 4;

  CountLefts lefts;
  Sides sides;
  RowBuffers buffers;
  Then then;

  PYGBT_KERNEL void operator()() const {
    if (block() == 0) {
      lefts();
      sync();
      then();
      return;
    }
    const Pieces& tiles = lefts.tiles;
    for (std::int64_t t = block() - 1, n = tiles.n(); t < n; t += n_blocks() - 1) {
      const RowRun tile = tiles[t];
      Lefts of_item;
      const std::int64_t first = tiles.first[tile.item], end = tiles.first[tile.item + 1];
      for (std::int64_t i = first + thread(); i < end; i += n_threads())
        of_item += {i < t ? lefts.tile_lefts[i] : 0, lefts.tile_lefts[i]};
      move_tile(tile, sides.of_tile(t, tile).words, block_sum(of_item, shared<Lefts>()));
    }
  }

  // Rows of an item that go left: those of the tiles before one, and all.
  struct Lefts {
    std::int64_t before = 0, all = 0;
    PYGBT_KERNEL Lefts& operator+=(const Lefts& other) {
      before += other.before;
      all += other.all;
      return *this;
    }
  };

  // A warp some words side by side.
  PYGBT_KERNEL void move_tile(const RowRun& tile, const std::uint32_t* words, const Lefts& of_item) const {
    const auto n = static_cast<std::int32_t>(tile.n);
    const std::int32_t n_words = (n + kLanes - 1) / kLanes, n_warps = n_threads() / kLanes;
    const std::int32_t of_warp = (n_words + n_warps - 1) / n_warps, lane = thread() % kLanes;
    const std::int32_t first = thread() / kLanes * of_warp, end = first + of_warp < n_words ? first + of_warp : n_words;
    const std::int32_t before_warp = lefts_before_warp(words, first, end);
    const std::int64_t begin = lefts.tiles.items[tile.item].begin;
    std::int64_t left_at = begin + of_item.before + before_warp;
    std::int64_t right_at = tile.begin + of_item.all - of_item.before + first * kLanes - before_warp;
    const std::uint32_t lanes_below = (std::uint32_t{1} << lane) - 1u;
    for (std::int32_t word = first; word < end; word += kWordsAtOnce) {
      std::uint32_t left[kWordsAtOnce];
      std::int64_t to[kWordsAtOnce];
      PYGBT_UNROLL
      for (int u = 0; u < kWordsAtOnce; ++u) left[u] = word + u < end ? words[word + u] : 0u;
      PYGBT_UNROLL
      for (int u = 0; u < kWordsAtOnce; ++u) {
        const std::int32_t at = (word + u) * kLanes, n_left = count_bits(left[u]),
                           before = count_bits(left[u] & lanes_below);
        const bool here = word + u < end && at + lane < n;
        to[u] = !here ? -1 : (left[u] >> lane & 1u) != 0 ? left_at + before : right_at + lane - before;
        left_at += n_left;
        right_at += (n - at < kLanes ? n - at : kLanes) - n_left;
      }
      const std::int64_t from = tile.begin + std::int64_t{word} * kLanes + lane;
      const std::int32_t other = 1 - tile.buffer;
      RowId row[kWordsAtOnce];  // on their way while what lies beside them is sent
      load(buffers.rows_of(tile.buffer) + from, to, row);
      if (buffers.bytes == 4)
        move(buffers.beside_of<std::uint32_t>(tile.buffer) + from, buffers.beside_of<std::uint32_t>(other), to);
      if (buffers.bytes == 8)
        move(buffers.beside_of<std::uint64_t>(tile.buffer) + from, buffers.beside_of<std::uint64_t>(other), to);
      store(row, to, buffers.rows_of(other));
    }
  }

  // Rows of the tile that go left before the words of this warp.
  PYGBT_KERNEL std::int32_t lefts_before_warp(const std::uint32_t* words, std::int32_t first, std::int32_t end) const {
    auto* const of_warp = shared<std::int32_t>();
    std::int32_t n_left = 0;
    for (std::int32_t word = first + thread() % kLanes; word < end; word += kLanes) n_left += count_bits(words[word]);
    n_left = warp_sum(n_left);
    sync();  // whoever read of_warp before has done so
    if (thread() % kLanes == 0) of_warp[thread() / kLanes] = n_left;
    sync();
    std::int32_t before = 0;
    for (std::int32_t warp = 0; warp < thread() / kLanes; ++warp) before += of_warp[warp];
    return before;
  }

  template <class T>
  PYGBT_KERNEL static void load(const T* from, const std::int64_t (&to)[kWordsAtOnce], T (&here)[kWordsAtOnce]) {
    PYGBT_UNROLL
    for (int u = 0; u < kWordsAtOnce; ++u) here[u] = to[u] >= 0 ? from[u * kLanes] : T{};
  }
  template <class T>
  PYGBT_KERNEL static void store(const T (&here)[kWordsAtOnce], const std::int64_t (&to)[kWordsAtOnce], T* out) {
    PYGBT_UNROLL
    for (int u = 0; u < kWordsAtOnce; ++u)
      if (to[u] >= 0) out[to[u]] = here[u];
  }
  template <class T>
  PYGBT_KERNEL static void move(const T* from, T* out, const std::int64_t (&to)[kWordsAtOnce]) {
    T here[kWordsAtOnce];
    load(from, to, here);
    store(here, to, out);
  }
};

inline RowBuffers CudaBackend::row_buffers(std::int64_t gradient_bytes) {
  return {{rows_[0].data(), rows_[1].data()}, {gradients_[0].data(), gradients_[1].data()}, gradient_bytes};
}

// Moves the rows of the items of `tiles` to the other buffer; how many of each go left is in moves_.left_counts. The
// gradients move with them if they have bytes. Once the numbers are known one block does `then`.
template <class Side, class Then>
void CudaBackend::move_rows(const Pieces& tiles, std::int64_t most_items, const Side& side, std::int64_t gradient_bytes,
                            const Then& then) {
  make_moves(most_items);
  const RowBuffers buffers = row_buffers(gradient_bytes);
  const Sides sides{moves_.sides.data(), tiles.rows};
  const std::int64_t blocks = blocks_for(tile_pieces(), most_items);
  const int n_threads = device_.policy().n_threads;
  const CountLefts lefts{tiles, moves_.tile_lefts.data(), moves_.left_counts.data()};
  device_.launch(blocks, n_threads, SideKernel<Side>{{side, tiles, buffers, moves_.tile_lefts.data()}, sides},
                 block_scratch());
  device_.launch(blocks + 1, n_threads, MoveKernel<Then>{lefts, sides, buffers, then}, block_scratch());
}

}  // namespace pygbt::device
