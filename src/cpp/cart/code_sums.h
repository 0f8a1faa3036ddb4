// SPDX-License-Identifier: Apache-2.0
// The sums by which the kernels of backend/cut_kernels.h judge cuts, a criterion each: Gini of up to 16 classes, means
// of one target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "backend/cut_kernels.h"
#include "backend/isa_dispatch.h"
#include "backend/kernels.h"
#include "base/pages.h"
#include "cart/class_criteria.h"
#include "cart/value_criteria.h"

namespace pygbt {

// Of other criteria: none.
template <class Criterion>
class CodeSums {
 public:
  static constexpr bool kAny = false;
  explicit CodeSums(const Criterion&) {}
};

template <>
class CodeSums<GiniCounts> {
 public:
  static constexpr bool kAny = true;

  explicit CodeSums(const GiniCounts& criterion)
      : n_classes_(static_cast<std::size_t>(criterion.width - 1)),
        parts_((criterion.width - 1 + kClassesAPart - 1) / kClassesAPart) {}

  bool fits() const { return parts_ <= kMostClassParts; }
  // Whether a node with these sums does.
  bool fits(const std::int64_t* total) const { return total[0] <= kMostClassWeight; }
  std::size_t cell_bytes() const { return classes() * sizeof(std::uint16_t); }
  void reserve(std::size_t n_cuts) {
    if (cuts_.size() < n_cuts) cuts_.resize(n_cuts);
    if (left_.size() < n_cuts * classes()) left_.resize(n_cuts * classes());
  }
  // width: bytes of a code.
  void count(std::size_t width, const CodeColumns& columns, std::span<const ClassCase> cases) const {
    kernels_->count_classes[width - 1][part()](columns, cases.data(), static_cast<std::int64_t>(cases.size()));
  }
  // Sets a cell, which is 0, to these sums, or to the rest of the total.
  void set_cell(std::uint8_t* cell, const std::int64_t* sums, const std::int64_t* total) const {
    auto* const to = reinterpret_cast<std::uint16_t*>(cell);
    for (std::size_t k = 0; k < n_classes_; ++k)
      to[k] = static_cast<std::uint16_t>(total == nullptr ? sums[1 + k] : total[1 + k] - sums[1 + k]);
  }
  // Clears the cells. total: of the node, whose criterion has been started; end: see CutKernels.
  BestCut best(std::size_t width, const CodeColumns& columns, const GiniCounts&, const std::int64_t* total,
               CutRules rules, std::int32_t* end) {
    std::uint16_t own[kMostClassParts * kClassesAPart] = {};
    for (std::size_t k = 0; k < n_classes_; ++k) own[k] = static_cast<std::uint16_t>(total[1 + k]);
    weight_ = total[0];
    const std::int32_t n = kernels_->class_cuts[width - 1][part()](columns, own, cuts_.data(), left_.data(), end);
    return kernels_->best_class_cut(cuts_.data(), n, rules);
  }
  Code code(std::int32_t cut) const { return static_cast<Code>(cuts_[static_cast<std::size_t>(cut)].code); }
  bool pure(std::int32_t at) const {
    const ClassCut& cut = cuts_[static_cast<std::size_t>(at)];
    return GiniCounts::Sums{cut.left, weight_ - cut.left, cut.left_squares, cut.right_squares}.perfect();
  }
  void take_left(std::int32_t at, std::int64_t* left) const {
    const auto cut = static_cast<std::size_t>(at);
    left[0] = cuts_[cut].left;
    for (std::size_t k = 0; k < n_classes_; ++k) left[1 + k] = left_[cut * classes() + k];
  }

 private:
  std::size_t classes() const { return static_cast<std::size_t>(parts_ * kClassesAPart); }
  std::size_t part() const { return static_cast<std::size_t>(parts_ - 1); }

  const CutKernels* kernels_ = &kernels().cuts;
  std::size_t n_classes_;
  std::int32_t parts_;
  std::int64_t weight_ = 0;
  PageVector<ClassCut> cuts_;
  PageVector<std::uint16_t> left_;  // [cut][classes]
};

template <>
class CodeSums<SquaredSides> {
 public:
  static constexpr bool kAny = true;

  explicit CodeSums(const SquaredSides& criterion) : one_target_(criterion.n_targets() == 1) {}

  bool fits() const { return one_target_; }
  bool fits(const std::int64_t*) const { return true; }
  std::size_t cell_bytes() const { return sizeof(ValueCell); }
  void reserve(std::size_t n_cuts) {
    if (left_.size() >= n_cuts) return;
    left_.resize(n_cuts);
    left_sum_.resize(n_cuts);
    code_.resize(n_cuts);
  }
  void count(std::size_t width, const CodeColumns& columns, std::span<const ValueCase> cases) const {
    kernels_->count_values[width - 1](columns, cases.data(), static_cast<std::int64_t>(cases.size()));
  }
  void set_cell(std::uint8_t* cell, const std::int64_t* sums, const std::int64_t* total) const {
    *reinterpret_cast<ValueCell*>(cell) =
        total == nullptr ? ValueCell{sums[0], sums[1]} : ValueCell{total[0] - sums[0], total[1] - sums[1]};
  }
  BestCut best(std::size_t width, const CodeColumns& columns, const SquaredSides& criterion, const std::int64_t* total,
               CutRules rules, std::int32_t* end) {
    centre_ = criterion.centre();
    rules.sum = total[1] - centre_ * total[0];
    const ValueCuts cuts{left_.data(), left_sum_.data(), code_.data()};
    const std::int32_t n = kernels_->value_cuts[width - 1](columns, centre_, cuts, end);
    return kernels_->best_value_cut(cuts, n, rules);
  }
  Code code(std::int32_t cut) const { return static_cast<Code>(code_[static_cast<std::size_t>(cut)]); }
  bool pure(std::int32_t) const { return false; }
  void take_left(std::int32_t at, std::int64_t* left) const {
    const auto cut = static_cast<std::size_t>(at);
    left[0] = left_[cut];
    left[1] = left_sum_[cut] + centre_ * left_[cut];
  }

 private:
  const CutKernels* kernels_ = &kernels().cuts;
  bool one_target_;
  std::int64_t centre_ = 0;
  PageVector<std::int64_t> left_, left_sum_;
  PageVector<std::int32_t> code_;
};

}  // namespace pygbt
