// SPDX-License-Identifier: Apache-2.0
// The best question about one column in one node. Numeric: every cut between two values that the node has, by counting
// cells by code where the node has many cases for its codes, else case by case in the order of the codes; both see the
// same integers. Nominal: nominal_search.h. One FeatureSearch a thread; it owns the scratch space.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"
#include "cart/cart_options.h"
#include "cart/node_codes.h"
#include "cart/nominal_search.h"
#include "cart/scanner.h"
#include "cart/split_candidate.h"
#include "decision/coded_table.h"
#include "math/round_down.h"

namespace pygbt {

// A node to search: its cases and what they add up to.
template <class Case>
struct SearchNode {
  std::span<const Case> cases;
  const std::int64_t* total = nullptr;  // [width] cell of all cases
  std::uint64_t key = 0;                // of the node's draws
};

// Least number of rows, and least weight in units of the response, that a side must have.
struct LeastSide {
  std::int64_t rows = 1;
  std::int64_t weight = 1;
};

template <class Criterion>
class FeatureSearch {
 public:
  using Case = typename Criterion::Case;

  FeatureSearch(const CodedTable& table, const Response& response, const CartOptions& options, LeastSide least)
      : table_(table), options_(options), least_(least), criterion_(response, options) {
    orders_ = criterion_.level_orders();
  }

  // The best question, not found() where there is none. codes: of the node's cases in the column.
  SplitCandidate best(const SearchNode<Case>& node, FeatureId feature, NodeCodes& codes) {
    const CodedColumn& column = table_.columns[static_cast<std::size_t>(feature)];
    codes_ = &codes;
    best_ = SplitCandidate();
    if (constant(codes)) return std::move(best_);
    feature_ = feature;
    cost_ = options_.feature_cost.empty() ? 1.0 : options_.feature_cost[static_cast<std::size_t>(feature)];
    best_.nominal = column.nominal;
    best_.has_missing = codes.n_missing() > 0;
    set_totals(node);
    if (column.nominal) {
      search_nominal(node, column);
    } else if (options_.random_thresholds) {
      search_drawn(node, column);
    } else {
      codes.visit([&](const auto* of_place) { search_numeric(node, of_place); });
    }
    return std::move(best_);
  }

  // Whether the column says nothing about the cases of a node, nor of those below it.
  bool constant(const NodeCodes& codes) const {
    const bool lacking = options_.missing == MissingRows::kDirection && codes.n_missing() > 0;
    return codes.constant() && !(lacking && codes.n_missing() < codes.size());
  }

  std::int32_t width() const { return criterion_.width; }
  const Criterion& criterion() const { return criterion_; }

  static constexpr std::size_t kCopies = 4;
  static constexpr std::size_t kMostCopied = 4096;  // cells that stay in L1

 private:
  // --- what every search shares ---

  // present_: the cell of the cases that have the feature, and of the others where these choose a side.
  void set_totals(const SearchNode<Case>& node) {
    present_ = node.total;
    present_cases_ = node.cases;
    n_missing_ = static_cast<std::int64_t>(codes_->n_missing());
    if (n_missing_ == 0 || options_.missing == MissingRows::kDirection) return;
    const auto width = static_cast<std::size_t>(criterion_.width);
    missing_.assign(width, 0);
    if constexpr (!Criterion::kCells) kept_.clear();
    for (std::size_t i = 0; i < node.cases.size(); ++i) {
      const bool lacks = codes_->code(i) == kMissingCode;
      if (lacks) criterion_.count(missing_.data(), node.cases[i]);
      if constexpr (!Criterion::kCells)
        if (!lacks) kept_.push_back(node.cases[i]);
    }
    criterion_.finish_cell(missing_.data());
    for (std::size_t i = 0; i < width; ++i) missing_[i] = node.total[i] - missing_[i];
    present_ = missing_.data();
    if constexpr (!Criterion::kCells) present_cases_ = kept_;
  }

  bool direction() const { return n_missing_ > 0 && options_.missing == MissingRows::kDirection; }

