// SPDX-License-Identifier: Apache-2.0
// Runs of rows cut into pieces, so that the rows of many nodes are even work for all blocks: a block takes pieces block(),
// block() + n_blocks(), ... What the runs are, and how they are cut, is known on the device only; a launch needs no more
// than a bound.
//
//   item 0 [ piece 0 ][ piece 1 ][ 2 ]   item 1 [ piece 3 ]   item 2 (no rows)   item 3 [ piece 4 ][ 5 ]
#pragma once

#include <cstdint>
#include <span>

#include "block.h"
#include "buffer.h"
#include "device.h"

namespace pygbt::device {

// A run of rows in the row buffers.
struct RowRun {
  std::int64_t begin = 0;  // in the buffer
  std::int64_t n = 0;
  std::int32_t item = 0;  // whatever it is a run of: a node, a cut, a leaf
  std::int32_t buffer = 0;
};

// Rows of a piece: an even share for `n_blocks`, within bounds.
struct PieceSize {
  std::int64_t n_blocks = 1;
  std::int64_t least = 1;
  std::int64_t most = 1;
};

struct Pieces {
  RowRun* items = nullptr;  // [n_items]
  std::int64_t* first = nullptr;  // [n_items + 1] first piece of each
  std::int64_t* rows = nullptr;  // [1] of a piece; the last one of an item may have fewer
  std::int32_t* n_items = nullptr;  // [1]

  PYGBT_KERNEL std::int64_t n() const { return first[*n_items]; }

  PYGBT_KERNEL RowRun operator[](std::int64_t piece) const {
    std::int32_t low = 0, high = *n_items - 1;  // the last item that begins at or before the piece
    PYGBT_ROLL
    while (low < high) {
      const std::int32_t middle = (low + high + 1) / 2;
      if (first[middle] <= piece)
        low = middle;
      else
        high = middle - 1;
    }
    const RowRun item = items[low];
    const std::int64_t begin = (piece - first[low]) * *rows;
    return {item.begin + begin, item.n - begin < *rows ? item.n - begin : *rows, low, item.buffer};
  }

  // Cuts the first n items, which the block has written. By one block.
  PYGBT_KERNEL void cut(std::int32_t n, const PieceSize& size) const {
    auto* const scratch = shared<std::int64_t>();
    sync();
    std::int64_t total = 0;
    PYGBT_ROLL
    for (std::int32_t i = thread(); i < n; i += n_threads()) total += items[i].n;
    total = block_sum(total, scratch);
    const std::int64_t waves = total / (size.most * size.n_blocks) + 1;
    const std::int64_t shares = waves * size.n_blocks - n;  // every item may end with a smaller piece
    std::int64_t of_piece = shares > 1 ? (total + shares - 1) / shares : total;
    of_piece = of_piece < size.least ? size.least : of_piece > size.most ? size.most : of_piece;
    std::int64_t before = 0;
    PYGBT_ROLL
    for (std::int32_t begin = 0; begin < n; begin += n_threads()) {
      const std::int32_t i = begin + thread();
      std::int64_t here = 0;
      const std::int64_t lower = block_scan(i < n ? (items[i].n + of_piece - 1) / of_piece : 0, scratch, here);
      if (i < n) first[i] = before + lower;
      before += here;
    }
    if (thread() != 0) return;
    first[n] = before;
    *rows = of_piece;
    *n_items = n;
  }
};

// The cut of items that the host has sent.
struct CutKernel {
  Pieces pieces;
  std::int32_t n;
  PieceSize size;

  PYGBT_KERNEL void operator()() const { pieces.cut(n, size); }
};

// Memory of pieces.
class PieceList {
 public:
  explicit PieceList(Device& device)
      : device_(device), items_(device), first_(device), rows_(device), n_items_(device) {}

  // Room for n items, whatever they are.
  Pieces make(std::size_t n) {
    return {items_.make(n), first_.make(n + 1), rows_.make(std::size_t{1}), n_items_.make(std::size_t{1})};
  }
  Pieces put(std::span<const RowRun> items, const PieceSize& size) {
    const Pieces pieces = make(items.size());
    items_.put(items);
    const int n_threads = device_.policy().n_threads;
    device_.launch(1, n_threads, CutKernel{pieces, static_cast<std::int32_t>(items.size()), size},
                   static_cast<std::size_t>(n_threads / kLanes) * sizeof(std::int64_t));
    return pieces;
  }

 private:
  Device& device_;
  Buffer<RowRun> items_;
  Buffer<std::int64_t> first_, rows_;
  Buffer<std::int32_t> n_items_;
};

// Pieces that items of so many rows together have at most.
inline std::int64_t most_pieces(std::int64_t n_rows, std::int64_t n_items, const PieceSize& size) {
  return n_rows / size.least + n_items;
}

}  // namespace pygbt::device
