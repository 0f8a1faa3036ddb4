// SPDX-License-Identifier: Apache-2.0
// Trees of C4.5 and ID3. The same tree on any number of threads: nodes are judged by integer sums, and every node by one
// thread, or its attributes by several.
#pragma once

#include "base/progress.h"
#include "c45/settings.h"
#include "decision/coded_table.h"
#include "decision/decision_tree.h"
#include "decision/response.h"

namespace pygbt {

// Nodes at this depth are leaves: far beyond useful trees, it bounds the stack.
inline constexpr int kDeepest = 1000;

DecisionTree grow_c45(const CodedTable& table, const Response& response, const C45Settings& settings,
                      Progress& progress);

}  // namespace pygbt
