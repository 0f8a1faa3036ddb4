// SPDX-License-Identifier: Apache-2.0
// Rules on a table of codes: which cases they cover, and which of their conditions they need (Quinlan 1993, chapter 5).
// Sets of cases are bits, one a case.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/progress.h"
#include "base/types.h"
#include "decision/coded_table.h"
#include "math/added_errors.h"

namespace pygbt {

// A condition on one column: codes first .. last or, nominal, those that are known.
struct RuleCondition {
  FeatureId feature = 0;
  Code first = 0, last = 0;
  std::vector<std::uint8_t> known;  // [code]; greater codes are not. Empty: numeric
};
using RuleConditions = std::vector<RuleCondition>;  // all must hold

// Classes and weights of the cases, [row].
struct RuleCases {
  const CodedTable& table;
  std::span<const std::int32_t> target;
  std::span<const double> weight;  // empty: 1 each
};

struct NeededConditions {
  std::vector<std::int32_t> kept;  // places among the rule's conditions
  double cases = 0.0, errors = 0.0;  // that it covers without the others
};

// Of each rule, the conditions that are left when the one whose loss gives the smallest pessimistic error rate is dropped,
// the first of equal ones, as long as the rate does not rise. label [rule] its class. progress: rules.
std::vector<NeededConditions> needed_conditions(const RuleCases& cases, std::span<const RuleConditions> rules,
                                                std::span<const std::int32_t> label, const AddedErrors& added,
                                                int n_threads, Progress& progress);

// Rows that each rule covers, ascending.
std::vector<std::vector<std::int32_t>> covered_cases(const CodedTable& table, std::span<const RuleConditions> rules,
                                                     int n_threads, Progress& progress);

// [row] the first rule that covers it, -1: none.
std::vector<std::int64_t> first_rules(const CodedTable& table, std::span<const RuleConditions> rules, int n_threads);

}  // namespace pygbt
