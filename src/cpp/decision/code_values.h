// SPDX-License-Identifier: Apache-2.0
// The values of the codes of a numeric column, ascending, in the width of the column.
#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace pygbt {

class CodeValues {
 public:
  CodeValues() = default;
  // wide: float64, else every value is a float32. n: how many will come.
  CodeValues(bool wide, std::size_t n) { wide ? wide_.reserve(n) : narrow_.reserve(n); }
  explicit CodeValues(std::vector<double> values) : wide_(std::move(values)) {}

  void push_back(double value) {
    if (wide_.capacity() > 0)
      wide_.push_back(value);
    else
      narrow_.push_back(static_cast<float>(value));
  }
  std::size_t size() const { return wide_.size() + narrow_.size(); }
  double operator[](std::size_t i) const { return narrow_.empty() ? wide_[i] : static_cast<double>(narrow_[i]); }
  // Calls use(values) with the type of the values.
  template <class Use>
  decltype(auto) visit(Use&& use) const {
    if (narrow_.empty()) return use(wide_.data());
    return use(narrow_.data());
  }
  // Number of values that do not lie above x.
  std::size_t count_up_to(double x) const {
    if (narrow_.empty())
      return static_cast<std::size_t>(std::upper_bound(wide_.begin(), wide_.end(), x) - wide_.begin());
    return static_cast<std::size_t>(std::upper_bound(narrow_.begin(), narrow_.end(), x) - narrow_.begin());
  }

 private:
  std::vector<double> wide_;  // one of the two holds them
  std::vector<float> narrow_;
};

}  // namespace pygbt
