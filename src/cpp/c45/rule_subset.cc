// SPDX-License-Identifier: Apache-2.0
#include "c45/rule_subset.h"

#include <cstddef>
#include <utility>

namespace pygbt {

RuleSubset::RuleSubset(std::vector<std::vector<std::int32_t>> covered, std::span<const double> weight,
                       std::span<const std::uint8_t> right)
    : covered_(std::move(covered)),
      rules_begin_(weight.size() + 1, 0),
      weight_(weight.begin(), weight.end()),
      right_(right.begin(), right.end()),
      times_(weight.size(), 0),
      inside_(covered_.size(), 1),
      own_(covered_.size()) {
  for (const auto& rows : covered_)
    for (const std::int32_t row : rows) ++times_[static_cast<std::size_t>(row)];
  for (std::size_t row = 0; row < times_.size(); ++row) rules_begin_[row + 1] = rules_begin_[row] + times_[row];
  rules_.resize(static_cast<std::size_t>(rules_begin_.back()));
  std::vector<std::int64_t> at(rules_begin_.begin(), rules_begin_.end() - 1);
  for (std::size_t rule = 0; rule < covered_.size(); ++rule)
    for (const std::int32_t row : covered_[rule])
      rules_[static_cast<std::size_t>(at[static_cast<std::size_t>(row)]++)] = static_cast<std::int32_t>(rule);
  for (std::size_t row = 0; row < times_.size(); ++row) {
    const auto id = static_cast<std::int32_t>(row);
    if (times_[row] > 0) add(covered_weight_, id, 1.0);
    if (times_[row] == 1)
      add(own_[static_cast<std::size_t>(rules_[static_cast<std::size_t>(rules_begin_[row])])], id, 1.0);
  }
}

void RuleSubset::add(Weight& to, std::int32_t row, double sign) const {
  const auto i = static_cast<std::size_t>(row);
  (right_[i] != 0 ? to.right : to.wrong) += sign * weight_[i];
}

// A row counts for the one rule that covers it, or for all that would; so it changes sides where it is covered 0, 1 or 2
// times before or afterwards.
void RuleSubset::toggle(std::int32_t rule) {
  const bool out = inside(rule);
  inside_[static_cast<std::size_t>(rule)] = out ? 0 : 1;
  for (const std::int32_t row : covered_[static_cast<std::size_t>(rule)]) {
    const auto i = static_cast<std::size_t>(row);
    const std::int32_t before = times_[i], now = before + (out ? -1 : 1);
    times_[i] = now;
    if (before == 0) add(covered_weight_, row, 1.0);
    if (now == 0) add(covered_weight_, row, -1.0);
    if (before > 2 || now > 2) continue;
    for (std::int64_t at = rules_begin_[i]; at < rules_begin_[i + 1]; ++at) {
      const std::int32_t other = rules_[static_cast<std::size_t>(at)];
      // Own before: covered once by a rule inside, or not at all and the rule outside.
      const bool was_inside = other == rule ? out : inside(other);
      const bool was = before == (was_inside ? 1 : 0), is = now == (inside(other) ? 1 : 0);
      if (was != is) add(own_[static_cast<std::size_t>(other)], row, is ? 1.0 : -1.0);
    }
  }
}

}  // namespace pygbt
