// SPDX-License-Identifier: Apache-2.0
// The best question about one column in one node. Numeric: every cut between two values that the node has, by counting
// cells by code where the node has many cases for its codes, else case by case in the order of the codes; both see the
// same integers. Nominal: nominal_search.h. One FeatureSearch a thread; it owns the scratch space.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "cart/cart_options.h"
#include "cart/cell_batch.h"
#include "cart/code_cuts.h"
#include "cart/cut_judge.h"
#include "cart/drawn_cut.h"
#include "cart/low_cells.h"
#include "cart/node_codes.h"
#include "cart/nominal_search.h"
#include "cart/scanner.h"
#include "cart/split_candidate.h"
#include "decision/coded_table.h"

namespace pygbt {

// A node to search: its cases and what they add up to.
template <class Case>
struct SearchNode {
  std::span<const Case> cases;
  const std::int64_t* total = nullptr;  // [width] cell of all cases
  std::uint64_t key = 0;                // of the node's draws
};

template <class Criterion>
class FeatureSearch {
 public:
  using Case = typename Criterion::Case;

  FeatureSearch(const CodedTable& table, const Response& response, const CartOptions& options, LeastSide least)
      : table_(table), options_(options), criterion_(response, options) {
    judge_.least = least;
    judge_.must_gain = options.cp >= 0.0;
    orders_ = criterion_.level_orders();
  }

  // The best question, not found() where there is none. codes: of the node's cases in the column.
  SplitCandidate best(const SearchNode<Case>& node, FeatureId feature, NodeCodes& codes) {
    const CodedColumn& column = table_.columns[static_cast<std::size_t>(feature)];
    codes_ = &codes;
    begin(feature, cost_of(feature));
    if (constant(codes)) return std::move(judge_.best);
    judge_.best.nominal = column.nominal;
    judge_.best.has_missing = codes.n_missing() > 0;
    set_totals(node);
    judge_.lacking = n_missing_ > 0;
    if (column.nominal) {
      search_nominal(node, column);
    } else if (options_.random_thresholds) {
      search_drawn(node);
    } else {
      codes.visit([&](const auto* of_place) { search_numeric(node, of_place); });
    }
    return std::move(judge_.best);
  }

  // The same of a numeric column that no row lacks, by its cells [code][width]. False: all cases have one code.
  bool best_of_cells(const SearchNode<Case>& node, FeatureId feature, std::size_t n_codes, const std::int64_t* cells,
                     SplitCandidate& best) {
    if constexpr (Criterion::kCells) {
      const auto width = static_cast<std::size_t>(criterion_.width);
      std::size_t first = 1, last = n_codes - 1;
      while (cells[first * width] == 0) ++first;
      while (cells[last * width] == 0) --last;
      if (first == last) return false;
      begin(feature, cost_of(feature));
      start_present(node);
      const auto least = static_cast<Code>(first), most = static_cast<Code>(last);
      if (options_.random_thresholds)
        judge_drawn(node, least, most, [&](Code low) {
          for (std::size_t code = first; code <= low; ++code) criterion_.add_cell(cells + code * width);
          return std::int64_t{0};
        });
      else
        scan_cells(cells + first * width, 0, false, least, last - first + 1);
    }
    best = std::move(judge_.best);
    return true;
  }

  // The same of the columns of `cuts`, in which the cases have been counted; whether the best cut beats `best`, and is that
  // then. constant(feature): called for those with one code.
  template <class Constant>
  bool best_by_code(const SearchNode<Case>& node, CodeCuts<Criterion>& cuts, SplitCandidate& best,
                    const Constant& constant) {
    begin(-1, 1.0);
    start_present(node);
    judge_.best = std::move(best);
    left_.resize(static_cast<std::size_t>(criterion_.width));
    left_known_ = cuts.judge(criterion_, node.total, judge_, left_.data(), constant);
    best = std::move(judge_.best);
    return left_known_;
  }

  // The cell of the left side of the question that was found last, or nothing where that is not known.
  std::span<const std::int64_t> left() const {
    return left_known_ ? std::span<const std::int64_t>(left_) : std::span<const std::int64_t>();
  }

  // Whether sides must be counted by rows, which cells do not tell.
  bool counts_rows() const { return judge_.least.rows > 1; }

  // Whether the column says nothing about the cases of a node, nor of those below it.
  bool constant(const NodeCodes& codes) const {
    const bool lacking = options_.missing == MissingRows::kDirection && codes.n_missing() > 0;
    return codes.constant() && !(lacking && codes.n_missing() < codes.size());
  }

