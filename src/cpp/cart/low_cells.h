// SPDX-License-Identifier: Apache-2.0
// What lies on both sides of one cut, as two cells, without a branch on the side.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace pygbt {

// Counts the cases into cells [copy][side][width], the low side first; the cell of the low side is finished. is_low(i).
template <class Criterion, class Low>
void count_low(const Criterion& criterion, std::span<const typename Criterion::Case> cases,
               std::vector<std::int64_t>& cells, const Low& is_low) {
  // Copies that are added to in turn: cases of the same class need not wait for each other.
  constexpr std::size_t kCopies = 4;
  const auto width = static_cast<std::size_t>(criterion.width);
  cells.resize(2 * kCopies * width);
  std::fill(cells.begin(), cells.end(), 0);
  const auto add = [&](std::size_t i, std::size_t copy) {
    const std::size_t side = is_low(i) ? 0 : 1;
    criterion.count(&cells[(2 * copy + side) * width], cases[i]);
  };
  const std::size_t n = cases.size();
  std::size_t i = 0;
  for (; i + kCopies <= n; i += kCopies)
    for (std::size_t copy = 0; copy < kCopies; ++copy) add(i + copy, copy);
  for (; i < n; ++i) add(i, 0);
  for (std::size_t copy = 1; copy < kCopies; ++copy)
    for (std::size_t k = 0; k < width; ++k) cells[k] += cells[2 * copy * width + k];
  criterion.finish_cell(cells.data());
}

}  // namespace pygbt
