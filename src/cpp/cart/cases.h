// SPDX-License-Identifier: Apache-2.0
// The training rows of a tree, kept in the order of the nodes: the rows of a node are a range, ascending by row.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "cart/case.h"
#include "decision/response.h"

namespace pygbt {

inline void set_response(ClassCase& into, const Response& response) { into.label = response.label[into.row]; }
inline void set_response(ValueCase& into, const Response& response) {
  into.y = response.target[static_cast<std::size_t>(into.row) * static_cast<std::size_t>(response.n_targets)];
}

// The rows that count, into `cases`. `weights` [row] in place of the response's own, for instance the counts of a
// bootstrap sample times them; empty: the response's.
template <class Case>
void make_cases(const Response& response, std::span<const std::uint32_t> weights, std::vector<Case>& cases) {
  const std::span<const std::uint32_t> of_row = weights.empty() ? std::span(response.weight) : weights;
  cases.resize(static_cast<std::size_t>(response.n_rows));
  std::size_t n = 0;
  for (std::uint32_t row = 0; row < static_cast<std::uint32_t>(response.n_rows); ++row) {
    Case& one = cases[n];
    one.row = row;
    one.weight = of_row.empty() ? 1u : of_row[row];
    set_response(one, response);
    n += one.weight > 0 ? 1 : 0;
  }
  cases.resize(n);
}

}  // namespace pygbt