  // Gives back the memory that grows with a node.
  void release() {
    sort_.release();
    cells_ = PageVector<std::int64_t>();
  }

  std::int32_t width() const { return criterion_.width; }
  const Criterion& criterion() const { return criterion_; }

  static constexpr std::size_t kCopies = 4;
  static constexpr std::size_t kMostCopied = 4096;  // cells that stay in L1

 private:
  // --- what every search shares ---

  double cost_of(FeatureId feature) const {
    return options_.feature_cost.empty() ? 1.0 : options_.feature_cost[static_cast<std::size_t>(feature)];
  }
  void begin(FeatureId feature, double cost) {
    judge_.best = SplitCandidate();
    left_known_ = false;
    judge_.feature = feature;
    judge_.cost = cost;
  }

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

  // Everything on the right, where no case lacks the feature.
  void start_present(const SearchNode<Case>& node) {
    n_missing_ = 0;
    judge_.lacking = false;
    present_ = node.total;
    present_cases_ = node.cases;
    start(node, false);
  }

  bool direction() const { return n_missing_ > 0 && options_.missing == MissingRows::kDirection; }

  // Everything on the right; missing_left: but the cases that lack the feature. Returns the rows on the left.
  std::int64_t start(const SearchNode<Case>& node, bool missing_left) {
    criterion_.start(present_cases_, present_);
    judge_.parent = criterion_.parent();
    judge_.n_rows = static_cast<std::int64_t>(node.cases.size()) - (direction() ? 0 : n_missing_);
    if (!missing_left) return 0;
    for (std::size_t i = 0; i < node.cases.size(); ++i)
      if (codes_->code(i) == kMissingCode) criterion_.add(node.cases[i]);
    return n_missing_;
  }

  bool judge(std::int64_t left_rows, bool missing_left) { return judge_.better(criterion_, left_rows, missing_left); }

  // --- numeric ---