  // Everything on the right; missing_left: but the cases that lack the feature. Returns the rows on the left.
  std::int64_t start(const SearchNode<Case>& node, bool missing_left) {
    criterion_.start(present_cases_, present_);
    parent_ = criterion_.parent();
    n_rows_ = static_cast<std::int64_t>(node.cases.size()) - (direction() ? 0 : n_missing_);
    if (!missing_left) return 0;
    for (std::size_t i = 0; i < node.cases.size(); ++i)
      if (codes_->code(i) == kMissingCode) criterion_.add(node.cases[i]);
    return n_missing_;
  }

  // Rows are only counted where a side needs more than one: each weighs something.
  template <class Sides>
  bool allowed(const Sides& sides, std::int64_t left_rows) const {
    return sides.left_weight() >= least_.weight && sides.right_weight() >= least_.weight &&
           (least_.rows <= 1 || (left_rows >= least_.rows && n_rows_ - left_rows >= least_.rows));
  }

  // Whether the present sides beat the best so far; then its numbers are taken over.
  template <class Sides>
  bool judge(const Sides& sides, std::int64_t left_rows, bool missing_left) {
    if (!allowed(sides, left_rows)) return false;
    const CutScore score = sides.score();
    const double to_beat = (best_.improvement + parent_) * score.below;
    if (score.above < to_beat - std::abs(to_beat) * 0x1p-40) return false;  // worse for sure
    const double improvement = score.above / score.below - parent_;
    if (!(improvement > best_.improvement)) return false;
    if (options_.cp >= 0.0 && (!(improvement > 0.0) || sides.alike())) return false;
    best_.improvement = improvement;
    best_.goodness = improvement / cost_;
    best_.feature = feature_;
    best_.missing_left = missing_left;
    best_.perfect = n_missing_ == 0 && (n_rows_ == 2 || sides.perfect());
    return true;
  }
  bool judge(std::int64_t left_rows, bool missing_left) { return judge(criterion_, left_rows, missing_left); }

  // --- numeric ---

  template <class T>
  void search_numeric(const SearchNode<Case>& node, const T* codes) {
    const Code first = codes_->least();
    const std::size_t range = codes_->most() - first + 1;
    bool counted = false;
    if constexpr (Criterion::kCells) {
      counted = range * static_cast<std::size_t>(criterion_.width) <= 2 * codes_->size();
      if (counted) count_cells(node, codes, first, range);
    }
    const std::span<const CodedPlace> order = counted ? std::span<const CodedPlace>() : codes_->sorted();
    for (const bool missing_left : {true, false}) {
      if (missing_left && !direction()) continue;
      const std::int64_t before = start(node, missing_left);
      if (counted)
        scan_cells(before, missing_left, first, range);
      else
        scan_cases(node, order, before, missing_left);
      if (direction() && !missing_left) judge_missing_alone(static_cast<std::int64_t>(node.cases.size()) - n_missing_);
    }
  }

  // cells_[code - first][width]; rows_[code - first] where rows are asked for.
  template <class T>
  void count_cells(const SearchNode<Case>& node, const T* codes, Code first, std::size_t range) {
    const auto width = static_cast<std::size_t>(criterion_.width);
    const std::size_t n_cells = range * width;
    // Copies that are added to in turn: of codes that occur often the next addition need not wait for the last.
    const std::size_t copies = kCopies * n_cells <= std::min(node.cases.size(), kMostCopied) ? kCopies : 1;
    cells_.assign(copies * n_cells, 0);
    const std::size_t n = node.cases.size();
    const auto add = [&](std::size_t i, std::int64_t* cells) {
      if (codes[i] != kMissingCode) criterion_.count(cells + (codes[i] - first) * width, node.cases[i]);
    };
    std::size_t i = 0;
    if (copies > 1) {
      for (; i + kCopies <= n; i += kCopies)
        for (std::size_t copy = 0; copy < kCopies; ++copy) add(i + copy, &cells_[copy * n_cells]);
      for (std::size_t copy = 1; copy < kCopies; ++copy)
        for (std::size_t c = 0; c < n_cells; ++c) cells_[c] += cells_[copy * n_cells + c];
    }
    for (; i < n; ++i) add(i, cells_.data());
    for (std::size_t c = 0; c < range; ++c) criterion_.finish_cell(&cells_[c * width]);
    if (least_.rows <= 1) return;
    rows_.assign(range, 0);
    for (i = 0; i < n; ++i)
      if (codes[i] != kMissingCode) ++rows_[codes[i] - first];
  }

