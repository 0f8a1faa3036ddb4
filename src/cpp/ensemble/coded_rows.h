// SPDX-License-Identifier: Apache-2.0
// Training rows down a grown tree, by their codes: no raw value is read, so it works over bins, too. The answers are
// those of decision/walk.h for the same rows.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decision/coded_table.h"
#include "decision/decision_tree.h"

namespace pygbt {

// out [row]: the node that answers; of a shared row the leaf of its largest part, the first of equal ones.
void coded_leaves(const DecisionTree& tree, const CodedTable& table, int n_threads, std::span<std::int32_t> out);

// out [row]: predicted class; of a shared row the class of the largest share.
void coded_labels(const DecisionTree& tree, const CodedTable& table, int n_threads, std::span<std::int32_t> out);

// out [row][n_values]: shares of the classes or means of the targets; shared rows are weighted means.
void coded_values(const DecisionTree& tree, const CodedTable& table, int n_threads, std::span<double> out);

}  // namespace pygbt
