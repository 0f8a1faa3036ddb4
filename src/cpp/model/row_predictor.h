// SPDX-License-Identifier: Apache-2.0
// Single rows with the least delay: the trees of some iterations in one array of small nodes, eight trees walked at a
// time. Immutable, safe from many threads; a call allocates nothing and starts no thread.
#pragma once

#include <cstdint>
#include <vector>

#include "backend/predict_kernels.h"
#include "model/model.h"
#include "model/predict.h"

namespace pygbt {

// `column`: a row is read twice, [n_features] with missing values as NaN, which goes right, then -inf, then the same
// with missing values as -inf, which goes left. One compare, !(x <= threshold), routes all. A leaf tests the column of
// -inf and so stays where it is (step 0); its value lies in `threshold`, or for vector leaves in RowPredictor's table,
// from there on.
struct NarrowRowNode {  // thresholds rounded down to float32: exact for float32 values
  using Value = float;
  float threshold;
  std::uint16_t step;   // from here to the left child
  std::uint16_t column;
};

struct WideRowNode {
  using Value = double;
  double threshold;
  std::uint32_t step;
  std::uint32_t column;
};

class RowPredictor {
 public:
  // Whether the model fits: numeric features, fewer than 2^15 of them, trees of fewer than 2^16 nodes.
  static bool fits(const Model& model);

  RowPredictor(const Model& model, std::int32_t begin, std::int32_t end, Output output);

  std::int32_t n_features() const { return n_features_; }
  std::int32_t n_outputs() const { return static_cast<std::int32_t>(base_score_.size()); }

  // out [n_outputs] of one row; value j of the row lies at x + j * stride (bytes).
  void predict(const float* x, std::int64_t stride, float* out) const;
  void predict(const double* x, std::int64_t stride, float* out) const;

 private:
  static constexpr std::int32_t kStackFeatures = 1024;

  template <class Node>
  void pack(const Model& model, std::size_t first, std::size_t end, std::vector<Node>& nodes);
  void pack_tops();
  template <class Node>
  void walk(const Node* nodes, const typename Node::Value* x, bool missing, float* out) const;
  template <class Node, class Given>
  void read_and_run(const std::vector<Node>& nodes, const Given* x, std::int64_t stride, float* out) const;

  std::int32_t n_features_ = 0;
  std::vector<float> base_score_;
  Link link_ = Link::kIdentity;
  bool vector_leaves_ = false;
  std::vector<std::uint8_t> wide_;      // [feature], empty = no tested feature is wide
  std::vector<std::uint32_t> root_;     // [tree] first node
  std::vector<std::int32_t> target_;    // [tree]
  std::vector<std::int32_t> width_;     // [tree]
  std::vector<std::int32_t> depth_;     // [group of 8 trees]
  std::vector<float> leaf_vectors_;
  std::vector<NarrowRowNode> narrow_;
  std::vector<RowTop> tops_;            // [tree], or empty: no kernel for them, or too many columns
  std::vector<std::int32_t> top_columns_;  // features that the tops test
  std::vector<std::uint32_t> top_exit_;    // [tree][16] in narrow_
  std::vector<WideRowNode> exact_;      // only where a tested feature is wide
};

}  // namespace pygbt
