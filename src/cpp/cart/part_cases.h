// SPDX-License-Identifier: Apache-2.0
// The cases of a node in two parts, without a branch on where a case goes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace pygbt {

// b where `second` is 1, a where it is 0, by arithmetic: nobody foresees it.
template <class T>
T* either(T* a, T* b, std::size_t second) {
  const auto x = reinterpret_cast<std::uintptr_t>(a), y = reinterpret_cast<std::uintptr_t>(b);
  return reinterpret_cast<T*>(x ^ ((x ^ y) & (std::uintptr_t{0} - second)));
}

// Cases of the left side first, then those of the right, each in their order. goes_right(i, case); spare: room for n
// cases; count(case, side) sees each. Returns the number of cases on the left.
template <class Case, class Side, class Count>
std::size_t part_cases(Case* cases, std::size_t n, Case* spare, const Side& goes_right, const Count& count) {
  Case* left = cases;
  Case* right = spare;
  for (std::size_t i = 0; i < n; ++i) {
    const Case one = cases[i];
    const std::size_t side = goes_right(i, one) ? 1 : 0;
    count(one, side);
    *either(left, right, side) = one;  // the next place on the left has been read
    left += 1 - side;
    right += side;
  }
  std::copy(spare, right, left);
  return static_cast<std::size_t>(left - cases);
}

// The same, with the cell of each side. left: that of the left one where it is known, else null. totals: the cell of all
// cases, which becomes that of the right side, and room for that of the left.
template <class Criterion, class Side>
std::size_t part_cases(const Criterion& criterion, typename Criterion::Case* cases, std::size_t n,
                       typename Criterion::Case* spare, const std::int64_t* left, std::int64_t* left_total,
                       std::int64_t* right_total, const Side& goes_right) {
  using Case = typename Criterion::Case;
  const auto width = static_cast<std::size_t>(criterion.width);
  if (left != nullptr) {
    for (std::size_t k = 0; k < width; ++k) {
      left_total[k] = left[k];
      right_total[k] -= left[k];
    }
    return part_cases(cases, n, spare, goes_right, [](const Case&, std::size_t) {});
  }
  std::int64_t* const totals[2] = {left_total, right_total};
  std::fill_n(left_total, width, 0);
  std::fill_n(right_total, width, 0);
  const std::size_t n_left = part_cases(cases, n, spare, goes_right,
                                        [&](const Case& one, std::size_t side) { criterion.count(totals[side], one); });
  criterion.finish_cell(left_total);
  criterion.finish_cell(right_total);
  return n_left;
}

}  // namespace pygbt
