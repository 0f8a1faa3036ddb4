// SPDX-License-Identifier: Apache-2.0
// Numbers of the launches, one set an architecture: see Device::policy(). They change speed, never a result.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pygbt::device {

struct Policy {
  int n_threads = 256;                  // of a block
  std::int64_t n_blocks = 1024;         // of a pass over the rows at most: each block takes many rows
  std::int64_t tile_rows = 32768;       // rows of a node that a block moves to its children at a time, at most
  std::int64_t least_tile_rows = 256;   // at least, where there are fewer rows than work for all blocks
  std::int64_t chunk_rows = 2048;       // rows of a leaf that a block counts at a time, at least
  int leaf_threads = 512;               // of a block that adds up the rows of all leaves
  std::int64_t leaf_blocks = 264;       // as many as run at once
  std::int64_t leaf_rows = 2048;        // of such a block at least
  std::size_t leaf_bytes = 72 << 10;    // of its sums, which are as many copies as there is room for
  int histogram_threads = 1024;         // of a block that adds up histograms
  std::int64_t histogram_blocks =
      132;  // as many as run at once: each clears its cells and hands them over, piece by piece
  std::int64_t histogram_rows = 1024;   // of a piece at least
  std::int64_t histogram_rows_enough = 8192;  // that a block adds up while it clears its cells and hands them over
  std::int64_t one_word_rows = 65536;  // of a piece whose cells are tried as one word, at most (shared_cells.h)
  std::int64_t usual_rows = 8192;  // that are looked at for bins that most rows have
  double usual_share = 0.5;  // of the rows, more of which make a bin one that histograms leave out
  std::int64_t rows_per_sum = 8;  // of every block that adds up histograms, for a sum over codes that features share
  std::int32_t warp_bins = 1024;  // of a feature whose cuts a warp searches, at most: a block those of wider ones
  std::size_t group_bytes = 64 << 10;  // packed cells of the features that a block adds up together
  std::size_t shared_bytes = 48 << 10;  // of a block at most
  std::size_t scratch_bytes = std::size_t{1} << 28;  // running sums of a search at a time
  std::int64_t steps_at_once = 16;  // of a tree that grows best first: queued before the host looks how far it is
  std::size_t growth_bytes = std::size_t{1} << 31;  // histograms and running sums of such a tree
  std::int64_t record_bytes = 16 << 20;  // trees that wait to be fetched

  // Prediction (walker.h).
  std::int32_t perfect_depth = 8;  // of trees that are filled up, at most
  std::int64_t few_rows = 4096;  // up to so many a thread takes a tree, not a row
  std::size_t code_bytes = 48 << 10;  // of a tile of rows: three blocks at once leave their trees as much
  std::size_t tree_bytes = 16 << 10;  // of the trees that a block lays in shared memory at a time, at least
  std::size_t threshold_bytes = 32 << 10;  // of a forest that they are searched in shared memory for, at most
  std::size_t chunk_bytes = 8 << 20;  // of a table and its predictions on the way, two such: 0.2 ms of a bus

  // A table on its way to bins (binner.h).
  // Of pinned memory at a time, two such: 0.16 ms at 50 GB/s, many times what a launch and a wait cost, and little to pin.
  std::size_t upload_bytes = 8 << 20;
  std::size_t least_upload_bytes = 256 << 10;  // where there is little memory
  std::size_t fill_bytes = 256 << 10;  // of it that a thread of the host fills at a time
  std::size_t key_bytes = std::size_t{1} << 60;  // of keys and their sorted copies at a time, if that much is free
  double key_share = 0.6;  // of the free memory that they may take: bins and the training want the rest
  std::int64_t unit_rows = 8192;  // of a column that a block counts or bins at a time; a multiple of 4
  // Columns of at most so many items are sorted in shared memory, a block each, or as segments of one sort, which gives
  // a block to each of them, too: a sort of its own has the whole device, and costs a column some 50 us to launch.
  std::int64_t block_sort = 2048;
  std::int64_t segment_sort = 131072;
  std::int64_t segment_items = std::int64_t{1} << 30;  // of such a sort, which counts in 32 bits
  // A column that has no room as a whole is read in parts, once a pass, and counted into so many cells: 16 bits of its
  // keys are known after the first pass.
  std::size_t rank_cells = 1 << 16;
  std::size_t least_rank_cells = 2048;  // where there is little memory: more passes
  std::int64_t part_rows = 1 << 22;  // at most: many chunks, so that their queue seldom runs empty
  std::int64_t least_part_rows = 4096;  // a multiple of 4
  // Edges of a feature that a block copies to shared memory at most: more would leave no room for other blocks, and the
  // upper steps of a search stay in L1.
  std::size_t edge_bytes = 16 << 10;
};

// Threads of a block at most: what a kernel says, or the usual number.
template <class Kernel>
constexpr int most_threads() {
  if constexpr (requires { Kernel::kMostThreads; })
    return Kernel::kMostThreads;
  else
    return 256;
}

// Blocks that a multiprocessor should run at once, at least: a kernel whose last block does something long would have few
// for the registers that it takes.
template <class Kernel>
constexpr int least_blocks() {
  if constexpr (requires { Kernel::kLeastBlocks; })
    return Kernel::kLeastBlocks;
  else
    return 1;
}

// Small numbers, for tests: a table of a few hundred rows has several blocks, tiles, chunks and groups of features, and
// features that have no room in shared memory.
inline void make_small(Policy& policy) {
  policy.n_threads = 64;
  policy.n_blocks = 3;
  policy.tile_rows = 96;
  policy.least_tile_rows = 40;
  policy.chunk_rows = 160;
  policy.leaf_threads = 64;
  policy.leaf_blocks = 4;
  policy.leaf_rows = 96;
  policy.leaf_bytes = 1 << 10;
  policy.histogram_threads = 64;
  policy.histogram_blocks = 5;
  policy.histogram_rows = 96;
  policy.histogram_rows_enough = 400;
  policy.usual_rows = 70;
  policy.rows_per_sum = 1;
  policy.warp_bins = 300;
  policy.group_bytes = 2 << 10;
  policy.shared_bytes = 6 << 10;
  policy.scratch_bytes = 1 << 18;
  policy.steps_at_once = 3;
  policy.growth_bytes = 16 << 20;
  policy.record_bytes = 64 << 10;
  policy.few_rows = 6;
  policy.code_bytes = 3 << 10;
  policy.tree_bytes = 1 << 10;
  policy.threshold_bytes = 256;
  policy.chunk_bytes = 12 << 10;
  policy.upload_bytes = 2 << 10;
  policy.least_upload_bytes = 1 << 10;
  policy.fill_bytes = 256;
  policy.key_bytes = 24 << 10;
  policy.unit_rows = 160;
  policy.rank_cells = 2000;
  policy.least_rank_cells = 40;
  policy.part_rows = 5000;
  policy.least_part_rows = 64;
  policy.block_sort = 100;
  policy.segment_sort = 400;
  policy.segment_items = 1000;
  policy.edge_bytes = 256;
}

}  // namespace pygbt::device
