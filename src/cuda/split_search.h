// SPDX-License-Identifier: Apache-2.0
// What the kernels of the search for cuts share. The cuts of a feature are numbered by steps; a step's left sums are a
// running sum over bins in their order (numeric), over categories in the order of their gradients, or one category's own
// (one against the rest). So a search has four parts: the order of categories, the running sums, the worth of every
// step, the best of every set of nodes as each of its nodes sees it. Where every node is a set the last three are one
// launch.
//
// A set of nodes has one cut: a node, or all nodes of a symmetric level.
#pragma once

#include <cstdint>

#include "base/types.h"
#include "block.h"
#include "device.h"
#include "math/cut_search.h"
#include "math/layout.h"
#include "table.h"
#include "tree/split.h"
#include "tree_work.h"

namespace pygbt::device {

struct Query {
  HistogramPlace of_node;
  HistogramPlace sibling;  // if there is one of_node still is the parent's: the search takes it away first
  std::int64_t count = 0;
  std::int32_t set = 0;
  bool bounded = false;
};

struct NodeSet {
  std::int32_t first = 0;  // query; those of a set are side by side
  std::int32_t n = 0;
  std::int32_t list = 0;  // of features it may be cut on
};

struct FeatureList {
  const FeatureId* features = nullptr;  // ascending
  std::int32_t n = 0;
};

// A bin of a categorical feature in a set of nodes.
enum Category : std::uint8_t { kAbsent = 0, kRare = 1, kJudged = 2 };

struct Rules {
  LeafRule leaf;
  double min_child_weight = 0.0;
  std::int64_t min_child_samples = 1;
  double min_split_gain = 0.0;
  std::int32_t max_cat_to_onehot = 4;
  std::int32_t max_cat_threshold = 64;
  double cat_smooth = 0.0;
  double cat_l2 = 0.0;
};

struct Candidate {
  double gain = 0.0;
  FeatureId feature = -1;
  std::int32_t step = 0;
  Bin bin = 0;
  bool missing_left = false;
  bool missing = false;  // some node of the set has missing rows there

  PYGBT_KERNEL bool before(const Candidate& other) const {
    if ((feature >= 0) != (other.feature >= 0)) return feature >= 0;
    return better(gain, feature, bin, missing_left, other.gain, other.feature, other.bin, other.missing_left);
  }
};

// Everything a search reads and writes, on the device. Launches have blocks for as many sets, queries and features as
// there may be; how many there are is known on the device only.
struct Search {
  const Query* queries;  // [*n_queries]
  const NodeSet* sets;  // [*n_sets]
  const std::int32_t* n_queries;
  const std::int32_t* n_sets;
  const FeatureList* lists;
  const std::uint8_t* allowed;  // [set][feature] of its list, or nullptr = all (node_columns.h)
  bool one_row_allowed;  // which all sets have
  const Feature* features;  // [feature]
  const std::int8_t* monotone;  // [feature] or nullptr
  const std::uint32_t* used;  // [feature] others must gain feature_penalty on top; nullptr: none must
  double feature_penalty;
  const Cell* sums;  // [query][width]
  const double* lower;  // [query][width]
  const double* upper;
  const double* g_units;  // [width]
  const double* h_units;
  const double* min_category_hessian;  // [1]
  Rules rules;
  std::int64_t n_bins;  // of all features
  std::int32_t n_lists;
  std::int32_t most_features;  // of a list
  std::int32_t width;
  bool shared;

  Cell* running;  // [query][bin of step - 1][width] left sums of each step, without the missing rows
  std::int64_t* running_counts;  // [query][bin of step - 1], or nullptr
  std::uint16_t* order;  // [set][bin] categories in the order of their cuts
  std::uint8_t* category;  // [set][bin] Category
  std::int32_t* n_order;  // [set][feature]
  std::int32_t n_features;
  Candidate* judged;  // [set][most_features] the best cut of each feature of the list
  std::uint32_t* arrivals;  // [most queries + 1], zero

  PYGBT_KERNEL Arrivals features_of(std::int32_t query) const { return {arrivals + 1 + query}; }
  PYGBT_KERNEL Arrivals all_queries() const { return {arrivals}; }

