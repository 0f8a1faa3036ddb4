// SPDX-License-Identifier: Apache-2.0
// Why a node of a finished tree asks what it asks: every attribute judged on the node's cases.
#pragma once

#include "c45/candidate.h"
#include "c45/settings.h"
#include "decision/coded_table.h"
#include "decision/decision_tree.h"
#include "decision/response.h"

namespace pygbt {

struct SplitReport {
  double weight = 0.0;
  Choice choice;
  std::vector<NodeTest> tests;  // [feature]; feature -1: not usable
};

// The rows are sent down the tree to the node, in parts where a value is missing, as they were in training.
SplitReport report_split(const CodedTable& table, const Response& response, const C45Settings& settings,
                         const DecisionTree& tree, NodeId node);

}  // namespace pygbt
