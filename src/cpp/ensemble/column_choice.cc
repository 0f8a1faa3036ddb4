// SPDX-License-Identifier: Apache-2.0
#include "ensemble/column_choice.h"

#include "base/error.h"

namespace pygbt {

CodedTable select_columns(const CodedTable& table, std::span<const FeatureId> features) {
  require(!features.empty(), "a table needs at least one column");
  CodedTable out;
  out.n_rows = table.n_rows;
  out.exact = table.exact;
  out.binned = table.binned;
  out.values = table.values;
  for (const FeatureId feature : features) {
    require(feature >= 0 && feature < table.n_features(), "features: a number is out of range");
    CodedColumn& column = out.columns.emplace_back(table.columns[static_cast<std::size_t>(feature)]);
    if (!column.owned.empty()) column.data = column.owned.data();
  }
  // The vector may have moved its columns; a moved buffer stays where it is.
  return out;
}

DecisionTree renumber_features(const DecisionTree& tree, std::span<const FeatureId> features) {
  DecisionTree out = tree;
  for (std::int32_t& feature : out.questions.feature) {
    require(feature >= 0 && static_cast<std::size_t>(feature) < features.size(), "features: one for each of the tree");
    feature = features[static_cast<std::size_t>(feature)];
  }
  return out;
}

}  // namespace pygbt
