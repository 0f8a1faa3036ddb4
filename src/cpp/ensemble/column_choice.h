// SPDX-License-Identifier: Apache-2.0
// Trees that see some columns of a table only: the columns as a table, and the tree's questions about the whole one.
#pragma once

#include <span>

#include "base/types.h"
#include "decision/coded_table.h"
#include "decision/decision_tree.h"

namespace pygbt {

// Column i is features[i] of the table. Codes are copied; of a table over bins they are shared.
CodedTable select_columns(const CodedTable& table, std::span<const FeatureId> features);

// The tree with feature f called features[f].
DecisionTree renumber_features(const DecisionTree& tree, std::span<const FeatureId> features);

}  // namespace pygbt
