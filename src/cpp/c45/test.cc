// SPDX-License-Identifier: Apache-2.0
#include "c45/test.h"

#include <algorithm>

namespace pygbt {
namespace {

// Floor of part x before / known: the share of a case that lies before a branch.
std::int64_t share(std::int64_t part, std::int64_t before, std::int64_t known) {
  return static_cast<std::int64_t>(Int128{part} * before / known);
}

}  // namespace

Division divide(const C45Problem& problem, const NodeTest& test, std::span<Case> cases, DivideScratch& scratch) {
  const auto n_branches = static_cast<std::size_t>(test.n_branches);
  const CodedColumn& column = problem.table.columns[static_cast<std::size_t>(test.feature)];
  auto& branch = scratch.branch;
  branch.resize(cases.size());
  std::vector<std::size_t> n(n_branches + 1, 0);  // [branch + 1]; 0: unknown
  std::vector<std::int64_t> before(n_branches + 1, 0);  // known parts in earlier branches
  visit_codes(column, [&](const auto* codes) {
    for (std::size_t i = 0; i < cases.size(); ++i) {
      branch[i] = test.branch(codes[cases[i].row]);
      const auto b = static_cast<std::size_t>(branch[i] + 1);
      ++n[b];
      if (b > 0) before[b] += cases[i].part;
    }
  });
  for (std::size_t b = 1; b <= n_branches; ++b) before[b] += before[b - 1];
  const std::int64_t known = before[n_branches];
  Division division;
  division.branches.resize(n_branches);
  if (known == 0) {
    division.branches[0] = cases;
    return division;
  }

  // Unknown cases last, the others by branch.
  std::vector<std::size_t> place(n_branches + 1);
  std::size_t at = 0;
  for (std::size_t b = 1; b <= n_branches; ++b) {
    place[b] = at;
    division.branches[b - 1] = cases.subspan(at, n[b]);
    at += n[b];
  }
  place[0] = at;
  scratch.cases.assign(cases.begin(), cases.end());
  for (std::size_t i = 0; i < cases.size(); ++i)
    cases[place[static_cast<std::size_t>(branch[i] + 1)]++] = scratch.cases[i];
  if (n[0] == 0) return division;

  const std::span<const Case> unknown = cases.subspan(at);
  std::vector<std::size_t> length(n_branches, 0);
  division.shared.reserve(cases.size() + unknown.size() * (std::min<std::size_t>(n_branches, 4) - 1));
  for (std::size_t b = 0; b < n_branches; ++b) {
    const std::size_t begin = division.shared.size();
    if (!division.branches[b].empty()) {
      division.shared.insert(division.shared.end(), division.branches[b].begin(), division.branches[b].end());
      for (const Case& one : unknown) {
        const std::int64_t part = share(one.part, before[b + 1], known) - share(one.part, before[b], known);
        if (part > 0) division.shared.push_back({one.row, one.label, part});
      }
    }
    length[b] = division.shared.size() - begin;
  }
  at = 0;
  for (std::size_t b = 0; b < n_branches; ++b) {
    division.branches[b] = std::span(division.shared).subspan(at, length[b]);
    at += length[b];
  }
  return division;
}

}  // namespace pygbt
