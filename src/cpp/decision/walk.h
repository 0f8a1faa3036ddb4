// SPDX-License-Identifier: Apache-2.0
// Rows down a DecisionTree: each node asks its question, then its surrogates in order, then falls back. Every row is
// walked alone, so the answers are the same on any number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/column.h"
#include "decision/decision_tree.h"

namespace pygbt {

// Raw values: columns[f] as given; wide[f]: not rounded to float32 first.
struct WalkRows {
  std::int64_t n_rows = 0;
  std::span<const ColumnView> columns;  // [feature]
  std::span<const std::uint8_t> wide;   // [feature]
  int n_threads = 0;
};

// Child ordinal that question q gives the value x (categories: their code), or -1 where it is missing or not known.
std::int32_t answer(const Questions& questions, std::size_t q, double x);

// out [row][n_values]: shares of the classes, which sum to 1, or means of the targets. Shared rows are weighted means.
void walk_values(const DecisionTree& tree, const WalkRows& rows, std::span<double> out);

// out [row]: the node that answers for the row. A shared row has the leaf of its largest part, the first of equal ones.
void walk_leaves(const DecisionTree& tree, const WalkRows& rows, std::span<std::int32_t> out);

// out [row]: predicted class: the label of the answering node; of a shared row the class of the largest share.
void walk_labels(const DecisionTree& tree, const WalkRows& rows, std::span<std::int32_t> out);

// What many trees say, added up in their order. out [row][width], to which is added:
// by votes: vote[t] at the label of tree t, a classifier of `width` classes.
void walk_votes(std::span<const DecisionTree* const> trees, std::span<const double> vote, const WalkRows& rows,
                std::int32_t width, std::span<double> out);
// by values: factor[t] x the values of tree t (shares or means), which begin at column column[t].
void walk_sums(std::span<const DecisionTree* const> trees, std::span<const double> factor,
               std::span<const std::int32_t> column, const WalkRows& rows, std::int32_t width, std::span<double> out);

// Parts of the rows: the nodes that answer row i are node[begin[i] .. begin[i + 1]), with shares that sum to 1.
struct RowParts {
  std::vector<std::int64_t> begin;  // [row + 1]
  std::vector<NodeId> node;
  std::vector<double> share;
};

// Of the rows with weight; weight [row], empty: all of them.
RowParts walk_parts(const DecisionTree& tree, const WalkRows& rows, std::span<const std::uint32_t> weight);

}  // namespace pygbt