  void scan_cells(std::int64_t left_rows, bool missing_left, Code first, std::size_t range) {
    const auto width = static_cast<std::size_t>(criterion_.width);
    Code last = 0;
    for (std::size_t c = 0; c < range; ++c) {
      if (cells_[c * width] == 0) continue;
      const Code code = first + static_cast<Code>(c);
      if (last != 0 && judge(left_rows, missing_left)) {
        best_.low = last;
        best_.high = code;
      }
      if constexpr (Criterion::kCells) criterion_.add_cell(&cells_[c * width]);
      if (least_.rows > 1) left_rows += rows_[c];
      last = code;
    }
  }

  void scan_cases(const SearchNode<Case>& node, std::span<const CodedPlace> order, std::int64_t left_rows,
                  bool missing_left) {
    const std::size_t n = order.size();
    const Case* cases = node.cases.data();
    Scanner<Criterion> scan(criterion_);
    for (std::size_t i = 0; i + 1 < n; ++i) {
      scan.add(cases[place_of(order[i])]);
      ++left_rows;
      const Code code = code_of(order[i]), next = code_of(order[i + 1]);
      if (next == code || !judge(scan, left_rows, missing_left)) continue;
      best_.low = code;
      best_.high = next;
    }
    scan.add(cases[place_of(order[n - 1])]);
  }

  // All values on the left, the missing cases on the right.
  void judge_missing_alone(std::int64_t left_rows) {
    if (!judge(left_rows, false)) return;
    best_.low = best_.high = codes_->most();
  }

  // Cases with codes up to `low` to the left, as one cell where cells may stand for cases. Returns their number, if rows
  // are asked for.
  template <class T>
  std::int64_t move_low(const SearchNode<Case>& node, const T* codes, Code low) {
    const std::size_t n = node.cases.size();
    std::int64_t rows = 0;
    if constexpr (Criterion::kCells) {
      const auto width = static_cast<std::size_t>(criterion_.width);
      cells_.assign(2 * width, 0);
      for (std::size_t i = 0; i < n; ++i)  // missing codes, 0, wrap to above all others; no branch on a drawn side
        criterion_.count(&cells_[Code{codes[i]} - 1 < low ? 0 : width], node.cases[i]);
      criterion_.finish_cell(cells_.data());
      criterion_.add_cell(cells_.data());
      for (std::size_t i = 0; i < n && least_.rows > 1; ++i) rows += Code{codes[i]} - 1 < low ? 1 : 0;
    } else {
      for (std::size_t i = 0; i < n; ++i) {
        if (Code{codes[i]} - 1 >= low) continue;
        criterion_.add(node.cases[i]);
        ++rows;
      }
    }
    return rows;
  }

  // One cut drawn uniformly between the extremes that the node has.
  void search_drawn(const SearchNode<Case>& node, const CodedColumn& column) {
    const Code first = codes_->least(), last = codes_->most();
    const auto bits = [&](std::uint32_t which) {
      return random_bits(options_.seed, Draw::kThreshold, options_.tree,
                         node.key ^ static_cast<std::uint64_t>(feature_), which);
    };
    if (first == last)  // values against missing ones
      return codes_->visit([&](const auto* of_place) { search_numeric(node, of_place); });
    const double share = (bits(0) + 0.5) * 0x1p-32;
    Code low = first;
    if (table_.exact) {
      const double least = column.value[first - 1], most = column.value[last - 1];
      double drawn = least + share * (most - least);
      if (!column.wide) drawn = round_down(drawn);
      const double below =
          column.wide ? std::nextafter(most, least)
                      : static_cast<double>(std::nextafter(static_cast<float>(most), static_cast<float>(least)));
      drawn = std::min(std::max(drawn, least), below);  // the largest value goes high, whatever lies between
      const auto end = column.value.begin() + (last - 1);
      low = static_cast<Code>(std::upper_bound(column.value.begin() + (first - 1), end, drawn) - column.value.begin());
      best_.drawn = drawn;
      best_.is_drawn = true;
    } else {
      low = first + static_cast<Code>(share * static_cast<double>(last - first));
    }
    for (const bool missing_left : {true, false}) {
      if (missing_left && !direction()) continue;
      std::int64_t left_rows = start(node, missing_left);
      codes_->visit([&](const auto* of_place) { left_rows += move_low(node, of_place, low); });
      if (!judge(left_rows, missing_left)) continue;
      best_.low = low;
      best_.high = low + 1;
    }
  }

