// SPDX-License-Identifier: Apache-2.0
// A binary tree while it grows: nodes in any order, questions over codes. What it becomes: a DecisionTree, with all that
// a reader wants, or a Tree of a Model, for the predictors of forests.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "cart/cart_options.h"
#include "cart/split_candidate.h"
#include "decision/coded_table.h"
#include "decision/decision_tree.h"
#include "decision/response.h"
#include "tree/tree.h"

namespace pygbt {

struct CartQuestion {
  SplitCandidate split;
  double agreement = 0.0, adjusted = 0.0;  // of surrogates
};

struct CartNode {
  std::int32_t child = -1;  // first of two in CartTree::nodes; -1: a leaf
  std::int32_t fallback = kStays;
  std::int32_t n_surrogates = 0;
  std::int32_t question = 0, n_questions = 0;  // in CartTree::questions: the one asked, surrogates, competitors
  std::int64_t count = 0;
  double weight = 0.0;  // real units
  std::int32_t label = -1;
  double risk = 0.0, impurity = 0.0;
};

struct CartTree {
  std::int32_t n_values = 1;
  std::vector<CartNode> nodes;  // 0 is the root
  std::vector<double> values;  // [node][n_values]
  std::vector<CartQuestion> questions;  // a node's in a row

  // No nodes; their memory stays.
  void clear() {
    nodes.clear();
    values.clear();
    questions.clear();
  }
  void reserve(std::size_t n_nodes, std::size_t n_questions) {
    nodes.reserve(n_nodes);
    values.reserve(n_nodes * static_cast<std::size_t>(n_values));
    questions.reserve(n_questions);
  }
  // A new leaf; returns its place.
  std::int32_t add() {
    nodes.emplace_back();
    values.resize(values.size() + static_cast<std::size_t>(n_values), 0.0);
    return static_cast<std::int32_t>(nodes.size()) - 1;
  }
  CartNode& node(std::int32_t node) { return nodes[static_cast<std::size_t>(node)]; }
  // The next question of the node, whose questions are the last ones.
  void ask(CartNode& node, CartQuestion&& question) {
    if (node.n_questions++ == 0) node.question = static_cast<std::int32_t>(questions.size());
    questions.push_back(std::move(question));
  }
  std::span<const CartQuestion> questions_of(const CartNode& node) const {
    return std::span(questions).subspan(static_cast<std::size_t>(node.question),
                                        static_cast<std::size_t>(node.n_questions));
  }
  double* value(std::int32_t node) {
    return &values[static_cast<std::size_t>(node) * static_cast<std::size_t>(n_values)];
  }
  const double* value(std::int32_t node) const {
    return &values[static_cast<std::size_t>(node) * static_cast<std::size_t>(n_values)];
  }
};

// Puts `part`, grown from the node `at` of `tree` as its root, in the place of that leaf.
void graft(CartTree& tree, std::int32_t at, CartTree&& part);

// Splits whose complexity is at most `alpha` are undone: the smallest tree that is best for R + alpha x leaves (section
// 3 of Breiman et al. 1984). Risks of the nodes must be set.
void undo_weak_splits(CartTree& tree, double alpha);

DecisionTree to_decision_tree(const CartTree& tree, const CodedTable& table, const Response& response,
                              const CartOptions& options);

// Leaf values as float32 [leaf][n_values]: shares of the classes (by class_factor), or means of the targets. Trees
// without surrogates, in which no row stays. labels, if given: [leaf] predicted class.
Tree to_model_tree(const CartTree& tree, const CodedTable& table, const Response& response, const CartOptions& options,
                   std::vector<std::int32_t>* labels = nullptr);

}  // namespace pygbt
