// SPDX-License-Identifier: Apache-2.0
// All cuts of a few columns of one node by sums a code, judged at once. For numeric columns of some thousand codes at
// most that no row lacks, of trees that ask nothing but cuts. The same cuts, sums and order as elsewhere.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/pages.h"
#include "cart/cart_options.h"
#include "cart/code_sums.h"
#include "cart/cut_judge.h"
#include "cart/ranked_codes.h"
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
  bool empty() const {
    return std::all_of(batch_.begin(), batch_.end(), [](const Batch& batch) { return batch.columns.n == 0; });
  }
  bool full() const {
    return std::any_of(batch_.begin(), batch_.end(), [](const Batch& b) { return b.columns.n == kMostColumns; });
  }

  // codes: of row 0; stride: bytes from row to row, the same for all columns of one width.
  void add(FeatureId feature, const std::uint8_t* codes, std::size_t stride) {
    add(batch_[column_of(feature).width - 1], feature, column_of(feature).n_codes, codes, stride);
  }
  // A column that has ranks, of which the first byte is read: at most 64, and 0.
  void add_ranks(FeatureId feature, std::int32_t n_codes, const std::uint8_t* codes, std::size_t stride) {
    add(batch_[0], feature, n_codes, codes, stride);
  }

  // A column of two values whose cells are known: that of code 1; the other cases have code 2. These come ascending.
  void add_two(FeatureId feature, const std::int64_t* low, const std::int64_t* total) {
    if constexpr (kAny) {
      Batch& batch = batch_[kCounted];
      const std::int32_t at = add_to(batch, feature, 3);
      std::uint8_t* const room = batch.columns.room + static_cast<std::size_t>(at) * room_bytes<std::uint8_t>();
      for (const std::size_t code : {1u, 2u}) {
        room[code] = 1;
        sums_.set_cell(room + CodeRoom<std::uint8_t>::kMarkBytes + code * sums_.cell_bytes(), low,
                       code == 1 ? nullptr : total);
      }
    }
  }

  // Cases of the node, all at once or part by part.
  void count(std::span<const Case> cases) {
    if constexpr (kAny)
      for (const std::size_t width : {1u, 2u})
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
      for (Batch& batch : batch_) {
        if (batch.columns.n == 0) continue;
        std::int32_t end[kMostColumns];
        const std::size_t width = &batch == &batch_[1] ? 2 : 1;
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
  static constexpr std::size_t kCounted = 2;

  // Columns with codes of one width.
  struct Batch {
    CodeColumns columns;
    FeatureId feature[kMostColumns] = {};
    PageVector<std::uint8_t> room;
  };

  const CodedColumn& column_of(FeatureId feature) const { return table_.columns[static_cast<std::size_t>(feature)]; }

  void add(Batch& batch, FeatureId feature, std::int32_t n_codes, const std::uint8_t* codes, std::size_t stride) {
    if (batch.columns.n == 0) batch.columns.codes = codes;
    const std::int32_t at = add_to(batch, feature, n_codes);
    batch.columns.offset[at] = codes - batch.columns.codes;
    batch.columns.stride = stride;
  }

  template <class T>
  std::size_t room_bytes() const {
    if constexpr (kAny) return CodeRoom<T>::bytes(sums_.cell_bytes());
    return 0;
  }

  // Its place: ascending, since the first of equal cuts is the best.
  std::int32_t add_to(Batch& batch, FeatureId feature, std::int32_t n_codes) {
    CodeColumns& to = batch.columns;
    if (to.room == nullptr) reserve(batch);
    std::int32_t at = to.n++;
    for (; at > 0 && batch.feature[at - 1] > feature; --at) {
      batch.feature[at] = batch.feature[at - 1];
      to.offset[at] = to.offset[at - 1];
      to.n_codes[at] = to.n_codes[at - 1];
    }
    batch.feature[at] = feature;
    to.n_codes[at] = n_codes;
    return at;
  }

  void reserve(Batch& batch) {
    if constexpr (kAny) {
      const std::size_t room = &batch == &batch_[1] ? room_bytes<std::uint16_t>() : room_bytes<std::uint8_t>();
      batch.room.assign(static_cast<std::size_t>(kMostColumns) * room, 0);
      batch.columns.room = batch.room.data();
      std::size_t most = RankedCodes::kMost + 1;  // codes of a column
      for (FeatureId f = 0; f < table_.n_features(); ++f)
        if (fits(f)) most = std::max(most, static_cast<std::size_t>(column_of(f).n_codes));
      sums_.reserve(static_cast<std::size_t>(kMostColumns) * most + kCutPadding);
    }
  }

  const CodedTable& table_;
  CodeSums<Criterion> sums_;
  bool fits_ = false;
  std::array<Batch, 3> batch_;  // [bytes of a code - 1], and of columns whose cells are known
};

}  // namespace pygbt
