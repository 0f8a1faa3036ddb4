// SPDX-License-Identifier: Apache-2.0
// Which levels of a nominal feature go left: by an order of the levels (exact for two classes and one mean: Fisher 1958,
// Breiman et al. 1984), by all subsets in the order of a Gray code, by one level against the rest, or by chance.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/types.h"
#include "cart/cart_options.h"
#include "cart/level_order.h"
#include "cart/place_sort.h"

namespace pygbt {

template <class Criterion>
class NominalSearcher {
 public:
  using Case = typename Criterion::Case;

  // The levels that the node has. order: its cases by code.
  void read(std::span<const Case> cases, std::span<const CodedPlace> order, const Criterion& criterion) {
    width_ = static_cast<std::size_t>(criterion.width);
    cases_ = cases;
    order_ = order;
    levels_.clear();
    rows_.clear();
    begin_.clear();
    cells_.clear();
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (i == 0 || code_of(order_[i]) != code_of(order_[i - 1])) {
        levels_.push_back(code_of(order_[i]));
        rows_.push_back(0);
        begin_.push_back(i);
        cells_.resize(cells_.size() + width_, 0);
      }
      ++rows_.back();
      criterion.count(&cells_[cells_.size() - width_], cases[place_of(order_[i])]);
    }
    begin_.push_back(order_.size());
    for (std::size_t i = 0; i < levels_.size(); ++i) criterion.finish_cell(&cells_[i * width_]);
    left_.assign(levels_.size(), 0);
  }

  std::size_t n_levels() const { return levels_.size(); }
  Code level(std::size_t i) const { return levels_[i]; }
  const std::int64_t* cell(std::size_t i) const { return &cells_[i * width_]; }
  const std::vector<std::uint8_t>& left() const { return left_; }  // [level] of the subset just judged

  // Each of these begins with everything on the right (but for `rows` missing cases) and calls judge(left_rows) for
  // every subset; left() says which.

  template <class Judge>
  void in_order(Criterion& criterion, LevelOrder by, std::int64_t rows, const Judge& judge) {
    std::vector<std::size_t> order(levels_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      const std::int64_t* x = cell(a);
      const std::int64_t* y = cell(b);
      return Int128{x[by.above]} * y[by.below] < Int128{y[by.above]} * x[by.below];
    });
    clear();
    for (std::size_t i = 0; i + 1 < order.size(); ++i) {
      rows += add(criterion, order[i]);
      judge(rows);
    }
  }

  template <class Judge>
  void all_subsets(Criterion& criterion, std::int64_t rows, const Judge& judge) {
    const std::size_t m = levels_.size();
    require(m <= static_cast<std::size_t>(kMostExhaustiveLevels),
            "nominal=\"exhaustive\": a node has " + std::to_string(m) + " levels of a feature, at most " +
                std::to_string(kMostExhaustiveLevels) + " can be searched; use \"auto\" or \"ordered\"");
    if (m < 2) return;
    clear();
    rows += add(criterion, 0);  // of a subset and its complement the one with the first level
    judge(rows);
    for (std::uint32_t step = 1; step < std::uint32_t{1} << (m - 1); ++step) {
      const auto level = static_cast<std::size_t>(std::countr_zero(step)) + 1;
      rows += left_[level] != 0 ? -remove(criterion, level) : add(criterion, level);
      judge(rows);
    }
  }

  template <class Judge>
  void one_against_rest(Criterion& criterion, std::int64_t rows, const Judge& judge) {
    clear();
    for (std::size_t i = 0; i < levels_.size() && levels_.size() > 1; ++i) {
      const std::int64_t own = add(criterion, i);
      judge(rows + own);
      remove(criterion, i);
    }
  }

  // All levels: against the missing cases.
  template <class Judge>
  void everything(Criterion& criterion, std::int64_t rows, const Judge& judge) {
    for (std::size_t i = 0; i < levels_.size(); ++i) rows += add(criterion, i);
    judge(rows);
  }

  // A subset by draw(level) -> bool; neither none nor all.
  template <class Judge, class DrawLevel>
  void drawn(Criterion& criterion, std::int64_t rows, const Judge& judge, const DrawLevel& draw) {
    clear();
    std::size_t n = 0;
    for (std::size_t i = 0; i < levels_.size(); ++i) n += (left_[i] = draw(i) ? 1 : 0);
    if (n == 0 || n == levels_.size()) left_[0] = n == 0 ? 1 : 0;
    for (std::size_t i = 0; i < levels_.size(); ++i)
      if (left_[i] != 0) rows += add(criterion, i);
    judge(rows);
  }

 private:
  void clear() { std::fill(left_.begin(), left_.end(), std::uint8_t{0}); }

  std::int64_t add(Criterion& criterion, std::size_t level) {
    left_[level] = 1;
    if constexpr (Criterion::kCells) {
      criterion.add_cell(cell(level));
    } else {
      for (std::size_t i = begin_[level]; i < begin_[level + 1]; ++i) criterion.add(cases_[place_of(order_[i])]);
    }
    return rows_[level];
  }
  std::int64_t remove(Criterion& criterion, std::size_t level) {
    left_[level] = 0;
    if constexpr (Criterion::kCells) {
      criterion.remove_cell(cell(level));
    } else {
      for (std::size_t i = begin_[level]; i < begin_[level + 1]; ++i) criterion.remove(cases_[place_of(order_[i])]);
    }
    return rows_[level];
  }

  std::size_t width_ = 1;
  std::span<const Case> cases_;
  std::span<const CodedPlace> order_;
  std::vector<Code> levels_;  // [level] its code, ascending
  std::vector<std::int64_t> rows_;  // [level]
  std::vector<std::size_t> begin_;  // [level + 1] in order_
  std::vector<std::int64_t> cells_;  // [level][width]
  std::vector<std::uint8_t> left_;  // [level]
};

}  // namespace pygbt
