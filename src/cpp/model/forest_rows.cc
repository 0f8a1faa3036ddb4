// SPDX-License-Identifier: Apache-2.0
#include "model/forest_rows.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "math/layout.h"

namespace pygbt {
namespace {

constexpr std::int64_t kGroupBytes = 512 << 10;  // of trees that run over the chunks of a task before the next group

bool aligned_to(const char* data, std::size_t size) { return reinterpret_cast<std::uintptr_t>(data) % size == 0; }

// Codes of a categorical column; missing and unseen ones become n.
void read_categories(const ColumnView& column, std::int64_t begin, std::int32_t n_rows, std::int32_t n,
                     std::uint16_t* out) {
  const char* at = column.data + begin * column.stride;
  for (std::int32_t i = 0; i < n_rows; ++i, at += column.stride) {
    std::int32_t code;
    std::memcpy(&code, at, sizeof(code));
    out[i] = static_cast<std::uint16_t>(code < 0 || code > n ? n : code);
  }
}

}  // namespace

void ForestRows::prepare(const ForestCall& call, std::int64_t begin, std::int64_t end) {
  const Forest& forest = call.forest;
  const std::int64_t unit = forest.chunk_rows();
  const auto most = static_cast<std::size_t>((end - begin + unit - 1) / unit);
  const std::size_t code_bytes = static_cast<std::size_t>(forest.n_planes + forest.n_set_planes) * kChunkBytes;
  const std::size_t category_cells = static_cast<std::size_t>(forest.n_category_slots) * kChunkRows;
  const std::size_t sum_cells = static_cast<std::size_t>(call.n_outputs) * kChunkRows;
  constexpr std::size_t spare = kChunkBytes + 64;  // to align, and a plane to read where a model has none
  if (scratch_.empty()) {
    scratch_.resize(static_cast<std::size_t>(kExitScratchBytes) + 64);
    predict_kernels().init_exits[forest.two_byte](exit_scratch());
  }
  if (codes_.size() < most * code_bytes + spare) codes_.resize(most * code_bytes + spare);
  if (categories_.size() < most * category_cells) categories_.resize(most * category_cells);
  if (sums_.size() < most * sum_cells) sums_.resize(most * sum_cells);
  chunks_.clear();
  unsigned char* codes = aligned(codes_.data());
  for (std::size_t c = 0; c < most; ++c) {
    const std::int64_t row = begin + static_cast<std::int64_t>(c) * unit;
    chunks_.push_back({row, static_cast<std::int32_t>(std::min(unit, end - row)), codes + c * code_bytes,
                       categories_.data() + c * category_cells, sums_.data() + c * sum_cells});
    encode(call, chunks_.back());
  }
}

void ForestRows::encode(const ForestCall& call, const Chunk& chunk) {
  const Forest& forest = call.forest;
  auto feature = forest.features.begin();
  for (const FeatureId f : call.features) {
    while (feature->id != f) ++feature;
    const ColumnView& column = call.columns[static_cast<std::size_t>(f)];
    if (feature->n_categories >= 0) {
      read_categories(column, chunk.row, chunk.n, feature->n_categories,
                      chunk.categories + static_cast<std::size_t>(feature->category_slot) * kChunkRows);
    } else {
      encode_numbers(forest, *feature, column, chunk);
    }
  }
}

void ForestRows::encode_numbers(const Forest& forest, const ForestFeature& feature, const ColumnView& column,
                                const Chunk& chunk) {
  const PredictKernels& kernel = predict_kernels();
  const auto plane = [&](std::int32_t at) {
    return at < 0 ? nullptr : chunk.codes + static_cast<std::size_t>(at) * kChunkBytes;
  };
  const CodePlanes out{.missing_left = plane(feature.plane[1]), .missing_right = plane(feature.plane[0])};
  const bool dense = column.sparse_rows == nullptr;
  const char* data = column.data + chunk.row * column.stride;
  const auto in_place = [&](std::size_t size) {
    return column.stride == static_cast<std::int64_t>(size) && chunk.n % 64 == 0 && aligned_to(data, size);
  };
  if (dense && (column.type == ColumnType::f32 || (column.type == ColumnType::f64 && !feature.wide))) {
    // float32 against thresholds rounded down: the same answers as float64 against the thresholds.
    const float* x = narrow_;
    if (column.type == ColumnType::f64) {
      kernel.load_rounded(data, column.stride, chunk.n, narrow_);
    } else if (in_place(sizeof(float))) {
      x = reinterpret_cast<const float*>(data);
    } else {
      kernel.load_f32(data, column.stride, chunk.n, narrow_);
    }
    kernel.encode_f32[forest.two_byte](x, chunk.n, feature.narrow_view(), out);
    return;
  }
  const double* x = exact_;
  if (dense && column.type == ColumnType::f64) {
    if (in_place(sizeof(double))) {
      x = reinterpret_cast<const double*>(data);
    } else {
      kernel.load_f64(data, column.stride, chunk.n, exact_);
    }
  } else {
    read_column(column, chunk.row, chunk.row + chunk.n, feature.wide, exact_);
  }
  kernel.encode_f64[forest.two_byte](x, chunk.n, feature.exact_view(), out);
}

// Exits of the rows, or where rows walk on: nullptr, and their leaves are in leaf_.
const unsigned char* ForestRows::run_tree(const Forest& forest, const ForestTree& tree, const Chunk& chunk) {
  const PredictKernels& kernel = predict_kernels();
  for (std::int32_t s = 0; s < tree.n_sets; ++s) {
    const ForestSet& set = forest.sets[tree.sets + static_cast<std::size_t>(s)];
    const ForestFeature& feature = forest.features[static_cast<std::size_t>(set.feature)];
    kernel.encode_set[forest.two_byte](chunk.categories + static_cast<std::size_t>(feature.category_slot) * kChunkRows,
                                       chunk.n, {forest.set_words.data() + set.words, feature.n_categories},
                                       chunk.codes + static_cast<std::size_t>(forest.n_planes + s) * kChunkBytes);
  }
  unsigned char* exits = exit_scratch();
  kernel.exits[forest.two_byte](forest.program(tree), chunk.codes, chunk.n, exits);
  exits += kFirstSlotByte;
  if (tree.depth == 0) return exits;
  const std::int32_t* node = forest.exit_at.data() + tree.exits;
  for (std::int32_t i = 0; i < chunk.n; ++i) {
    std::uint16_t exit = exits[i];
    if (forest.two_byte) std::memcpy(&exit, exits + 2 * i, sizeof(exit));
    leaf_[i] = node[exit];
  }
  kernel.walk[forest.two_byte](forest.nodes.data() + tree.nodes, chunk.codes, chunk.n, tree.depth, leaf_);
  for (std::int32_t i = 0; i < chunk.n; ++i) {
    leaf_[i] = forest.node_leaf[tree.nodes + static_cast<std::size_t>(leaf_[i])];
  }
  return nullptr;
}

template <class Use>
void ForestRows::run_trees(const ForestCall& call, Use use) {
  const Forest& forest = call.forest;
  for (std::size_t begin = 0; begin < call.n_trees;) {
    std::size_t end = begin;
    for (std::int64_t bytes = 0; end < call.n_trees && (end == begin || bytes < kGroupBytes); ++end) {
      bytes += forest.trees[call.first_tree + end].bytes;
    }
    for (const Chunk& chunk : chunks_) {
      for (std::size_t t = begin; t < end; ++t) {
        const ForestTree& tree = forest.trees[call.first_tree + t];
        use(tree, t, chunk, run_tree(forest, tree, chunk));
      }
    }
    begin = end;
  }
}

void ForestRows::scores(const ForestCall& call, std::int64_t begin, std::int64_t end, std::span<const float> base_score,
                        std::span<const float> base_margin, Link link, std::span<float> out) {
  const Forest& forest = call.forest;
  const PredictKernels& kernel = predict_kernels();
  const std::int32_t n_outputs = call.n_outputs;
  prepare(call, begin, end);
  for (const Chunk& chunk : chunks_) {
    for (std::int32_t k = 0; k < n_outputs; ++k) {
      float* sums = chunk.sums + static_cast<std::size_t>(k) * kChunkRows;
      if (base_margin.empty()) {
        std::fill_n(sums, kChunkRows, base_score[static_cast<std::size_t>(k)]);
      } else {
        const float* margin = base_margin.data() + row_major(chunk.row, k, n_outputs);
        for (std::int32_t i = 0; i < chunk.n; ++i) sums[i] = margin[row_major(i, 0, n_outputs)];
      }
    }
  }
  run_trees(call, [&](const ForestTree& tree, std::size_t, const Chunk& chunk, const unsigned char* exits) {
    const std::int32_t stride = exits == nullptr ? tree.n_leaves : std::max(tree.n_exits, 64);
    for (std::int32_t k = 0; k < tree.width; ++k) {
      float* sums = chunk.sums + static_cast<std::size_t>(tree.target + k) * kChunkRows;
      const float* values = forest.values.data() + tree.values + row_major(k, 0, stride);
      if (exits == nullptr) {
        kernel.add_leaves(leaf_, chunk.n, values, sums);
      } else {
        kernel.add_exits[forest.two_byte](exits, chunk.n, values, tree.n_exits, sums);
      }
    }
  });
  for (const Chunk& chunk : chunks_) {
    float* to = out.data() + row_major(chunk.row, 0, n_outputs);
    for (std::int32_t k = 0; k < n_outputs; ++k) {
      const float* sums = chunk.sums + static_cast<std::size_t>(k) * kChunkRows;
      for (std::int32_t i = 0; i < chunk.n; ++i) to[row_major(i, k, n_outputs)] = sums[i];
    }
    kernel.link(link, to, chunk.n, n_outputs);
  }
}

void ForestRows::leaves(const ForestCall& call, std::int64_t begin, std::int64_t end, std::span<std::int32_t> out) {
  const Forest& forest = call.forest;
  const auto n_trees = static_cast<std::int32_t>(call.n_trees);
  prepare(call, begin, end);
  run_trees(call, [&](const ForestTree& tree, std::size_t t, const Chunk& chunk, const unsigned char* exits) {
    std::int32_t* to = out.data() + row_major(chunk.row, static_cast<std::int32_t>(t), n_trees);
    const std::int32_t* leaf = forest.exit_at.data() + tree.exits;
    for (std::int32_t i = 0; i < chunk.n; ++i) {
      std::uint16_t exit = 0;
      if (exits != nullptr) exit = exits[forest.two_byte ? 2 * i : i];
      if (exits != nullptr && forest.two_byte) std::memcpy(&exit, exits + 2 * i, sizeof(exit));
      to[row_major(i, 0, n_trees)] = exits == nullptr ? leaf_[i] : leaf[exit];
    }
  });
}

}  // namespace pygbt
