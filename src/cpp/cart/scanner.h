// SPDX-License-Identifier: Apache-2.0
// How a scan moves cases from side to side.
#pragma once

#include <cstdint>

#include "math/impurity.h"

namespace pygbt {

// What moves cases one by one: the criterion itself, or its sums in registers, given back at the end.
template <class Criterion>
struct Scanner {
  Criterion& of;
  explicit Scanner(Criterion& criterion) : of(criterion) {}
  void add(const typename Criterion::Case& one) { of.add(one); }
  CutScore score() const { return of.score(); }
  bool alike() const { return of.alike(); }
  bool perfect() const { return of.perfect(); }
  std::int64_t left_weight() const { return of.left_weight(); }
  std::int64_t right_weight() const { return of.right_weight(); }
};

}  // namespace pygbt
