// SPDX-License-Identifier: Apache-2.0
// One decision tree as a structure of arrays: what prediction, files and inspection read.
// Node 0 is the root; children are adjacent (right = left + 1) and follow their parent, so there are no cycles.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.h"

namespace pygbt {

struct Tree {
  std::int32_t width = 1;    // outputs of a leaf: 1, or K for a vector-leaf tree
  std::int32_t target = 0;   // first output the tree adds to (class or target index; 0 for vector leaves)

  // Per node. A leaf has left < 0 and its leaf index is ~left (0 .. n_leaves - 1 in node order).
  std::vector<std::int32_t> left;
  std::vector<std::int32_t> feature;        // -1 at leaves
  std::vector<double> threshold;            // numeric split: x <= threshold goes left (0 elsewhere)
  std::vector<std::uint8_t> default_left;   // side of missing values
  std::vector<std::int32_t>
      cat_begin;  // categorical split: first word in cat_bits; -1 = numeric or leaf; empty: no such
  std::vector<std::int32_t> cat_words;  // number of words; categories beyond them are missing; empty as well
  std::vector<float> gain;                  // loss reduction of the split (0 at leaves)
  std::vector<double> cover;                // sum of hessians
  std::vector<std::int64_t> count;          // rows that reached the node in training (sampled rows only)

  std::vector<std::uint32_t> cat_bits;      // bit c of a node's words set: category code c goes left
  std::vector<float> leaf_value;            // [n_leaves][width], learning rate included

  std::int32_t n_nodes() const { return static_cast<std::int32_t>(left.size()); }
  std::int32_t n_leaves() const { return (n_nodes() + 1) / 2; }
  bool is_leaf(NodeId node) const { return left[static_cast<std::size_t>(node)] < 0; }
  bool is_set(std::size_t node) const { return !cat_begin.empty() && cat_begin[node] >= 0; }
  // Makes the split a categorical one; its words, all 0.
  std::uint32_t* add_set(std::size_t node, std::size_t n_words) {
    if (cat_begin.empty()) {
      cat_begin.assign(left.size(), -1);
      cat_words.assign(left.size(), 0);
    }
    cat_begin[node] = static_cast<std::int32_t>(cat_bits.size());
    cat_words[node] = static_cast<std::int32_t>(n_words);
    cat_bits.resize(cat_bits.size() + n_words, 0u);
    return cat_bits.data() + (cat_bits.size() - n_words);
  }
};

}  // namespace pygbt