  template <class T>
  void search_numeric(const SearchNode<Case>& node, const T* codes) {
    const Code first = codes_->least();
    const std::size_t range = codes_->most() - first + 1;
    bool counted = false;
    if constexpr (Criterion::kCells) {
      counted = few_cells(range, criterion_.width, codes_->size());
      if (counted) count_cells(node, codes, first, range);
    }
    const std::span<const CodedPlace> order = counted ? std::span<const CodedPlace>() : codes_->sorted(sort_);
    for (const bool missing_left : {true, false}) {
      if (missing_left && !direction()) continue;
      const std::int64_t before = start(node, missing_left);
      if (counted)
        scan_cells(cells_.data(), before, missing_left, first, range);
      else
        scan_in_order<32>(criterion_, judge_, node.cases.data(), order, before, missing_left);
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
    if (judge_.least.rows <= 1) return;
    rows_.assign(range, 0);
    for (i = 0; i < n; ++i)
      if (codes[i] != kMissingCode) ++rows_[codes[i] - first];
  }

  // cells [range][width] of the codes from `first`.
  void scan_cells(const std::int64_t* cells, std::int64_t left_rows, bool missing_left, Code first, std::size_t range) {
    const auto width = static_cast<std::size_t>(criterion_.width);
    Code last = 0;
    for (std::size_t c = 0; c < range; ++c) {
      if (cells[c * width] == 0) continue;
      const Code code = first + static_cast<Code>(c);
      if (last != 0 && judge(left_rows, missing_left)) {
        judge_.best.low = last;
        judge_.best.high = code;
      }
      if constexpr (Criterion::kCells) criterion_.add_cell(cells + c * width);
      if (judge_.least.rows > 1) left_rows += rows_[c];
      last = code;
    }
  }

  // All values on the left, the missing cases on the right.
  void judge_missing_alone(std::int64_t left_rows) {
    if (!judge(left_rows, false)) return;
    judge_.best.low = judge_.best.high = codes_->most();
  }

  // Cases with codes up to `low` to the left, as one cell where cells may stand for cases. Returns their number, if rows
  // are asked for.
  template <class T>
  std::int64_t move_low(const SearchNode<Case>& node, const T* codes, Code low) {
    const std::size_t n = node.cases.size();
    std::int64_t rows = 0;
    if constexpr (Criterion::kCells) {
      // Missing codes, 0, wrap to above all others.
      count_low(criterion_, node.cases, cells_, [&](std::size_t i) { return Code{codes[i]} - 1 < low; });
      criterion_.add_cell(cells_.data());
      for (std::size_t i = 0; i < n && judge_.least.rows > 1; ++i) rows += Code{codes[i]} - 1 < low ? 1 : 0;
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
  void search_drawn(const SearchNode<Case>& node) {
    const Code first = codes_->least(), last = codes_->most();
    if (first == last)  // values against missing ones
      return codes_->visit([&](const auto* of_place) { search_numeric(node, of_place); });
    for (const bool missing_left : {true, false}) {
      if (missing_left && !direction()) continue;
      const std::int64_t before = start(node, missing_left);
      judge_drawn(
          node, first, last,
          [&](Code low) {
            return before + codes_->visit([&](const auto* of_place) { return move_low(node, of_place, low); });
          },
          missing_left);
    }
  }

  // move(low): moves the cases with codes up to `low` to the left; returns the rows there.
  template <class Move>
  void judge_drawn(const SearchNode<Case>& node, Code first, Code last, const Move& move, bool missing_left = false) {
    const DrawnCut cut =
        draw_cut(table_, judge_.feature, first, last, threshold_bits(options_, node.key, judge_.feature, 0));
    if (!judge(move(cut.low), missing_left)) return;
    if constexpr (Criterion::kCells) {
      left_ = criterion_.left;
      left_known_ = true;
    }
    judge_.best.low = cut.low;
    judge_.best.high = cut.low + 1;
    judge_.best.drawn = cut.drawn;
    judge_.best.is_drawn = table_.exact;
  }

  // --- nominal ---

  void search_nominal(const SearchNode<Case>& node, const CodedColumn& column) {
    levels_.read(node.cases, codes_->sorted(sort_), criterion_);
    for (const bool missing_left : {true, false}) {
      if (missing_left && !direction()) continue;
      const auto judge_subset = [&](std::int64_t left_rows) {
        if (judge(left_rows, missing_left)) take_subset(column);
      };
      if (options_.random_thresholds) {
        levels_.drawn(criterion_, start(node, missing_left), judge_subset, [&](std::size_t level) {
          return (threshold_bits(options_, node.key, judge_.feature, levels_.level(level)) & 1u) != 0;
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
    if (judge_.best.found()) orient();
  }

  bool searches_all_subsets() const {
    if (options_.nominal == NominalSearch::kExhaustive) return true;
    return options_.nominal == NominalSearch::kAuto && !criterion_.order_is_exact() &&
           levels_.n_levels() <= static_cast<std::size_t>(kExhaustiveLevels);
  }

  void take_subset(const CodedColumn& column) {
    judge_.best.branches.assign(static_cast<std::size_t>(column.n_codes - 1), -1);
    for (std::size_t i = 0; i < levels_.n_levels(); ++i)
      judge_.best.branches[levels_.level(i) - 1] = levels_.left()[i] != 0 ? 0 : 1;
  }

  // Child 0 is the side of the smaller mean response, of equal ones that of the first level.
  void orient() {
    const auto width = static_cast<std::size_t>(criterion_.width);
    std::vector<std::int64_t> side[2] = {std::vector<std::int64_t>(width, 0), std::vector<std::int64_t>(width, 0)};
    for (std::size_t i = 0; i < levels_.n_levels(); ++i) {
      std::vector<std::int64_t>& own = side[judge_.best.branches[levels_.level(i) - 1]];
      for (std::size_t k = 0; k < width; ++k) own[k] += levels_.cell(i)[k];
    }
    if (side[1][0] == 0) return;  // all levels against the missing cases
    const Ratio means[2] = {criterion_.mean(side[0].data()), criterion_.mean(side[1].data())};
    const bool first_right = judge_.best.branches[levels_.level(0) - 1] == 1;
    const bool equal = !(means[0] < means[1]) && !(means[1] < means[0]);
    if (equal ? !first_right : means[0] < means[1]) return;
    for (std::int8_t& branch : judge_.best.branches) branch = static_cast<std::int8_t>(branch < 0 ? -1 : 1 - branch);
    judge_.best.missing_left = !judge_.best.missing_left;
  }

  const CodedTable& table_;
  const CartOptions& options_;
  Criterion criterion_;
  std::vector<LevelOrder> orders_;
  NominalSearcher<Criterion> levels_;
  PlaceSort sort_;

  NodeCodes* codes_ = nullptr;
  CutJudge judge_;
  std::int64_t n_missing_ = 0;
  const std::int64_t* present_ = nullptr;  // [width]
  std::vector<std::int64_t> missing_;      // [width]
  std::vector<std::int64_t> left_;         // [width]
  bool left_known_ = false;
  std::span<const Case> present_cases_;
  std::vector<Case> kept_;
  PageVector<std::int64_t> cells_;
  std::vector<std::uint32_t> rows_;
};

}  // namespace pygbt
