// SPDX-License-Identifier: Apache-2.0
// Surrogates: for every other feature the question that best tells which way the asked one sends a row (Breiman et al.
// 1984, section 5.3, with rpart's rules). Priors and losses play no part, weights do.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "cart/cart_options.h"
#include "cart/cart_tree.h"
#include "cart/node_codes.h"
#include "decision/coded_table.h"

namespace pygbt {

inline constexpr std::uint8_t kUndecided = 2;  // side of a row that a question does not decide

class SurrogateSearch {
 public:
  // weight_unit: of the weights of cases.
  SurrogateSearch(const CodedTable& table, const CartOptions& options, double weight_unit)
      : table_(table),
        options_(options),
        least_(options.count_rows ? kLeastCases : static_cast<std::int64_t>(std::ceil(kLeastCases / weight_unit))) {}

  // The best surrogate of one feature; not found(): none. side [place]: child by the asked question.
  template <class Case>
  Surrogate best(std::span<const Case> cases, std::span<const std::uint8_t> side, FeatureId feature) {
    const CodedColumn& column = table_.columns[static_cast<std::size_t>(feature)];
    codes_.read(column, cases);
    Surrogate found;
    if (codes_.constant()) return found;
    all_ = Sides();
    present_ = Sides();
    for (std::size_t i = 0; i < cases.size(); ++i) {
      if (side[i] == kUndecided) continue;
      add(all_, side[i], cases[i].weight);
      if (codes_.code(i) != kMissingCode) add(present_, side[i], cases[i].weight);
    }
    matches_ = -1;
    if (column.nominal)
      levels(cases, side, column, found.split);
    else
      cuts(cases, side, found.split);
    if (matches_ < 0) return found;
    const Sides& counted = options_.surrogates_of_present ? present_ : all_;
    const auto total = static_cast<double>(counted.weight[0] + counted.weight[1]);
    const double majority = static_cast<double>(std::max(counted.weight[0], counted.weight[1])) / total;
    found.agreement = static_cast<double>(matches_) / total;
    found.adjusted = majority < 1.0 ? (found.agreement - majority) / (1.0 - majority) : 0.0;
    constexpr double kLeastAdjusted = 1e-10;
    if (found.adjusted > kLeastAdjusted) found.split.feature = feature;
    return found;
  }

  // Gives back the memory that grows with a node.
  void release() {
    codes_.release();
    sort_.release();
  }

 private:
  static constexpr int kLeastCases = 2;  // that the asked question decides, on each side

  struct Sides {
    std::int64_t weight[2] = {0, 0};
    std::int64_t size = 0;  // rows, or their weight: what kLeastCases counts
  };

  void add(Sides& sides, std::uint8_t to, std::int64_t weight) const {
    sides.weight[to] += weight;
    sides.size += options_.count_rows ? 1 : weight;
  }

  template <class Case>
  void cuts(std::span<const Case> cases, std::span<const std::uint8_t> side, SplitCandidate& split) {
    const std::span<const CodedPlace> order = codes_.sorted(sort_);
    Sides low;
    for (std::size_t i = 0; i + 1 < order.size(); ++i) {
      const std::uint32_t place = place_of(order[i]);
      if (side[place] != kUndecided) add(low, side[place], cases[place].weight);
      const Code code = code_of(order[i]), next = code_of(order[i + 1]);
      if (next == code || low.size < least_ || present_.size - low.size < least_) continue;
      const std::int64_t straight = low.weight[0] + present_.weight[1] - low.weight[1];
      const std::int64_t crossed = low.weight[1] + present_.weight[0] - low.weight[0];
      if (std::max(straight, crossed) <= matches_) continue;
      matches_ = std::max(straight, crossed);
      split.low = code;
      split.high = next;
      split.low_child = straight >= crossed ? 0 : 1;
    }
  }

  // Each level goes to its better side, a tie to that of the majority of the rows with both values (child 1 if equal).
  template <class Case>
  void levels(std::span<const Case> cases, std::span<const std::uint8_t> side, const CodedColumn& column,
              SplitCandidate& split) {
    std::vector<Sides> of_level(static_cast<std::size_t>(column.n_codes - 1));
    for (std::size_t i = 0; i < cases.size(); ++i)
      if (side[i] != kUndecided && codes_.code(i) != kMissingCode)
        add(of_level[codes_.code(i) - 1], side[i], cases[i].weight);
    split.nominal = true;
    split.branches.assign(of_level.size(), -1);
    const std::int8_t majority = present_.weight[0] > present_.weight[1] ? 0 : 1;
    std::int64_t matches = 0, size[2] = {0, 0};
    for (std::size_t level = 0; level < of_level.size(); ++level) {
      const Sides& own = of_level[level];
      if (own.size == 0) continue;
      const std::int64_t w0 = own.weight[0], w1 = own.weight[1];
      const std::int8_t to = w0 == w1 ? majority : static_cast<std::int8_t>(w1 > w0 ? 1 : 0);
      split.branches[level] = to;
      size[to] += own.size;
      matches += std::max(w0, w1);
    }
    if (size[0] >= least_ && size[1] >= least_) matches_ = matches;
  }

  const CodedTable& table_;
  const CartOptions& options_;
  std::int64_t least_;
  NodeCodes codes_;
  PlaceSort sort_;
  Sides all_, present_;       // rows the asked question decides; of them those that have the feature
  std::int64_t matches_ = 0;  // weight that the best question so far sends the same way
};

}  // namespace pygbt
