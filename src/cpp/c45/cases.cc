// SPDX-License-Identifier: Apache-2.0
#include "c45/cases.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <string>

#include "base/error.h"
#include "base/pool.h"

namespace pygbt {
namespace {

constexpr int kExactBits = 53;
constexpr double kManyValues = 0.3;  // of the cases: such attributes do not take part in the average gain
constexpr std::int32_t kMostGroups = 500;

// Which codes the rows that count have: of nominal columns always, of numeric ones where some rows do not count.
void find_occurring(const Response& response, C45Problem& problem) {
  const bool all_count = std::all_of(response.weight.begin(), response.weight.end(), [](auto w) { return w > 0; });
  const CodedTable& table = problem.table;
  problem.occurs.resize(table.columns.size());
  problem.n_categories.assign(table.columns.size(), 0);
  parallel_for(resolve_threads(problem.settings.n_threads), table.n_features(), [&](std::int64_t task, int) {
    const auto f = static_cast<std::size_t>(task);
    const CodedColumn& column = table.columns[f];
    if (all_count && !column.nominal) return;
    auto& occurs = problem.occurs[f];
    occurs.assign(static_cast<std::size_t>(column.n_codes), 0);
    visit_codes(column, [&](const auto* codes) {
      for (std::size_t i = 0; i < static_cast<std::size_t>(table.n_rows); ++i)
        if (response.weight.empty() || response.weight[i] > 0) occurs[codes[i]] = 1;
    });
    if (column.nominal)
      problem.n_categories[f] = static_cast<std::int32_t>(std::count(occurs.begin() + 1, occurs.end(), 1));
  });
}

}  // namespace

bool C45Problem::has_many_values(FeatureId feature) const {
  const auto f = static_cast<std::size_t>(feature);
  return table.columns[f].nominal && static_cast<double>(n_categories[f]) >= kManyValues * total;
}

C45Problem make_problem(const CodedTable& table, const Response& response, const C45Settings& settings,
                        std::vector<Case>& cases) {
  require(response.n_classes >= 1, "y must be classes");
  require(response.n_rows == table.n_rows, "X and y must have the same number of rows");
  for (std::size_t f = 0; f < table.columns.size(); ++f) {
    const CodedColumn& column = table.columns[f];
    require(column.nominal || settings.criterion == Criterion::gain_ratio,
            "X, column " + std::to_string(f) + " is numeric; ID3 needs nominal columns");
  }
  const int shift = kExactBits - static_cast<int>(std::bit_width(response.total_weight));
  C45Problem problem{table,
                     static_cast<std::size_t>(response.n_classes),
                     std::ldexp(response.weight_unit, -shift),
                     static_cast<double>(response.total_weight) * response.weight_unit,
                     settings,
                     1.0,
                     false,
                     {},
                     {}};
  find_occurring(response, problem);
  for (std::size_t f = 0; f < table.columns.size(); ++f)
    require(settings.nominal != NominalTest::grouped || problem.n_categories[f] <= kMostGroups,
            "X, column " + std::to_string(f) + " has " + std::to_string(problem.n_categories[f]) +
                " categories; nominal=\"grouped\" merges at most " + std::to_string(kMostGroups) +
                ": group rare ones beforehand or use nominal=\"multiway\"");
  problem.all_have_many_values = true;
  for (FeatureId f = 0; f < table.n_features(); ++f)
    problem.all_have_many_values = problem.all_have_many_values && problem.has_many_values(f);
  cases.clear();
  cases.reserve(static_cast<std::size_t>(response.n_rows));
  for (std::size_t i = 0; i < response.label.size(); ++i) {
    const std::uint32_t weight = response.weight.empty() ? 1 : response.weight[i];
    if (weight > 0) cases.push_back({static_cast<RowId>(i), response.label[i], std::int64_t{weight} << shift});
  }
  std::vector<std::int64_t> counts(problem.n_classes);
  count_classes(cases, counts);
  problem.n_classes_seen =
      static_cast<double>(std::count_if(counts.begin(), counts.end(), [](auto n) { return n > 0; }));
  return problem;
}

std::int64_t count_classes(std::span<const Case> cases, std::span<std::int64_t> counts) {
  std::fill(counts.begin(), counts.end(), 0);
  std::int64_t total = 0;
  for (const Case& one : cases) {
    counts[static_cast<std::size_t>(one.label)] += one.part;
    total += one.part;
  }
  return total;
}

}  // namespace pygbt
