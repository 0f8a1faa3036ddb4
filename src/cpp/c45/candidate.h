// SPDX-License-Identifier: Apache-2.0
// The best test of each attribute at a node, and the choice among them (Quinlan 1993, chapters 2 and 3; release 8).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "c45/cases.h"
#include "c45/test.h"
#include "data/key_sort.h"

namespace pygbt {

struct Candidate {
  bool usable = false;      // at least two branches of min_obj cases; numeric: a cut whose gain is left positive
  bool eligible = false;    // may be chosen
  double gain = 0.0;        // bits, after the penalty
  double split_info = 0.0;  // bits; unknown cases are a branch of it
  double ratio = 0.0;       // gain / split_info
  double penalty = 0.0;     // bits
  std::int64_t n_cuts = 0;  // numeric: cuts tried
  Code low = 0, high = 0;   // numeric: neighbours in the node around the cut
  Code category = 0;        // one_vs_rest: code of the one
  std::vector<std::int32_t> group_of;  // grouped: [category] group, -1: none of its cases is here
};

struct Choice {
  FeatureId feature = -1;  // -1: none is eligible
  double average_gain = 0.0;
  std::vector<Candidate> candidates;  // [feature]
};

// Class counts of a node by code; memory of a thread.
struct CodeCounts {
  std::vector<std::int64_t> cells;    // [i][class]
  std::vector<Code> codes;            // [i] known codes of the node, ascending
  std::vector<std::int64_t> known;    // [class] cases with a value
  std::vector<WeightedKey<std::uint32_t>> keys, spare;
  std::vector<std::int64_t> low;      // [class]
  std::vector<double> terms;          // [class]
  std::vector<std::uint32_t> touched;
  std::vector<std::uint8_t> is_touched;  // [class]
};

struct NodeCases {
  std::span<const Case> cases;
  std::span<const std::int64_t> counts;  // [class]
  double total = 0.0;                    // weight
};

Candidate numeric_candidate(const C45Problem& problem, FeatureId feature, const NodeCases& node, CodeCounts& scratch);
Candidate nominal_candidate(const C45Problem& problem, FeatureId feature, const NodeCases& node, CodeCounts& scratch);

// Evaluates every attribute, on as many threads as there are `scratch`es.
Choice choose_test(const C45Problem& problem, const NodeCases& node, std::span<CodeCounts> scratch);

NodeTest make_test(const C45Problem& problem, FeatureId feature, const Candidate& candidate);

// Fills cells and codes (known is set): by adding to all codes where they are few against the cases, else by sorting.
void count_codes(const C45Problem& problem, FeatureId feature, const NodeCases& node, CodeCounts& scratch);

// Sorts the known cases by code: keys {code, place in the node}; returns how many there are. known is set.
std::size_t sort_codes(const C45Problem& problem, FeatureId feature, const NodeCases& node, CodeCounts& scratch,
                       const WeightedKey<std::uint32_t>*& sorted);

// Whether adding to all codes pays.
bool codes_are_few(const C45Problem& problem, FeatureId feature, std::size_t n_cases);

}  // namespace pygbt
