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
}

}  // namespace pygbt::device
