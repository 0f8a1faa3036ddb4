// SPDX-License-Identifier: Apache-2.0
// The hot loops of prediction, compiled once per instruction set like backend/kernels.h and by the same rules. They
// work on a chunk of kChunkBytes / sizeof(code) rows: values -> codes -> exits of a tree -> sums.
#pragma once

#include <cstdint>

#include "backend/deep_kernels.h"
#include "math/links.h"
#include "tree/blend_tree.h"

namespace pygbt {

inline constexpr std::int32_t kChunkRows = kChunkBytes;  // rows of the largest chunk (one-byte codes)

// Sorted thresholds of a feature, for the search of a code: code = #{thresholds < x}.
template <class Value>
struct Thresholds {
  const Value* sorted = nullptr;   // [2^k - 1] padded with +inf
  const Value* levels = nullptr;  // at most 255 thresholds: kSearchLevels values, see fill_search_levels; else nullptr
  std::int32_t n = 0;  // without padding
  std::int32_t padded = 0;  // 2^k - 1, at least n
};

// Splitters of a search among 255 thresholds by steps of 16, 8, 4, 2: every 16th, 16th, 8th and 4th threshold.
inline constexpr std::int32_t kSearchLevels = 16 + 16 + 32 + 64;

// Where codes go. Missing values have the smallest code in one plane and the largest in the other, so one compare
// routes them to the left or to the right; nullptr = no split needs that plane.
struct CodePlanes {
  void* missing_left = nullptr;
  void* missing_right = nullptr;
};

// A set of category codes as one bit a code; `n_codes` itself stands for missing and unseen codes.
struct CodeSet {
  const std::uint32_t* words = nullptr;  // bit set = goes right
  std::int32_t n_codes = 0;
};

// The four top levels of a tree for one row: test i, whose children are 2 i and 2 i + 1, sends the row right unless
// x[column[i]] <= threshold[i]. Leaves above are repeated below.
inline constexpr std::int32_t kTopLevels = 4;
inline constexpr std::int32_t kTopColumns = 32;
struct RowTop {
  float threshold[1 << kTopLevels];  // [0] is not used
  std::int32_t column[1 << kTopLevels];  // below kTopColumns
};

struct PredictKernels {
  // out[i] = value at data + i * stride; n <= kChunkRows. Doubles may be rounded to float.
  void (*load_f32)(const char* data, std::int64_t stride, std::int32_t n, float* out);
  void (*load_f64)(const char* data, std::int64_t stride, std::int32_t n, double* out);
  void (*load_rounded)(const char* data, std::int64_t stride, std::int32_t n, float* out);
  // Codes of n values; x is readable to the next multiple of 64. [two_byte]
  void (*encode_f32[2])(const float* x, std::int32_t n, const Thresholds<float>& thresholds, const CodePlanes& out);
  void (*encode_f64[2])(const double* x, std::int32_t n, const Thresholds<double>& thresholds, const CodePlanes& out);
  // Plane of a set: 1 where the category goes right. [two_byte]
  void (*encode_set[2])(const std::uint16_t* categories, std::int32_t n, const CodeSet& set, void* plane);
  // Exits of the tree in slot 0 of `scratch` [kExitScratchBytes], which init_exits prepared. [two_byte]
  void (*init_exits[2])(unsigned char* scratch);
  void (*exits[2])(const BlendProgram& program, const unsigned char* codes, std::int32_t n, unsigned char* scratch);
  // node[i] = leaf that row i reaches from nodes[node[i]], in `depth` steps at most. [two_byte]
  void (*walk[2])(const CodeNode* nodes, const unsigned char* codes, std::int32_t n, std::int32_t depth,
                  std::int32_t* node);
  // sums[i] += values[exit[i]]; values are readable to 64 where n_exits <= 64. [two_byte]
  void (*add_exits[2])(const unsigned char* exits, std::int32_t n, const float* values, std::int32_t n_exits,
                       float* sums);
  void (*add_leaves)(const std::int32_t* leaf, std::int32_t n, const float* values, float* sums);
  // Leaves of rows in a tree whose nodes are [near, far], and values by leaf into rows of outputs.
  DeepLeaves deep_leaves[2];
  AddVectors add_vectors;
  // exit[t] = 0 .. 15, where the row leaves the top of tree t; nullptr where the level has no instruction for it.
  void (*top_exits)(const RowTop* tops, std::int32_t n_trees, const float* x, std::uint8_t* exit) = nullptr;
  // Margins to values, n rows of k.
  void (*link)(Link link, float* rows, std::int64_t n, std::int32_t k);
};

const PredictKernels& predict_kernels();  // of the level that kernels() chose

}  // namespace pygbt
