// SPDX-License-Identifier: Apache-2.0
// Marks of the rows that lie by node. The last cuts of a tree give marks instead of moving rows: nobody asks for an order of
// their children's. Other leaves, and all of them where something reads their rows side by side, are runs without a cut.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "cuda_backend.h"
#include "cut_side.h"
#include "device.h"
#include "leaf_marks.h"
#include "move_rows.h"
#include "pieces.h"

namespace pygbt::device {

// The side of the run's cut, left of those without one.
struct LastSide {
  CutSide cuts;
  const LeafPair* leaves;  // [item]; nullptr = item i is leaf i

  PYGBT_KERNEL LeafPair leaves_of(std::int32_t item) const {
    return leaves == nullptr ? LeafPair{item, item} : leaves[item];
  }

  struct OfItem {
    CutSide::OfItem cut;
    bool is_cut;
    PYGBT_KERNEL Bin key(RowId row) const { return is_cut ? cut.key(row) : Bin{0}; }
    PYGBT_KERNEL bool left(Bin bin) const { return !is_cut || cut.left(bin); }
  };
  PYGBT_KERNEL OfItem of(std::int32_t item) const {
    const LeafPair pair = leaves_of(item);
    if (pair.left == pair.right) return {{}, false};
    return {cuts.of(item), true};
  }
};

// Marks of the rows of runs; how many go left of each tile is counted on the way.
struct MarkKernel {
  SidedTiles<LastSide> tiles;
  LeafMarks marks;

  struct OfTile {
    LeafMarks marks;
    LeafPair leaves;
    PYGBT_KERNEL void take(RowId row, bool left) const { marks.put(row, left ? leaves.left : leaves.right); }
    PYGBT_KERNEL void take_word(std::int32_t /*at*/, std::uint32_t /*word*/) const {}
  };
  PYGBT_KERNEL OfTile of_tile(std::int64_t /*tile*/, const RowRun& rows) const {
    return {marks, tiles.side.leaves_of(rows.item)};
  }
  PYGBT_KERNEL void operator()() const { tiles.find_sides(*this); }
};

// Runs of rows, cut into tiles as tile_pieces() says, whose leaves are those of LastSide.
inline void CudaBackend::launch_marks(const Pieces& runs, std::int64_t most_runs, const CutSide& cuts,
                                      const LeafPair* leaves, const LeafMarks& marks) {
  make_counts(most_runs);
  device_.launch(blocks_for(tile_pieces(), most_runs), device_.policy().n_threads,
                 MarkKernel{{{cuts, leaves}, runs, row_buffers(0), moves_.tile_lefts.data()}, marks}, block_scratch());
}

}  // namespace pygbt::device
