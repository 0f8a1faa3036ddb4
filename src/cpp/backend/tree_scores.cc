// SPDX-License-Identifier: Apache-2.0
// Scores of rows that took no part in growing a tree. The bins are the codes of tree/blend_tree.h already, so a tree of
// up to 256 leaves runs over chunks of rows without a branch; what does not fit (two-byte bins, larger trees) walks.
#include "backend/tree_scores.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <optional>
#include <vector>

#include "backend/backend.h"
#include "backend/predict_kernels.h"
#include "base/pool.h"
#include "math/layout.h"

namespace pygbt {
namespace {

constexpr std::int64_t kGrain = 2048;  // rows

// The codes of a chunk for one kind of test.
struct BinPlane {
  FeatureId feature = 0;
  bool missing_left = false;
  std::int32_t set = -1;  // categorical: the node whose set it is; 1 = right
};

struct BinProgram {
  BlendCode code;
  std::vector<BinPlane> planes;
  std::vector<std::int32_t> leaf;  // [exit]
  std::vector<float> values;  // [width][exit], tables of at least 64
  std::int32_t stride = 64;
};

std::optional<BinProgram> make_program(const BinnedTree& tree, const Dataset& data) {
  if (tree.n_leaves() > kMostExits || tree.n_leaves() < 2) return std::nullopt;
  BinProgram made;
  std::vector<CodeNode> nodes(tree.nodes.size());
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const BinnedNode& node = tree.nodes[i];
    if (node.left < 0) {
      nodes[i].left = static_cast<std::int32_t>(i);
      continue;
    }
    if (data.column(node.feature).two_byte) return std::nullopt;
    const bool categorical = node.cat_begin >= 0;
    const auto same = [&](const BinPlane& plane) {
      return !categorical && plane.set < 0 && plane.feature == node.feature && plane.missing_left == node.missing_left;
    };
    auto plane = std::find_if(made.planes.begin(), made.planes.end(), same);
    if (plane == made.planes.end()) {
      plane =
          made.planes.insert(plane, {node.feature, node.missing_left, categorical ? static_cast<std::int32_t>(i) : -1});
    }
    // Missing (bin 0) is the smallest code where it goes left; where it goes right, all codes are one less and it
    // wraps to the largest.
    const std::int32_t cut = categorical ? 1 : node.bin + (node.missing_left ? 1 : 0);
    if (cut > 255) return std::nullopt;
    nodes[i] = {node.left, static_cast<std::uint16_t>(plane - made.planes.begin()), static_cast<std::uint16_t>(cut)};
  }
  append_blends(nodes, kMostExits, made.code, made.leaf);
  for (std::int32_t& exit : made.leaf) exit = ~tree.nodes[static_cast<std::size_t>(exit)].left;
  made.stride = std::max(tree.n_leaves(), 64);
  made.values.assign(static_cast<std::size_t>(made.stride * tree.width), 0.0f);
  for (std::int32_t k = 0; k < tree.width; ++k) {
    for (std::size_t e = 0; e < made.leaf.size(); ++e) {
      made.values[static_cast<std::size_t>(k * made.stride) + e] =
          tree.leaf_value[static_cast<std::size_t>(row_major(made.leaf[e], k, tree.width))];
    }
  }
  return made;
}

void fill_planes(const BinProgram& program, const BinnedTree& tree, const Dataset& data, std::int64_t row,
                 std::int32_t n, unsigned char* codes) {
  for (const BinPlane& plane : program.planes) {
    const auto* bins = static_cast<const std::uint8_t*>(data.column(plane.feature).data) + row;
    if (plane.set >= 0) {
      const BinnedNode& node = tree.nodes[static_cast<std::size_t>(plane.set)];
      const std::uint32_t* words = tree.cat_bits.data() + node.cat_begin;
      for (std::int32_t i = 0; i < n; ++i) codes[i] = goes_left(Bin{bins[i]}, words, node.cat_words) ? 0 : 1;
    } else if (plane.missing_left) {
      std::memcpy(codes, bins, static_cast<std::size_t>(n));
    } else {
      for (std::int32_t i = 0; i < n; ++i) codes[i] = static_cast<unsigned char>(bins[i] - 1);
    }
    codes += kChunkBytes;
  }
}

void walk_rows(const BinnedTree& tree, const Dataset& data, std::int64_t begin, std::int64_t end,
               std::int32_t n_targets, float* scores) {
  for (std::int64_t row = begin; row < end; ++row) {
    const float* value = tree.leaf_value.data() + row_major(leaf_of(tree, data, row), 0, tree.width);
    float* score = scores + row_major(row, tree.target, n_targets);
    for (std::int32_t k = 0; k < tree.width; ++k) score[k] += value[k];
  }
}

}  // namespace

void add_tree_scores(const BinnedTree& tree, const Dataset& data, std::span<float> scores, std::int32_t n_targets,
                     int n_threads) {
  const std::optional<BinProgram> program = make_program(tree, data);
  const PredictKernels& kernel = predict_kernels();
  parallel_ranges(n_threads, data.n_rows, kGrain, [&](std::int64_t begin, std::int64_t end, int) {
    if (!program) return walk_rows(tree, data, begin, end, n_targets, scores.data());
    std::vector<unsigned char> exit_scratch(static_cast<std::size_t>(kExitScratchBytes));
    std::vector<unsigned char> codes(program->planes.size() * kChunkBytes);
    kernel.init_exits[0](exit_scratch.data());
    const unsigned char* exits = exit_scratch.data() + kFirstSlotByte;
    const BlendProgram operations = program->code.program({}, program->code.sizes());
    for (std::int64_t row = begin; row < end; row += kChunkRows) {
      const auto n = static_cast<std::int32_t>(std::min<std::int64_t>(kChunkRows, end - row));
      fill_planes(*program, tree, data, row, n, codes.data());
      kernel.exits[0](operations, codes.data(), n, exit_scratch.data());
      for (std::int32_t k = 0; k < tree.width; ++k) {
        const float* values = program->values.data() + row_major(k, 0, program->stride);
        float* score = scores.data() + row_major(row, tree.target + k, n_targets);
        if (n_targets == 1) {
          kernel.add_exits[0](exits, n, values, tree.n_leaves(), score);
        } else {
          for (std::int32_t i = 0; i < n; ++i) score[row_major(i, 0, n_targets)] += values[exits[i]];
        }
      }
    }
  });
}

}  // namespace pygbt
