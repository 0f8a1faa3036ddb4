// SPDX-License-Identifier: Apache-2.0
// A model on the device, and the launches of prediction. Called by walker.cu.
#pragma once

#include <cstdint>

#include "backend/walker.h"
#include "buffer.h"

namespace pygbt::device {

struct WalkModel {
  std::int32_t n_features = 0;
  std::int32_t n_thresholds = 0;
  std::int32_t n_outputs = 1;
  bool one_byte = false;
  Buffer<WalkFeature> features;
  Buffer<float> narrow;
  Buffer<double> exact;
  Buffer<WalkTree> trees;
  Buffer<float> leaf_values;
  Buffer<float> base_score;

  std::int32_t perfect_depth = 1;
  Buffer<PerfectTrees::ByteTest> byte_tests;
  Buffer<PerfectTrees::Test> tests;
  Buffer<float> perfect_values;
  Buffer<std::int32_t> perfect_leaves;
  Buffer<std::uint32_t> perfect_words;

  Buffer<PackedTrees::Node> nodes;
  Buffer<std::uint32_t> node_sets;
  Buffer<std::uint32_t> node_words;

  Buffer<WalkNode> raw_nodes;
  Buffer<std::int32_t> raw_leaves;
  Buffer<CategorySet> raw_sets;
  Buffer<std::uint32_t> raw_words;
};

// A call, on the device.
struct WalkJob {
  const char* data = nullptr;
  std::int64_t n_rows = 0;
  const WalkColumn* columns = nullptr;
  const double* category_values = nullptr;
  const std::int32_t* category_codes = nullptr;
  const WalkSegment* segments = nullptr;
  std::int32_t n_segments = 0;
  std::int32_t first_tree = 0, n_trees = 0;
  bool by_row = false;
  bool leaves = false;
  bool vectors = false;       // some tree has vector leaves
  bool keep_margins = false;  // out holds them
  Link link = Link::kIdentity;
  void* out = nullptr;
};

struct WalkLaunch {
  static constexpr int kRows = 4;  // of a thread where there are rows enough

  WalkPath path = WalkPath::kRaw;
  int n_threads = 0;
  int rows_of_thread = 1;
  std::int32_t n_staged = 0;        // perfect trees in shared memory at a time
  std::uint32_t code_bytes = 0;     // of shared memory
  std::uint32_t area_bytes = 0;     // behind them: thresholds, then trees
};

// float32 margins to out; wrong: raised to 1 where one is not finite.
void launch_margins(Device& device, const WalkMargins& margins, std::int64_t n_rows, std::int32_t n_outputs, float* out,
                    std::uint32_t* wrong);
void launch_walk(Device& device, const WalkLaunch& launch, const WalkJob& job, const WalkModel& model);

}  // namespace pygbt::device
