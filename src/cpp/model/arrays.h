// SPDX-License-Identifier: Apache-2.0
// A model as a dozen flat arrays: what a file holds. Written by to_arrays; from_arrays proves them sound.
#pragma once

#include <cstdint>
#include <vector>

#include "model/model.h"

namespace pygbt {

// Trees back to back in order, nodes back to back in each tree. Lengths in brackets.
struct ModelArrays {
  bool wide = false;  // thresholds and edges need float64 in the file

  std::vector<std::int32_t> tree_nodes;      // [trees] nodes of each tree
  std::vector<std::int32_t> tree_width;      // [trees]
  std::vector<std::int32_t> tree_target;     // [trees]
  std::vector<std::int32_t> left;            // [nodes] first child within the tree; < 0: leaf ~left
  std::vector<std::int32_t> feature;         // [nodes] -1 at leaves
  std::vector<double> threshold;             // [nodes] 0 at leaves and categorical splits
  std::vector<std::uint8_t> default_left;    // [nodes]
  std::vector<std::int32_t> cat_words;       // [nodes] words of a categorical split, or empty: no such split
  std::vector<float> gain;                   // [nodes]
  std::vector<double> cover;                 // [nodes]
  std::vector<std::int64_t> count;           // [nodes]
  std::vector<std::uint32_t> cat_bits;       // words of the categorical splits, back to back
  std::vector<float> leaf_value;             // [leaves][width], trees back to back
  std::vector<float> base_score;             // [outputs]
  std::vector<std::int32_t> cuts_n_bins;     // [features]
  std::vector<std::uint8_t> cuts_flags;      // [features] 1 = categorical, 2 = wide
  std::vector<std::int32_t> cuts_n_edges;    // [features]
  std::vector<double> cuts_edges;            // features back to back

  std::int32_t trees_per_iteration = 1;
  LossSpec loss;
};

// Calls visit(name, vector, shrinks) for every array; `shrinks`: float32 in the file unless `wide`.
template <class Arrays, class Visit>  // ModelArrays or const ModelArrays
void for_each_array(Arrays& arrays, Visit&& visit) {
  visit("tree_nodes", arrays.tree_nodes, false);
  visit("tree_width", arrays.tree_width, false);
  visit("tree_target", arrays.tree_target, false);
  visit("left", arrays.left, false);
  visit("feature", arrays.feature, false);
  visit("threshold", arrays.threshold, true);
  visit("default_left", arrays.default_left, false);
  visit("cat_words", arrays.cat_words, false);
  visit("gain", arrays.gain, false);
  visit("cover", arrays.cover, false);
  visit("count", arrays.count, false);
  visit("cat_bits", arrays.cat_bits, false);
  visit("leaf_value", arrays.leaf_value, false);
  visit("base_score", arrays.base_score, false);
  visit("cuts_n_bins", arrays.cuts_n_bins, false);
  visit("cuts_flags", arrays.cuts_flags, false);
  visit("cuts_n_edges", arrays.cuts_n_edges, false);
  visit("cuts_edges", arrays.cuts_edges, true);
}

ModelArrays to_arrays(const Model& model);

// Throws CorruptModel unless the arrays are a sound model.
Model from_arrays(const ModelArrays& arrays);

}  // namespace pygbt
