// SPDX-License-Identifier: Apache-2.0
// Cases: training rows, or parts of them where a value that a test asks for is missing. Parts are integers, so sums are
// exact in any order. Their unit is the weight's unit times 2^-shift with the largest shift that keeps the sum of all
// cases below 2^53: every sum is exact as a float64, too (100,000 rows without weights: a part is 2^-36 of a case).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"
#include "c45/settings.h"
#include "decision/coded_table.h"
#include "decision/response.h"

namespace pygbt {

struct Case {
  RowId row;
  std::int32_t label;
  std::int64_t part;  // > 0
};

// What every node reads.
struct C45Problem {
  const CodedTable& table;
  std::size_t n_classes;
  double unit;  // weight of a part of 1
  double total;  // weight of all cases
  C45Settings settings;
  double n_classes_seen = 1.0;  // classes that occur in a row that counts
  bool all_have_many_values = false;  // every attribute is nominal with at least 0.3 x total values
  std::vector<std::vector<std::uint8_t>> occurs;  // [feature][code] in a row that counts; numeric: empty if all do
  std::vector<std::int32_t> n_categories;  // [feature] nominal: that occur

  double weight(std::int64_t parts) const { return static_cast<double>(parts) * unit; }
  bool has_many_values(FeatureId feature) const;
};

// The problem and the rows that count. The table must outlive it.
C45Problem make_problem(const CodedTable& table, const Response& response, const C45Settings& settings,
                        std::vector<Case>& cases);

// n >= limit, but for what parts of cases lose by rounding.
inline bool at_least(double n, double limit) { return n >= limit - 1e-6; }

// counts [class] = sums of parts. Returns their total.
std::int64_t count_classes(std::span<const Case> cases, std::span<std::int64_t> counts);

}  // namespace pygbt
