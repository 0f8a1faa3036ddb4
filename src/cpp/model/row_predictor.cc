// SPDX-License-Identifier: Apache-2.0
#include "model/row_predictor.h"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "math/links.h"
#include "math/round_down.h"

namespace pygbt {
namespace {

constexpr std::size_t kLanes = 8;  // trees that walk together
constexpr std::uint32_t kMostVectorLeaf = 1u << 24;  // first value of a vector leaf, exact in float32

constexpr std::size_t kTopTrees = 256;  // whose tops are evaluated together
constexpr std::int32_t kMostFeatures = 32766;  // two columns each and two more fit in 16 bits

template <class Value>
Value threshold_as(double threshold) {
  if constexpr (sizeof(Value) == sizeof(float)) return round_down(threshold);
  return static_cast<Value>(threshold);
}

}  // namespace

bool RowPredictor::fits(const Model& model) {
  if (model.n_features() > kMostFeatures) return false;
  std::size_t n_nodes = 0, n_values = 0;
  for (const TreePtr& tree : model.trees()) {
    if (!tree->sets.empty() || tree->nodes.size() > 65535) return false;
    n_nodes += tree->nodes.size();
    n_values += tree->tree.leaf_value.size();
  }
  for (const FeatureCuts& feature : model.cuts().features) {
    if (feature.categorical) return false;
  }
  return n_nodes < (std::size_t{1} << 31) && n_values < kMostVectorLeaf;
}

RowPredictor::RowPredictor(const Model& model, std::int32_t begin, std::int32_t end, Output output)
    : n_features_(model.n_features()), base_score_(model.base_score()) {
  require(fits(model), "the model has categories, or is too large for the row predictor");
  require(begin >= 0 && begin <= end && end <= model.n_iterations(), "iterations lie outside the model");
  const auto per = static_cast<std::size_t>(model.trees_per_iteration());
  const std::size_t first = static_cast<std::size_t>(begin) * per, last = static_cast<std::size_t>(end) * per;
  if (output == Output::kValue) link_ = link_of(model.loss().objective);
  bool any_wide = false;
  for (std::size_t t = first; t < last; ++t) {
    const ModelTree& tree = *model.trees()[t];
    vector_leaves_ = vector_leaves_ || tree.tree.width > 1;
    for (const FeatureId f : tree.features)
      any_wide = any_wide || model.cuts().features[static_cast<std::size_t>(f)].wide;
  }
  if (any_wide) {
    for (const FeatureCuts& feature : model.cuts().features) wide_.push_back(feature.wide ? 1 : 0);
    pack(model, first, last, exact_);
  }
  pack(model, first, last, narrow_);
  if (predict_kernels().top_exits != nullptr) pack_tops();
}

template <class Node>
void RowPredictor::pack(const Model& model, std::size_t first, std::size_t end, std::vector<Node>& nodes) {
  root_.clear(), target_.clear(), width_.clear(), depth_.clear(), leaf_vectors_.clear();
  for (std::size_t t = first; t < end; ++t) {
    const ModelTree& from = *model.trees()[t];
    const Tree& tree = from.tree;
    if ((t - first) % kLanes == 0) depth_.push_back(0);
    depth_.back() = std::max(depth_.back(), from.depth);
    root_.push_back(static_cast<std::uint32_t>(nodes.size()));
    target_.push_back(tree.target);
    width_.push_back(tree.width);
    for (std::size_t i = 0; i < tree.left.size(); ++i) {
      Node& node = nodes.emplace_back();
      if (tree.left[i] >= 0) {
        node.threshold = threshold_as<typename Node::Value>(tree.threshold[i]);
        node.step = static_cast<decltype(node.step)>(tree.left[i] - static_cast<std::int32_t>(i));
        node.column =
            static_cast<decltype(node.column)>(tree.feature[i] + (tree.default_left[i] != 0 ? n_features_ + 1 : 0));
        continue;
      }
      const std::size_t value = static_cast<std::size_t>(~tree.left[i]) * static_cast<std::size_t>(tree.width);
      node.threshold = vector_leaves_ ? static_cast<typename Node::Value>(leaf_vectors_.size() + value)
                                      : static_cast<typename Node::Value>(tree.leaf_value[value]);
      node.step = 0;
      node.column = static_cast<decltype(node.column)>(n_features_);
    }
    if (vector_leaves_) leaf_vectors_.insert(leaf_vectors_.end(), tree.leaf_value.begin(), tree.leaf_value.end());
  }
}

// Tests in heap order over at most kTopColumns features, for rows without missing values.
void RowPredictor::pack_tops() {
  constexpr std::size_t kTests = std::size_t{1} << kTopLevels;
  tops_.resize(root_.size());
  top_exit_.resize(root_.size() * kTests);
  for (std::size_t t = 0; t < root_.size(); ++t) {
    std::uint32_t at[2 * kTests] = {};
    at[1] = root_[t];
    for (std::size_t i = 1; i < kTests; ++i) {
      const NarrowRowNode& node = narrow_[at[i]];
      const bool leaf = node.step == 0;
      at[2 * i] = at[i] + node.step;
      at[2 * i + 1] = at[2 * i] + (leaf ? 0 : 1);
      const std::int32_t feature = node.column % (n_features_ + 1);
      auto column = std::find(top_columns_.begin(), top_columns_.end(), feature);
      if (column == top_columns_.end()) column = top_columns_.insert(column, feature);
      tops_[t].threshold[i] = node.threshold;
      tops_[t].column[i] = static_cast<std::int32_t>(column - top_columns_.begin());
    }
    tops_[t].threshold[0] = 0.0f;
    tops_[t].column[0] = 0;
    std::copy(at + kTests, at + 2 * kTests, top_exit_.begin() + static_cast<std::ptrdiff_t>(t * kTests));
    if (top_columns_.size() > static_cast<std::size_t>(kTopColumns)) {
      tops_.clear();
      return;
    }
  }
}

template <class Node>
void RowPredictor::walk(const Node* nodes, const typename Node::Value* x, bool missing, float* out) const {
  const std::size_t n_trees = root_.size();
  const bool one_output = base_score_.size() == 1;
  float sum = out[0];  // of the only output: kept out of memory, where each addition would wait for the last store
  std::uint8_t exit[kTopTrees];
  alignas(64) float top_x[kTopColumns];
  const bool with_tops = std::is_same_v<Node, NarrowRowNode> && !tops_.empty() && !missing;
  if (with_tops) {
    for (std::size_t j = 0; j < top_columns_.size(); ++j) top_x[j] = static_cast<float>(x[top_columns_[j]]);
    for (std::size_t j = top_columns_.size(); j < kTopColumns; ++j) top_x[j] = 0.0f;
  }
  for (std::size_t first = 0; first < n_trees; first += kLanes) {
    const std::size_t n = std::min(kLanes, n_trees - first);
    const Node* at[kLanes];
    std::int32_t depth = depth_[first / kLanes];
    if (with_tops) {
      if (first % kTopTrees == 0) {
        const std::size_t n_tops = std::min(kTopTrees, n_trees - first);
        predict_kernels().top_exits(tops_.data() + first, static_cast<std::int32_t>(n_tops), top_x, exit);
      }
      for (std::size_t i = 0; i < kLanes; ++i) {
        const std::size_t t = first + std::min(i, n - 1);
        at[i] = nodes + top_exit_[(t << kTopLevels) + exit[t % kTopTrees]];
      }
      depth -= kTopLevels;
    } else {
      for (std::size_t i = 0; i < kLanes; ++i) at[i] = nodes + root_[first + std::min(i, n - 1)];
    }
    for (std::int32_t step = 0; step < depth; ++step) {
#pragma GCC unroll 8
      for (std::size_t i = 0; i < kLanes; ++i) {
        const Node& node = *at[i];
        at[i] += node.step + static_cast<std::uint32_t>(!(x[node.column] <= node.threshold));
      }
    }
    if (one_output) {  // in the order of the trees, as everywhere
      for (std::size_t i = 0; i < n; ++i) {
        sum += static_cast<float>(at[i]->threshold);  // a leaf of width 1
      }
      continue;
    }
    for (std::size_t i = 0; i < n; ++i) {
      float* to = out + target_[first + i];
      if (!vector_leaves_) {
        *to += static_cast<float>(at[i]->threshold);
        continue;
      }
      const float* values = leaf_vectors_.data() + static_cast<std::size_t>(at[i]->threshold);
      for (std::int32_t k = 0; k < width_[first + i]; ++k) to[k] += values[k];
    }
  }
  if (one_output) out[0] = sum;
}

// The row as the trees read it: a value of a column that is not wide is rounded as in training.
template <class Node, class Given>
void RowPredictor::read_and_run(const std::vector<Node>& nodes, const Given* x, std::int64_t stride, float* out) const {
  using Value = typename Node::Value;
  constexpr Value kLowest = -std::numeric_limits<Value>::infinity();
  const auto read = [&](Value* row) {
    bool missing = false;
    Value* missing_left = row + n_features_ + 1;
    const char* from = reinterpret_cast<const char*>(x);
    for (std::int32_t j = 0; j < n_features_; ++j) {
      Given given;
      std::memcpy(&given, from + j * stride, sizeof(given));
      Value value;
      if constexpr (sizeof(Value) == sizeof(float)) {
        value = static_cast<float>(given);
      } else {
        value = wide_[static_cast<std::size_t>(j)] != 0 ? static_cast<double>(given)
                                                        : static_cast<double>(static_cast<float>(given));
      }
      row[j] = value;
      missing |= value != value;
      missing_left[j] = value != value ? kLowest : value;
    }
    row[n_features_] = kLowest;
    std::copy(base_score_.begin(), base_score_.end(), out);
    walk(nodes.data(), row, missing, out);
    apply_link(link_, out, n_outputs());
  };
  if (n_features_ <= kStackFeatures) {
    Value row[2 * kStackFeatures + 1];
    read(row);
  } else {
    thread_local std::vector<Value> row;
    row.resize(std::max(row.size(), 2 * static_cast<std::size_t>(n_features_) + 1));
    read(row.data());
  }
}

void RowPredictor::predict(const float* x, std::int64_t stride, float* out) const {
  read_and_run(narrow_, x, stride, out);
}

void RowPredictor::predict(const double* x, std::int64_t stride, float* out) const {
  if (wide_.empty()) {
    read_and_run(narrow_, x, stride, out);
  } else {
    read_and_run(exact_, x, stride, out);
  }
}

}  // namespace pygbt
