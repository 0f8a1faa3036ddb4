// SPDX-License-Identifier: Apache-2.0
// What lies on the low side of one cut, without a branch on the side.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace pygbt {

// Counts the cases for which is_low(i) into the first cell of `cells`, which is finished.
template <class Criterion, class Cells, class Low>
void count_low(const Criterion& criterion, std::span<const typename Criterion::Case> cases, Cells& cells,
               const Low& is_low) {
  // Copies that are added to in turn: of many cases those of the same class need not wait for each other.
  constexpr std::size_t kCopies = 4, kMany = 32;
  const auto width = static_cast<std::size_t>(criterion.width);
  const std::size_t n = cases.size();
  if (cells.size() < kCopies * width) cells.resize(kCopies * width);
  const std::size_t copies = n < kMany ? 1 : kCopies;
  std::fill_n(cells.begin(), copies * width, 0);
  const auto add = [&](std::size_t i, std::size_t copy) {
    typename Criterion::Case one = cases[i];
    one.weight &= is_low(i) ? ~std::uint32_t{0} : 0u;
    criterion.count(&cells[copy * width], one);
  };
  std::size_t i = 0;
  for (; copies > 1 && i + kCopies <= n; i += kCopies)
    for (std::size_t copy = 0; copy < kCopies; ++copy) add(i + copy, copy);
  for (; i < n; ++i) add(i, 0);
  for (std::size_t copy = 1; copy < copies; ++copy)
    for (std::size_t k = 0; k < width; ++k) cells[k] += cells[copy * width + k];
  criterion.finish_cell(&cells[0]);
}

}  // namespace pygbt
