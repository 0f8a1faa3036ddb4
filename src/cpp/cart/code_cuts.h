// SPDX-License-Identifier: Apache-2.0
// All cuts of a few columns of one node by sums a code, judged at once. For numeric columns of some thousand codes at
// most that no row lacks, of trees that ask nothing but cuts. The same cuts, sums and order as elsewhere.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/pages.h"
#include "cart/cart_options.h"
#include "cart/cut_judge.h"
#include "cart/code_sums.h"
#include "decision/coded_table.h"

namespace pygbt {

// One a thread. Columns are added, cases counted, and the best cut taken; no column is left then.
template <class Criterion>
class CodeCuts {
 public:
  using Case = typename Criterion::Case;
  static constexpr std::int32_t kMostColumns = kMostCodeColumns;  // at a time

  CodeCuts(const CodedTable& table, const Criterion& criterion, const CartOptions& options, LeastSide least)
      : table_(table), sums_(criterion) {
    if constexpr (kAny)
      fits_ = sums_.fits() && !options.random_thresholds && options.cp < 0.0 && options.feature_cost.empty() &&
              least.rows <= 1;
  }

  // Whether a node with these sums can be searched so.
  bool fits(const std::int64_t* total) const {
    if constexpr (kAny) return fits_ && sums_.fits(total);
    return false;
  }
  // Whether its cuts of the column can.
  bool fits(FeatureId feature) const {
    constexpr auto kMostCodes = static_cast<std::int32_t>(CodeRoom<std::uint16_t>::kCodes);
    const CodedColumn& column = column_of(feature);
    return !column.nominal && !column.has_missing && column.width <= 2 && column.n_codes <= kMostCodes;
  }
  bool empty() const { return batch_[0].columns.n + batch_[1].columns.n == 0; }
  bool full() const { return std::max(batch_[0].columns.n, batch_[1].columns.n) == kMostColumns; }

  // codes: of row 0; stride: bytes from row to row, the same for all columns of one width.
  void add(FeatureId feature, const std::uint8_t* codes, std::size_t stride) {
    const CodedColumn& column = column_of(feature);
    Batch& batch = batch_[column.width - 1];
    CodeColumns& to = batch.columns;
    if (to.room == nullptr) reserve(batch, column.width);
    if (to.n == 0) to.codes = codes;
    std::int32_t at = to.n++;
    for (; at > 0 && batch.feature[at - 1] > feature; --at) {  // ascending: the first of equal cuts is the best
      batch.feature[at] = batch.feature[at - 1];
      to.offset[at] = to.offset[at - 1];
      to.n_codes[at] = to.n_codes[at - 1];
    }
    batch.feature[at] = feature;
    to.offset[at] = codes - to.codes;
    to.n_codes[at] = column.n_codes;
    to.stride = stride;
  }

  // Cases of the node, all at once or part by part.
  void count(std::span<const Case> cases) {
    if constexpr (kAny)
      for (std::size_t width : {1u, 2u})
        if (batch_[width - 1].columns.n > 0) sums_.count(width, batch_[width - 1].columns, cases);
  }

  // Judges the cuts of the columns; constant(feature) is called for those with one code. Whether the best beats that of
  // the judge, which then has it, and `left` the cell of its left side. total: of the node, whose criterion has been
  // started.
  template <class Constant>
  bool judge(const Criterion& criterion, const std::int64_t* total, CutJudge& judge, std::int64_t* left,
             const Constant& constant) {
    bool better = false;
    if constexpr (kAny) {
      const CutRules rules{total[0], 0, judge.least.weight, judge.parent};
      for (const std::size_t width : {1u, 2u}) {
        Batch& batch = batch_[width - 1];
        if (batch.columns.n == 0) continue;
        std::int32_t end[kMostColumns];
        const BestCut best = sums_.best(width, batch.columns, criterion, total, rules, end);
        std::int32_t of = 0;
        for (std::int32_t c = 0; c < batch.columns.n; ++c) {
          if (end[c] - (c == 0 ? 0 : end[c - 1]) == 1) constant(batch.feature[c]);
          of += end[c] <= best.at ? 1 : 0;
        }
        batch.columns.n = 0;
        judge.feature = batch.feature[of];
        if (best.at < 0 || !judge.beats(best.improvement)) continue;
        judge.take(best.improvement, false, sums_.pure(best.at));
        judge.best.low = sums_.code(best.at);
        judge.best.high = sums_.code(best.at + 1);
        sums_.take_left(best.at, left);
        better = true;
      }
    }
    return better;
  }

 private:
  static constexpr bool kAny = CodeSums<Criterion>::kAny;

  // Columns with codes of one width.
  struct Batch {
    CodeColumns columns;
    FeatureId feature[kMostColumns] = {};
    PageVector<std::uint8_t> room;
  };

  const CodedColumn& column_of(FeatureId feature) const { return table_.columns[static_cast<std::size_t>(feature)]; }

  void reserve(Batch& batch, std::size_t width) {
    if constexpr (kAny) {
      const std::size_t cell = sums_.cell_bytes();
      const std::size_t room = width == 1 ? CodeRoom<std::uint8_t>::bytes(cell) : CodeRoom<std::uint16_t>::bytes(cell);
      batch.room.assign(static_cast<std::size_t>(kMostColumns) * room, 0);
      batch.columns.room = batch.room.data();
      std::size_t most = 0;  // codes of a column
      for (FeatureId f = 0; f < table_.n_features(); ++f)
        if (fits(f)) most = std::max(most, static_cast<std::size_t>(column_of(f).n_codes));
      sums_.reserve(static_cast<std::size_t>(kMostColumns) * most + kCutPadding);
    }
  }

  const CodedTable& table_;
  CodeSums<Criterion> sums_;
  bool fits_ = false;
  Batch batch_[2];  // [bytes of a code - 1]
};

}  // namespace pygbt
