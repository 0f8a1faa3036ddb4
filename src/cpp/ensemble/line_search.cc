// SPDX-License-Identifier: Apache-2.0
#include "ensemble/line_search.h"

#include <algorithm>

#include "base/error.h"
#include "math/weighted_quantile.h"

namespace pygbt {
namespace {

// Sorts; the total weight.
std::uint64_t sort_values(std::vector<WeightedValue>& values) {
  require(!values.empty(), "a quantile needs a row that counts");
  std::sort(values.begin(), values.end(),
            [](const WeightedValue& a, const WeightedValue& b) { return a.value < b.value; });
  std::uint64_t total = 0;
  for (const WeightedValue& one : values) total += one.weight;
  return total;
}

std::size_t place(const std::vector<WeightedValue>& values, std::uint64_t rank) {
  std::uint64_t before = 0;
  std::size_t i = 0;
  while (i + 1 < values.size() && before + values[i].weight < rank) before += values[i++].weight;
  return i;
}

}  // namespace

double weighted_quantile(std::vector<WeightedValue>& values, double level) {
  const std::uint64_t total = sort_values(values);
  return values[place(values, quantile_rank(quantile_level(level), total))].value;
}

double weighted_median(std::vector<WeightedValue>& values) {
  const std::uint64_t total = sort_values(values);
  const double low = values[place(values, (total + 1) / 2)].value;
  const double high = values[place(values, total / 2 + 1)].value;
  return low + (high - low) * 0.5;
}

double mean_residual(std::span<const SearchCell> cells) {
  ExactSum sum, total;
  for (const SearchCell& cell : cells) {
    sum.add(cell.label - cell.margin, cell.weight);
    total.add(1.0, cell.weight);
  }
  return sum.value() / total.value();
}

}  // namespace pygbt
