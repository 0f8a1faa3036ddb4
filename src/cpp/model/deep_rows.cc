// SPDX-License-Identifier: Apache-2.0
#include "model/deep_rows.h"

#include <algorithm>
#include <cstddef>

#include "backend/predict_kernels.h"
#include "math/layout.h"
#include "math/order_key.h"
#include "model/plain_walk.h"

namespace pygbt {
namespace {

constexpr std::int64_t kTaskKeyBytes = 384 << 10;  // of a task's keys: they stay in L2 beside a tree
constexpr std::int32_t kBlock = 64;                // rows that are read together: they stay in L1
constexpr std::size_t kSmallKeys = 1 << 15;        // more lie on a huge page
constexpr std::int64_t kLinesARow = 16;            // of a tree: where rows are fewer, most of it is not read

static_assert(kDeepMissingRight == 1);
static_assert(kBlock % kDeepLanes == 0 && kBlock <= kChunkRows);

DeepWalk::Lines lines_of(const void* data, std::size_t bytes) {
  return {static_cast<const char*>(data), static_cast<std::int64_t>(bytes / 64)};
}

DeepWalk::Lines nodes_of(const DeepTree& tree) {
  if (tree.near.empty()) return lines_of(tree.far.data(), tree.far.size() * sizeof(tree.far[0]));
  return lines_of(tree.near.data(), tree.near.size() * sizeof(tree.near[0]));
}

// What leaf indices lead to.
DeepWalk::Lines values_of(const DeepTree& deep, const Tree& tree) {
  if (deep.vector_of.empty()) return lines_of(tree.leaf_value.data(), tree.leaf_value.size() * sizeof(float));
  return lines_of(deep.vector_of.data(), deep.vector_of.size() * sizeof(deep.vector_of[0]));
}

}  // namespace

bool mostly_deep(std::span<const TreePtr> trees) {
  std::size_t n_deep = 0;
  for (const TreePtr& tree : trees) n_deep += tree->deep != nullptr ? 1 : 0;
  return 2 * n_deep > trees.size();
}

DeepCall::DeepCall(const Model& model_, std::span<const FeatureId> features_, std::span<const ColumnView> columns_,
                   std::size_t first_tree, std::size_t n_trees)
    : model(model_),
      features(features_),
      columns(columns_),
      trees(std::span(model_.trees()).subspan(first_tree, n_trees)) {
  for (const TreePtr& tree : trees) {
    const DeepTree* walked = tree->deep.get();
    if (walked == nullptr)
      walked = made.emplace_back(std::make_unique<const DeepTree>(make_deep_tree(tree->tree))).get();
    deep.push_back(walked);
    any_sets = any_sets || !walked->sets.empty();
  }
  const std::int64_t row_bytes = (std::int64_t{model.n_features()} + kDeepConstants) * 4 * (any_sets ? 2 : 1);
  const std::int64_t rows = kTaskKeyBytes / row_bytes / kDeepLanes * kDeepLanes;
  task_rows = static_cast<std::int32_t>(std::clamp<std::int64_t>(rows, kDeepLanes, kMostDeepRows));
}

// Keys of n values in rows `first` .. of a plane, first a multiple of kDeepLanes. NaN's are 0; `missing`: there may be.
void DeepRows::store(const std::uint32_t* keys, bool missing, std::int32_t first, std::int32_t n, std::size_t plane) {
  const std::size_t sides = view_.sides ? 2 : 1;
  const std::size_t group_keys = static_cast<std::size_t>(view_.n_planes) * kDeepLanes * sides;
  std::uint32_t* to =
      keys_.data() + static_cast<std::size_t>(first / kDeepLanes) * group_keys + plane * kDeepLanes * sides;
  for (std::int32_t i = 0; i < n; i += kDeepLanes, to += group_keys) {
    std::copy_n(keys + i, kDeepLanes, to);
    if (!view_.sides) continue;
    for (std::int32_t lane = 0; lane < kDeepLanes; ++lane)
      to[kDeepLanes + lane] = missing && keys[i + lane] == 0 ? ~0u : keys[i + lane];
  }
}

// Keys of numbers: x, or `exact` rounded up to float32. False: the layout does not hold them, its flag has been set.
bool DeepRows::store_keys(const float* x, const double* exact, std::int32_t first, std::int32_t n, std::size_t plane) {
  std::uint32_t keys[kBlock] = {};
  std::uint32_t missing = 0, inexact = 0;
  for (std::int32_t i = 0; i < n; ++i) {
    const float value = exact != nullptr ? static_cast<float>(exact[i]) : x[i];
    const std::uint32_t number = value == value ? ~0u : 0u;
    keys[i] = order_key(value) & number;
    missing |= ~number;
  }
  if (exact != nullptr) {
    for (std::int32_t i = 0; i < n; ++i) {
      const auto value = static_cast<double>(static_cast<float>(exact[i]));
      keys[i] += value < exact[i] ? 1u : 0u;
      inexact |= value < exact[i] || value > exact[i] ? 1u : 0u;
    }
  }
  const bool fits = (view_.sides || missing == 0) && (view_.inexact || inexact == 0);
  view_.sides = view_.sides || missing != 0;
  view_.inexact = view_.inexact || inexact != 0;
  if (fits) store(keys, missing != 0, first, n, plane);
  return fits;
}

void DeepRows::store_categories(const double* codes, std::int32_t first, std::int32_t n, std::size_t plane) {
  std::uint32_t keys[kBlock] = {};
  for (std::int32_t i = 0; i < n; ++i)
    keys[i] = codes[i] >= 0.0 ? static_cast<std::uint32_t>(codes[i]) : kMissingCategory;
  store(keys, false, first, n, plane);
}

// False: the flags of the layout have grown, begin again.
bool DeepRows::encode(const DeepCall& call) {
  const PredictKernels& kernel = predict_kernels();
  const std::size_t sides = view_.sides ? 2 : 1;
  const std::int32_t n_groups = (view_.n_rows + kDeepLanes - 1) / kDeepLanes;
  const std::size_t group_keys = static_cast<std::size_t>(view_.n_planes) * kDeepLanes * sides;
  const std::size_t size = static_cast<std::size_t>(n_groups) * group_keys;
  if (keys_.size() < size) keys_.resize(size < kSmallKeys ? size : std::max(size, kHugePage / sizeof(keys_[0])));
  view_.keys = keys_.data();
  for (std::int32_t g = 0; g < n_groups; ++g) {
    std::uint32_t* to = keys_.data() + static_cast<std::size_t>(g) * group_keys;
    std::fill_n(to, kDeepLanes * sides, 0u);
    std::fill_n(to + kDeepLanes * sides, kDeepLanes * sides, ~0u);
  }
  if (view_.inexact) exact_.resize(call.features.size() * static_cast<std::size_t>(view_.n_rows));
  alignas(64) float narrow[kBlock];
  alignas(64) double wide[kBlock];
  for (std::int32_t first = 0; first < view_.n_rows; first += kBlock) {
    const std::int64_t row = begin_ + first;
    const std::int32_t n = std::min(kBlock, view_.n_rows - first);
    double* exact = view_.inexact ? exact_.data() + first : nullptr;
    for (const FeatureId feature : call.features) {
      const auto f = static_cast<std::size_t>(feature);
      const ColumnView& column = call.columns[f];
      const FeatureCuts& cuts = call.model.cuts().features[f];
      const std::size_t plane = f + kDeepConstants;
      const char* data = column.data + row * column.stride;
      const bool numbers = column.sparse_rows == nullptr && !cuts.categorical && !view_.inexact;
      const bool narrow_numbers = numbers && column.type == ColumnType::f32;
      if (narrow_numbers || (numbers && column.type == ColumnType::f64 && !cuts.wide)) {
        (narrow_numbers ? kernel.load_f32 : kernel.load_rounded)(data, column.stride, n, narrow);
        if (!store_keys(narrow, nullptr, first, n, plane)) return false;
        continue;
      }
      read_values(column, cuts, row, row + n, wide);
      if (view_.inexact) {
        std::copy_n(wide, n, exact);
        exact += view_.n_rows;
      }
      if (cuts.categorical) {
        store_categories(wide, first, n, plane);
      } else if (!store_keys(nullptr, wide, first, n, plane)) {
        return false;
      }
    }
  }
  return true;
}

void DeepRows::prepare(const DeepCall& call, std::int64_t begin, std::int64_t end) {
  begin_ = begin;
  view_.n_planes = call.model.n_features() + static_cast<std::int32_t>(kDeepConstants);
  view_.n_rows = static_cast<std::int32_t>(end - begin);
  view_.sides = view_.sides || call.any_sets;
  constexpr std::size_t room = kMostDeepRows + kDeepLanes;
  open_.resize(room);
  leaf_.resize(room);
  unsure_.resize(room);
  while (!encode(call)) {
  }
}

// Leaves of the rows in tree t.
void DeepRows::run_tree(const DeepCall& call, std::size_t t) {
  const DeepTree& tree = *call.deep[t];
  DeepWalk walk{.nodes = nodes_of(tree).data,
                .flags = tree.flags.data(),
                .sets = tree.sets.empty() ? nullptr : tree.sets.data(),
                .first_steps = tree.first_steps,
                .next = {}};
  if (t + 1 < call.deep.size()) {
    const std::int64_t most = kLinesARow * view_.n_rows;
    const DeepWalk::Lines nodes = nodes_of(*call.deep[t + 1]);
    const DeepWalk::Lines values = values_of(*call.deep[t + 1], call.trees[t + 1]->tree);
    if (nodes.n < most) walk.next[0] = nodes;
    if (values.n < most) walk.next[1] = values;
  }
  const DeepScratch out{open_.data(), leaf_.data(), unsure_.data()};
  predict_kernels().deep_leaves[tree.near.empty()](walk, view_, out);
  if (!view_.inexact) return;
  for (std::int32_t row = 0; row < view_.n_rows; ++row) {
    if (unsure_[static_cast<std::size_t>(row)] != 0)
      leaf_[static_cast<std::size_t>(row)] = sure_leaf(call, *call.trees[t], row);
  }
}

// By the values themselves.
std::int32_t DeepRows::sure_leaf(const DeepCall& call, const ModelTree& tree, std::int32_t row) const {
  const WalkNode* nodes = tree.nodes.data();
  for (std::int32_t at = 0;;) {
    const WalkNode& node = nodes[at];
    const auto f = static_cast<FeatureId>(node.test & WalkNode::kFeature);
    const auto place = std::lower_bound(call.features.begin(), call.features.end(), f) - call.features.begin();
    const double x = exact_[static_cast<std::size_t>(place) * static_cast<std::size_t>(view_.n_rows) +
                            static_cast<std::size_t>(row)];
    const std::int32_t next = node.left + goes_right<true, true>(node, x, tree.sets.data(), tree.tree.cat_bits.data());
    if (next == at) return tree.leaf[static_cast<std::size_t>(at)];
    at = next;
  }
}

void DeepRows::add_scores(const DeepCall& call, std::int64_t begin, std::int64_t end, std::span<float> out) {
  prepare(call, begin, end);
  const std::int32_t n_outputs = call.model.n_outputs();
  float* rows = out.data() + row_major(begin, 0, n_outputs);
  for (std::size_t t = 0; t < call.trees.size(); ++t) {
    run_tree(call, t);
    const Tree& tree = call.trees[t]->tree;
    const DeepTree& deep = *call.deep[t];
    const bool shared = !deep.vector_of.empty();
    predict_kernels().add_vectors(
        leaf_.data(), view_.n_rows,
        {shared ? deep.vectors.data() : tree.leaf_value.data(), shared ? deep.vector_of.data() : nullptr, tree.width},
        rows + tree.target, n_outputs);
  }
}

void DeepRows::leaves(const DeepCall& call, std::int64_t begin, std::int64_t end, std::span<std::int32_t> out) {
  prepare(call, begin, end);
  const auto n_trees = static_cast<std::int32_t>(call.trees.size());
  for (std::size_t t = 0; t < call.trees.size(); ++t) {
    run_tree(call, t);
    std::int32_t* to = out.data() + row_major(begin, static_cast<std::int32_t>(t), n_trees);
    for (std::int32_t row = 0; row < view_.n_rows; ++row)
      to[row_major(row, 0, n_trees)] = leaf_[static_cast<std::size_t>(row)];
  }
}

}  // namespace pygbt
