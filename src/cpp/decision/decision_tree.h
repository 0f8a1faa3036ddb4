// SPDX-License-Identifier: Apache-2.0
// A classical decision tree, as grown, pruned, read and walked: any number of branches, several questions a node
// (surrogates for missing values, competitors for the reader), the statistics of every node. Structure of arrays.
// Node 0 is the root; children are adjacent and follow their parent, so there are no cycles.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"

namespace pygbt {

// Where a row goes that no question of a node decides: a child's ordinal, or one of these.
inline constexpr std::int32_t kStays = -1;   // nowhere: the node itself answers
inline constexpr std::int32_t kShared = -2;  // down every branch, in parts of the children's weights (C4.5)

// Questions of all nodes, back to back.
struct Questions {
  std::vector<std::int32_t> feature;
  std::vector<double> threshold;        // numeric: x <= threshold is low; NaN for nominal ones
  std::vector<double> lower, upper;     // numeric: the training values around the cut; NaN for nominal ones
  std::vector<std::uint8_t> low_child;  // numeric: the child of low values, 0 or 1; high ones go to the other
  std::vector<std::int32_t> branch_begin, n_branches;  // nominal: its part of `branches`; numeric: -1, 0
  std::vector<std::int32_t> branches;   // nominal: [category] child, or -1: not seen here, counts as missing
  std::vector<double> improvement;      // what the criterion of the tree gains; surrogates: 0
  std::vector<double> agreement;  // surrogates: share of the rows sent as the first question sends them; else 0
  std::vector<double> adjusted;  // surrogates: (agreement - majority) / (1 - majority); else 0

  std::size_t size() const { return feature.size(); }
};

struct DecisionTree {
  bool classifier = true;
  std::int32_t n_values = 0;  // classes, or targets of a regression

  // Per node.
  std::vector<std::int32_t> first_child;  // -1 at leaves
  std::vector<std::int32_t> n_children;  // 0 at leaves, else 2 or more
  std::vector<std::int32_t> question_begin;  // [n_nodes + 1] questions of node i: the one it asks, surrogates by
  // agreement, competitors by improvement; none at leaves
  std::vector<std::int32_t> n_surrogates;
  std::vector<std::int32_t> fallback;  // child ordinal, kStays or kShared; kStays at leaves
  std::vector<std::int64_t> count;  // training rows (those with a part in the node, where cases are shared)
  std::vector<double> weight;  // of those rows; parts of cases count as parts
  std::vector<double> value;  // [node][n_values] weight of each class, or mean of each target
  std::vector<std::int32_t> label;  // predicted class; -1 in a regression
  std::vector<double> risk;  // resubstitution risk, summable over leaves: weight (with priors: n times
  // the probability) of what is misclassified, times its loss; or deviance
  std::vector<double> impurity;  // criterion of the node, of one unit of weight

  Questions questions;
  std::vector<double> class_factor;  // [n_values] prior / frequency: shares of classes are value x factor, normalised

  std::int32_t n_nodes() const { return static_cast<std::int32_t>(first_child.size()); }
  bool is_leaf(NodeId node) const { return first_child[static_cast<std::size_t>(node)] < 0; }
  std::int32_t n_leaves() const;
  std::int32_t depth() const;  // edges from the root to the deepest leaf
};

// Appends a leaf without a value: all arrays of nodes grow by one (question_begin by its closing entry). Returns its id.
NodeId add_leaf(DecisionTree& tree);

// Takes memory for so many nodes and questions.
void reserve(DecisionTree& tree, std::size_t n_nodes, std::size_t n_questions);

// The tree with every node marked in `cut` turned into a leaf (it keeps its statistics), nodes in their old order.
DecisionTree cut_below(const DecisionTree& tree, std::span<const std::uint8_t> cut);

// Throws CorruptModel unless every index is in range, every node is reached once and every number finite where it must.
void validate_decision_tree(const DecisionTree& tree, std::int32_t n_features);

// Calls visit(name, vector) for every array.
template <class Tree, class Visit>  // DecisionTree or const DecisionTree
void for_each_tree_array(Tree& tree, Visit&& visit) {
  visit("first_child", tree.first_child);
  visit("n_children", tree.n_children);
  visit("question_begin", tree.question_begin);
  visit("n_surrogates", tree.n_surrogates);
  visit("fallback", tree.fallback);
  visit("count", tree.count);
  visit("weight", tree.weight);
  visit("value", tree.value);
  visit("label", tree.label);
  visit("risk", tree.risk);
  visit("impurity", tree.impurity);
  visit("class_factor", tree.class_factor);
  visit("question_feature", tree.questions.feature);
  visit("question_threshold", tree.questions.threshold);
  visit("question_lower", tree.questions.lower);
  visit("question_upper", tree.questions.upper);
  visit("question_low_child", tree.questions.low_child);
  visit("question_branch_begin", tree.questions.branch_begin);
  visit("question_n_branches", tree.questions.n_branches);
  visit("question_branches", tree.questions.branches);
  visit("question_improvement", tree.questions.improvement);
  visit("question_agreement", tree.questions.agreement);
  visit("question_adjusted", tree.questions.adjusted);
}

}  // namespace pygbt
