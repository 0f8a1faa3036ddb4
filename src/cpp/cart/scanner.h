// SPDX-License-Identifier: Apache-2.0
// How a scan moves cases from side to side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "cart/cut_judge.h"
#include "math/impurity.h"

namespace pygbt {

// What moves cases one by one: the criterion itself, or its sums in registers, given back at the end.
template <class Criterion>
struct Scanner {
  Criterion& of;
  explicit Scanner(Criterion& criterion) : of(criterion) {}
  bool cheap() const { return false; }  // whether a score costs less than a branch that is not foreseen
  void add(const typename Criterion::Case& one) { of.add(one); }
  CutScore score() const { return of.score(); }
  bool alike() const { return of.alike(); }
  bool perfect() const { return of.perfect(); }
  std::int64_t left_weight() const { return of.left_weight(); }
  std::int64_t right_weight() const { return of.right_weight(); }
};

// The sides of one cut, given the cell of the left one and that of both: by the criterion itself, or by what it says.
template <class Criterion>
struct OneCut {
  const Criterion& of;
  OneCut(Criterion& criterion, std::span<const typename Criterion::Case> cases, const std::int64_t* low,
         const std::int64_t* total)
      : of(criterion) {
    criterion.start(cases, total);
    criterion.add_cell(low);
  }
  CutScore score() const { return of.score(); }
  bool alike() const { return of.alike(); }
  bool perfect() const { return of.perfect(); }
  std::int64_t left_weight() const { return of.left_weight(); }
  std::int64_t right_weight() const { return of.right_weight(); }
};

// Judges every cut of a column. order: the cases ascending by code, each as its code above kPlaceBits bits of its place.
template <int kPlaceBits, class Criterion, class Item>
void scan_in_order(Criterion& criterion, CutJudge& judge, const typename Criterion::Case* cases,
                   std::span<const Item> order, std::int64_t left_rows, bool missing_left) {
  constexpr Item kPlace = (Item{1} << kPlaceBits) - 1;
  const std::size_t n = order.size();
  Scanner<Criterion> scan(criterion);
  const auto judge_cut = [&](Item code, Item next) {
    if (!judge.better(scan, left_rows, missing_left)) return;
    judge.best.low = static_cast<Code>(code);
    judge.best.high = static_cast<Code>(next);
  };
  for (std::size_t i = 0; i + 1 < n; ++i) {
    scan.add(cases[order[i] & kPlace]);
    ++left_rows;
    const Item code = order[i] >> kPlaceBits, next = order[i + 1] >> kPlaceBits;
    if (scan.cheap()) {  // scored at every case, whether there is a cut or not: hardly one beats the best
      const bool cut = next != code;
      if (cut & !judge.worse(scan.score())) judge_cut(code, next);
    } else if (next != code) {
      judge_cut(code, next);
    }
  }
  scan.add(cases[order[n - 1] & kPlace]);
}

}  // namespace pygbt
