// SPDX-License-Identifier: Apache-2.0
// What every node of a tree would lose if it answered the held-out rows that reach it. Rows are walked in parallel and
// added in their own order, so the sums are the same bits on any number of threads.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "decision/decision_tree.h"
#include "decision/response.h"
#include "decision/walk.h"

namespace pygbt {

// Loss of one row: classes by a table, targets by a formula.
enum class Deviation : std::uint8_t {
  kSquared,   // sum over targets of (y - value)^2
  kAbsolute,  // ... |y - value|
  kPoisson,   // 2 (y ln(y / (rate t)) - (y - rate t)); t is a second column of the response, or 1
};

struct HeldOutLoss {
  std::span<const double> class_cost;  // [class][label] of calling a class a label; empty: 1 where they differ
  Deviation deviation = Deviation::kSquared;
};

struct HeldOut {
  std::vector<double> weight;         // [node] of the rows that reach it; parts of shared rows count as parts
  std::vector<double> loss;           // [node] weight x loss of these rows, the node answering
  std::vector<double> squared;        // [node] weight x loss^2
  std::vector<double> stays;          // [node] the same, of those rows that no question of the node decides
  std::vector<double> stays_squared;  // [node]
  bool shared = false;                // some row went down several branches: sums of parts are rounded

  explicit HeldOut(std::size_t n_nodes);
};

// Rows of weight 0 are left out. Throws InvalidArgument where the response does not fit the tree.
HeldOut held_out(const DecisionTree& tree, const WalkRows& rows, const Response& response, const HeldOutLoss& loss);

}  // namespace pygbt
