// SPDX-License-Identifier: Apache-2.0
// Numbers of the launches, one set an architecture: see Device::policy(). They change speed, never a result.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pygbt::device {

struct Policy {
  int n_threads = 256;                // of a block
  std::int64_t n_blocks = 1024;       // of a pass over the rows at most: each block takes many rows
  std::int64_t tile_rows = 2048;      // rows of a node that a block moves to its children
  std::int64_t chunk_rows = 2048;     // rows of a node that a block adds up at least, and at most kPackedRows
  std::int64_t histogram_blocks = 512;  // that a step's histograms are cut into where the nodes have rows enough
  std::size_t group_bytes = 64 << 10;   // packed cells of the features that a block adds up together
  std::size_t shared_bytes = 48 << 10;  // of a block at most
  std::size_t scratch_bytes = std::size_t{1} << 28;  // running sums of a search at a time
  std::size_t group_tile_bytes = 16 << 10;  // bins of a group that a block lays side by side: 585 rows of 28

  // A table on its way to bins (binner.h).
  // Of pinned memory at a time, two such: 0.16 ms at 50 GB/s, many times what a launch and a wait cost, and little to pin.
  std::size_t upload_bytes = 8 << 20;
  std::size_t fill_bytes = 256 << 10;  // of it that a thread of the host fills at a time
  std::size_t key_bytes = std::size_t{1} << 60;  // of keys and their sorted copies at a time, if that much is free
  double key_share = 0.6;  // of the free memory that they may take: bins and the training want the rest
  std::int64_t unit_rows = 8192;  // of a column that a block counts or bins at a time; a multiple of 4
  // Columns of at most so many items are sorted by a block each, all in one launch: a sort of its own costs a column
  // several.
  std::int64_t block_sort = 2048;
  // Edges of a feature that a block copies to shared memory at most: more would leave no room for other blocks, and the
  // upper steps of a search stay in L1.
  std::size_t edge_bytes = 16 << 10;
};

// Small numbers, for tests: a table of a few hundred rows has several blocks, tiles, chunks and groups of features, and
// features that have no room in shared memory.
inline void make_small(Policy& policy) {
  policy.n_threads = 64;
  policy.n_blocks = 3;
  policy.tile_rows = 96;
  policy.chunk_rows = 160;
  policy.histogram_blocks = 5;
  policy.group_bytes = 2 << 10;
  policy.shared_bytes = 6 << 10;
  policy.scratch_bytes = 1 << 18;
  policy.upload_bytes = 2 << 10;
  policy.fill_bytes = 256;
  policy.key_bytes = 24 << 10;
  policy.unit_rows = 160;
  policy.block_sort = 100;
  policy.edge_bytes = 256;
  policy.group_tile_bytes = 1 << 10;
}

}  // namespace pygbt::device