  // Number i of the features of a set, -1 = none.
  PYGBT_KERNEL FeatureId feature_of(std::int32_t set, std::int32_t i) const {
    if (i >= most_features) return -1;
    if (most_features == n_features && n_lists == 1) return i;
    const FeatureList& list = lists[sets[set].list];
    return i < list.n ? list.features[i] : -1;
  }

  PYGBT_KERNEL bool allows(std::int32_t set, FeatureId f) const {
    return allowed == nullptr || allowed[row_major(one_row_allowed ? 0 : set, f, n_features)] != 0;
  }

  PYGBT_KERNEL std::int64_t bin_of(std::int64_t item, const Feature& feature) const {
    return item * n_bins + feature.offset;
  }
  PYGBT_KERNEL bool one_hot(const Feature& feature) const {
    return feature.categorical && feature.n_bins - 1 <= rules.max_cat_to_onehot;
  }
  PYGBT_KERNEL bool ordered(const Feature& feature) const { return feature.categorical && !one_hot(feature); }
  PYGBT_KERNEL std::int32_t n_steps(std::int32_t set, FeatureId f) const {
    return features[f].categorical ? n_order[set * n_features + f] : features[f].n_bins - 1;
  }
  PYGBT_KERNEL const Cell* cell(const Query& query, const Feature& feature, std::int64_t bin) const {
    return query.of_node.cells + (feature.offset + bin) * width;
  }
  PYGBT_KERNEL std::int64_t count(const Query& query, const Feature& feature, std::int64_t bin) const {
    return query.of_node.counts == nullptr ? 0 : query.of_node.counts[feature.offset + bin];
  }
  PYGBT_KERNEL bool occurs(const Query& query, const Feature& feature, std::int64_t bin) const {
    return !is_zero(cell(query, feature, bin), width) || count(query, feature, bin) != 0;
  }

  PYGBT_KERNEL CutContext context(std::int32_t query, FeatureId f) const {
    CutContext node;
    node.sums = sums + std::int64_t{query} * width;
    node.g_units = g_units;
    node.h_units = h_units;
    node.width = width;
    node.count = queries[query].count;
    node.rule = rules.leaf;
    if (ordered(features[f])) node.rule.lambda += rules.cat_l2;
    node.lower = queries[query].bounded ? lower + std::int64_t{query} * width : nullptr;
    node.upper = queries[query].bounded ? upper + std::int64_t{query} * width : nullptr;
    node.min_child_weight = rules.min_child_weight;
    node.min_child_samples = rules.min_child_samples;
    node.monotone = monotone == nullptr ? 0 : monotone[f];
    node.shared = shared;
    return node;
  }

  // Sums [width] of the left child of a cut.
  struct Left {
    const Cell* without_missing;
    const Cell* missing;  // nullptr = they go right
    PYGBT_KERNEL Cell operator[](int k) const {
      return missing == nullptr ? without_missing[k] : without_missing[k] + missing[k];
    }
  };
  PYGBT_KERNEL Left left(std::int32_t query, FeatureId f, std::int32_t step, bool missing_left) const {
    return {running + (bin_of(query, features[f]) + step - 1) * width,
            missing_left ? cell(queries[query], features[f], kMissingBin) : nullptr};
  }
  PYGBT_KERNEL std::int64_t left_count(std::int32_t query, FeatureId f, std::int32_t step, bool missing_left) const {
    if (running_counts == nullptr) return 0;
    return running_counts[bin_of(query, features[f]) + step - 1] +
           (missing_left ? count(queries[query], features[f], kMissingBin) : 0);
  }
};

// Cuts that were found, by place: the query's number, or what `places` says.
struct Found {
  const NodeId* places = nullptr;  // [query] or nullptr
  Candidate* cuts = nullptr;  // no feature = no cut; the gain is the node's own
  Cell* left = nullptr;  // [place][width] sums of the left child
  std::uint32_t* left_bins = nullptr;  // [place][n_words] bins that go left, categorical cuts
  std::int32_t n_words = 0;
};

}  // namespace pygbt::device
