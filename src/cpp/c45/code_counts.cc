// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "c45/candidate.h"

namespace pygbt {

bool codes_are_few(const C45Problem& problem, FeatureId feature, std::size_t n_cases) {
  const CodedColumn& column = problem.table.columns[static_cast<std::size_t>(feature)];
  return static_cast<std::size_t>(column.n_codes) * problem.n_classes <= 256 + 8 * n_cases;
}

std::size_t sort_codes(const C45Problem& problem, FeatureId feature, const NodeCases& node, CodeCounts& scratch,
                       const WeightedKey<std::uint32_t>*& sorted) {
  const CodedColumn& column = problem.table.columns[static_cast<std::size_t>(feature)];
  scratch.keys.resize(node.cases.size());
  scratch.spare.resize(node.cases.size());
  scratch.known.assign(node.counts.begin(), node.counts.end());
  std::size_t n = 0;
  visit_codes(column, [&](const auto* codes) {
    for (std::size_t i = 0; i < node.cases.size(); ++i) {
      const Case& one = node.cases[i];
      const Code code = codes[one.row];
      if (code == kMissingCode)
        scratch.known[static_cast<std::size_t>(one.label)] -= one.part;
      else
        scratch.keys[n++] = {code, static_cast<std::uint32_t>(i)};
    }
  });
  sorted = sort_keys(scratch.keys.data(), scratch.spare.data(), n);
  return n;
}

void count_codes(const C45Problem& problem, FeatureId feature, const NodeCases& node, CodeCounts& scratch) {
  const CodedColumn& column = problem.table.columns[static_cast<std::size_t>(feature)];
  const std::size_t width = problem.n_classes;
  auto& cells = scratch.cells;
  scratch.codes.clear();
  if (!codes_are_few(problem, feature, node.cases.size())) {
    const WeightedKey<std::uint32_t>* sorted = nullptr;
    const std::size_t n = sort_codes(problem, feature, node, scratch, sorted);
    cells.clear();
    for (std::size_t i = 0; i < n; ++i) {
      if (i == 0 || sorted[i].key != sorted[i - 1].key) {
        scratch.codes.push_back(sorted[i].key);
        cells.resize(cells.size() + width, 0);
      }
      const Case& one = node.cases[sorted[i].weight];
      cells[cells.size() - width + static_cast<std::size_t>(one.label)] += one.part;
    }
    return;
  }
  cells.assign(static_cast<std::size_t>(column.n_codes) * width, 0);
  visit_codes(column, [&](const auto* codes) {
    for (const Case& one : node.cases)
      cells[static_cast<std::size_t>(codes[one.row]) * width + static_cast<std::size_t>(one.label)] += one.part;
  });
  scratch.known.resize(width);
  for (std::size_t k = 0; k < width; ++k) scratch.known[k] = node.counts[k] - cells[k];
  for (Code code = 1; code < static_cast<Code>(column.n_codes); ++code) {  // drop codes without cases
    const auto from = cells.begin() + static_cast<std::ptrdiff_t>(code * width);
    if (std::all_of(from, from + static_cast<std::ptrdiff_t>(width), [](std::int64_t n) { return n == 0; })) continue;
    std::copy_n(from, width, cells.begin() + static_cast<std::ptrdiff_t>(scratch.codes.size() * width));
    scratch.codes.push_back(code);
  }
}

}  // namespace pygbt
