// SPDX-License-Identifier: Apache-2.0
// Rows through a packed forest: a few chunks of rows at a time become codes, then groups of trees that fit the cache
// run over these chunks. One ForestRows a thread; it owns the scratch space.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/column.h"
#include "math/links.h"
#include "model/forest.h"

namespace pygbt {

struct ForestCall {
  const Forest& forest;
  std::span<const FeatureId> features;  // that the trees of the call test, ascending
  std::span<const ColumnView> columns;  // [feature of the model]
  std::size_t first_tree = 0, n_trees = 0;
  std::int32_t n_outputs = 1;
};

class ForestRows {
 public:
  static constexpr std::int32_t kTaskChunks = 4;

  // out [row of the table][n_outputs] of rows [begin, end), at most kTaskChunks chunks.
  void scores(const ForestCall& call, std::int64_t begin, std::int64_t end, std::span<const float> base_score,
              std::span<const float> base_margin, Link link, std::span<float> out);

  // out [row of the table][tree of the call].
  void leaves(const ForestCall& call, std::int64_t begin, std::int64_t end, std::span<std::int32_t> out);

 private:
  struct Chunk {
    std::int64_t row = 0;
    std::int32_t n = 0;
    unsigned char* codes = nullptr;         // [plane][kChunkBytes]
    std::uint16_t* categories = nullptr;    // [slot][kChunkRows]
    float* sums = nullptr;                  // [output][kChunkRows]
  };

  static unsigned char* aligned(unsigned char* p) { return p + (64 - reinterpret_cast<std::uintptr_t>(p) % 64) % 64; }
  unsigned char* exit_scratch() { return aligned(scratch_.data()); }
  void prepare(const ForestCall& call, std::int64_t begin, std::int64_t end);
  void encode(const ForestCall& call, const Chunk& chunk);
  void encode_numbers(const Forest& forest, const ForestFeature& feature, const ColumnView& column, const Chunk& chunk);
  const unsigned char* run_tree(const Forest& forest, const ForestTree& tree, const Chunk& chunk);
  template <class Use>
  void run_trees(const ForestCall& call, Use use);

  std::vector<unsigned char> scratch_, codes_;
  std::vector<std::uint16_t> categories_;
  std::vector<float> sums_;
  std::vector<Chunk> chunks_;
  alignas(64) float narrow_[kChunkRows] = {};
  alignas(64) double exact_[kChunkRows] = {};
  alignas(64) std::int32_t leaf_[kChunkRows] = {};
};

}  // namespace pygbt