  // --- nominal ---

  void search_nominal(const SearchNode<Case>& node, const CodedColumn& column) {
    levels_.read(node.cases, *codes_, criterion_);
    for (const bool missing_left : {true, false}) {
      if (missing_left && !direction()) continue;
      const auto judge_subset = [&](std::int64_t left_rows) {
        if (judge(left_rows, missing_left)) take_subset(column);
      };
      if (options_.random_thresholds) {
        levels_.drawn(criterion_, start(node, missing_left), judge_subset, [&](std::size_t level) {
          return (random_bits(options_.seed, Draw::kThreshold, options_.tree,
                              node.key ^ static_cast<std::uint64_t>(feature_), levels_.level(level)) &
                  1u) != 0;
        });
      } else if (options_.nominal == NominalSearch::kOneVsRest) {
        levels_.one_against_rest(criterion_, start(node, missing_left), judge_subset);
      } else if (searches_all_subsets()) {
        levels_.all_subsets(criterion_, start(node, missing_left), judge_subset);
      } else {
        for (const LevelOrder by : orders_) levels_.in_order(criterion_, by, start(node, missing_left), judge_subset);
      }
      if (direction() && !missing_left) levels_.everything(criterion_, start(node, false), judge_subset);
    }
    if (best_.found()) orient();
  }

  bool searches_all_subsets() const {
    if (options_.nominal == NominalSearch::kExhaustive) return true;
    return options_.nominal == NominalSearch::kAuto && !criterion_.order_is_exact() &&
           levels_.n_levels() <= static_cast<std::size_t>(kExhaustiveLevels);
  }

  void take_subset(const CodedColumn& column) {
    best_.branches.assign(static_cast<std::size_t>(column.n_codes - 1), -1);
    for (std::size_t i = 0; i < levels_.n_levels(); ++i)
      best_.branches[levels_.level(i) - 1] = levels_.left()[i] != 0 ? 0 : 1;
  }

  // Child 0 is the side of the smaller mean response, of equal ones that of the first level.
  void orient() {
    const auto width = static_cast<std::size_t>(criterion_.width);
    std::vector<std::int64_t> side[2] = {std::vector<std::int64_t>(width, 0), std::vector<std::int64_t>(width, 0)};
    for (std::size_t i = 0; i < levels_.n_levels(); ++i) {
      std::vector<std::int64_t>& own = side[best_.branches[levels_.level(i) - 1]];
      for (std::size_t k = 0; k < width; ++k) own[k] += levels_.cell(i)[k];
    }
    if (side[1][0] == 0) return;  // all levels against the missing cases
    const Ratio means[2] = {criterion_.mean(side[0].data()), criterion_.mean(side[1].data())};
    const bool first_right = best_.branches[levels_.level(0) - 1] == 1;
    const bool equal = !(means[0] < means[1]) && !(means[1] < means[0]);
    if (equal ? !first_right : means[0] < means[1]) return;
    for (std::int8_t& branch : best_.branches) branch = static_cast<std::int8_t>(branch < 0 ? -1 : 1 - branch);
    best_.missing_left = !best_.missing_left;
  }

  const CodedTable& table_;
  const CartOptions& options_;
  LeastSide least_;
  Criterion criterion_;
  std::vector<LevelOrder> orders_;
  NominalSearcher<Criterion> levels_;

  NodeCodes* codes_ = nullptr;
  SplitCandidate best_;
  FeatureId feature_ = -1;
  double cost_ = 1.0, parent_ = 0.0;
  std::int64_t n_missing_ = 0, n_rows_ = 0;
  const std::int64_t* present_ = nullptr;  // [width]
  std::vector<std::int64_t> missing_;      // [width]
  std::span<const Case> present_cases_;
  std::vector<Case> kept_;
  std::vector<std::int64_t> cells_;
  std::vector<std::uint32_t> rows_;
};

}  // namespace pygbt
