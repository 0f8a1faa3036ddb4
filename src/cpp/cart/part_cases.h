// SPDX-License-Identifier: Apache-2.0
// The cases of a node in two parts, without a branch on where a case goes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace pygbt {

// Cases of the left side first, then those of the right, each in their order, and the cell of each side. goes_right(i,
// case); spare: room for n cases; totals: two cells of zeros. Returns the number of cases on the left.
template <class Criterion, class Side>
std::size_t part_cases(const Criterion& criterion, typename Criterion::Case* cases, std::size_t n,
                       typename Criterion::Case* spare, std::int64_t* const totals[2], const Side& goes_right) {
  std::size_t n_left = 0, n_right = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const typename Criterion::Case one = cases[i];
    const std::size_t side = goes_right(i, one) ? 1 : 0;
    criterion.count(totals[side], one);
    cases[n_left] = one;  // its place has been read
    spare[n_right] = one;
    n_left += 1 - side;
    n_right += side;
  }
  std::copy_n(spare, n_right, cases + n_left);
  criterion.finish_cell(totals[0]);
  criterion.finish_cell(totals[1]);
  return n_left;
}

}  // namespace pygbt
