// SPDX-License-Identifier: Apache-2.0
// A changing subset of rules: the weight that it covers, and what it would gain or lose with each rule. Called by the search for
// the subset with the shortest description (pygbt/tree/c45rules).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pygbt {

class RuleSubset {
 public:
  // All rules. covered [rule] the rows it covers, ascending; weight [row]; right [row] whether the row is of the class of the rules.
  RuleSubset(std::vector<std::vector<std::int32_t>> covered, std::span<const double> weight,
             std::span<const std::uint8_t> right);

  // Takes the rule out, or back in.
  void toggle(std::int32_t rule);

  // Weight of rows of the class, and of the others.
  struct Weight {
    double right = 0.0, wrong = 0.0;
  };
  const Weight& covered() const { return covered_weight_; }
  // [rule] of the rows that it alone covers (one in the subset), or that it would add.
  const std::vector<Weight>& own() const { return own_; }

 private:
  void add(Weight& to, std::int32_t row, double sign) const;
  bool inside(std::int32_t rule) const { return inside_[static_cast<std::size_t>(rule)] != 0; }

  std::vector<std::vector<std::int32_t>> covered_;  // [rule] rows
  std::vector<std::int64_t> rules_begin_;  // [row + 1] into rules_
  std::vector<std::int32_t> rules_;  // by row
  std::vector<double> weight_;
  std::vector<std::uint8_t> right_;
  std::vector<std::int32_t> times_;  // [row] rules of the subset that cover it
  std::vector<std::uint8_t> inside_;
  Weight covered_weight_;
  std::vector<Weight> own_;
};

}  // namespace pygbt
