// SPDX-License-Identifier: Apache-2.0
// The hot loops over large trees (tree/deep_tree.h), compiled once per instruction set as part of predict_kernels.h.
#pragma once

#include <cstdint>

#include "tree/deep_tree.h"

namespace pygbt {

inline constexpr std::int32_t kDeepLanes = 16;  // rows of a group: they walk together, so that their loads overlap
inline constexpr std::int32_t kMostDeepRows = 2048;  // of a call
inline constexpr std::uint32_t kMissingCategory = 0xffffffffu;

// Keys of some rows, [group][plane][lane]; with `sides` [group][plane][missing left, missing right][lane], where missing
// values are 0 and all ones. Lanes beyond n_rows hold anything.
struct DeepKeys {
  const std::uint32_t* keys = nullptr;
  std::int32_t n_planes = 0;
  std::int32_t n_rows = 0;
  bool sides = false;  // always where a tree has categorical splits
  bool inexact = false;  // a key may be that of the next larger float32: report rows that come close to a threshold
};

struct DeepWalk {
  const void* nodes = nullptr;  // DeepNode<uint16> or DeepNode<uint32>, as the kernel takes them
  const std::uint8_t* flags = nullptr;
  const std::uint32_t* sets = nullptr;  // nullptr: no categorical splits
  std::int32_t first_steps = 1;
  struct Lines {
    const char* data = nullptr;
    std::int64_t n = 0;  // of 64 bytes
  };
  Lines next[2];  // what the next tree reads: nodes and values, fetched into the cache meanwhile
};

// A row that walks on.
struct DeepRow {
  std::uint32_t at;      // node
  std::uint32_t from;    // place of its keys, in bytes
  std::uint32_t number;
};

// What the walk writes; each array has room for kMostDeepRows + kDeepLanes.
struct DeepScratch {
  DeepRow* open;
  std::int32_t* leaf;              // [row]
  std::uint8_t* unsure;            // [row] not 0: the leaf may be wrong; written where keys are inexact
};

using DeepLeaves = void (*)(const DeepWalk& walk, const DeepKeys& keys, const DeepScratch& out);

// out[row][0 .. width) += values[i][0 .. width), i = leaf[row], or vector_of[leaf[row]] where that is not nullptr.
struct LeafVectors {
  const float* values = nullptr;
  const std::uint16_t* vector_of = nullptr;
  std::int32_t width = 1;
};

using AddVectors = void (*)(const std::int32_t* leaf, std::int32_t n, const LeafVectors& from, float* out,
                            std::int32_t out_stride);

}  // namespace pygbt
