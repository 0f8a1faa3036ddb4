// SPDX-License-Identifier: Apache-2.0
// The cases of a node in the order of their codes in one column: an exact search reads them one after the other.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "decision/coded_table.h"

namespace pygbt {

// A case by its code in the high half and its place in the node in the low half: one comparison orders both.
using CodedPlace = std::uint64_t;
inline Code code_of(CodedPlace item) { return static_cast<Code>(item >> 32); }
inline std::uint32_t place_of(CodedPlace item) { return static_cast<std::uint32_t>(item); }

// Codes of the cases of a node in one column, read once a search. Reused from column to column.
class NodeCodes {
 public:
  // Reads the codes; `of` [place] are the cases.
  template <class Case>
  void read(const CodedColumn& column, std::span<const Case> of) {
    n_ = of.size();
    if (codes_.size() < n_) codes_.resize(n_ + n_ / 2);
    visit_codes(column, [&](const auto* data) {
      Code least = ~Code{0}, most = 0;
      std::size_t missing = 0;
      for (std::size_t i = 0; i < n_; ++i) {
        const Code code = data[of[i].row];
        codes_[i] = code;
        most = std::max(most, code);
        least = std::min(least, code - 1);  // missing ones become the largest
        missing += code == kMissingCode ? 1 : 0;
      }
      n_missing_ = missing;
      least_ = least + 1;
      most_ = most;
    });
  }

  std::size_t size() const { return n_; }
  std::size_t n_missing() const { return n_missing_; }
  Code code(std::size_t place) const { return codes_[place]; }
  Code least() const { return least_; }  // of the codes that are not missing, if there are any
  Code most() const { return most_; }
  bool constant() const { return n_ == n_missing_ || least_ == most_; }

  // The places of the cases that are not missing, ascending by code and place.
  std::span<const CodedPlace> sorted() {
    if (items_.size() < n_) {
      items_.resize(n_ + n_ / 2);
      spare_.resize(n_ + n_ / 2);
    }
    std::size_t n = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      items_[n] = (CodedPlace{codes_[i]} << 32) | i;
      n += codes_[i] != kMissingCode ? 1 : 0;
    }
    return {sort(n), n};
  }

 private:
  static constexpr std::size_t kInsertion = 20;
  static constexpr int kDigitBits = 8;

  const CodedPlace* sort(std::size_t n) {
    if (n <= kInsertion) {
      for (std::size_t i = 1; i < n; ++i) {
        const CodedPlace item = items_[i];
        std::size_t j = i;
        for (; j > 0 && items_[j - 1] > item; --j) items_[j] = items_[j - 1];
        items_[j] = item;
      }
      return items_.data();
    }
    const int bits = static_cast<int>(std::bit_width(most_ - least_));
    const int passes = (bits + kDigitBits - 1) / kDigitBits;
    if (n < 48 * static_cast<std::size_t>(passes)) {
      std::sort(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(n));
      return items_.data();
    }
    CodedPlace* from = items_.data();
    CodedPlace* to = spare_.data();
    for (int pass = 0; pass < passes; ++pass) {  // stable: equal codes stay in the order of their places
      const int shift = pass * kDigitBits;
      std::uint32_t begin[1 << kDigitBits] = {};
      for (std::size_t i = 0; i < n; ++i) ++begin[((code_of(from[i]) - least_) >> shift) & 0xff];
      std::uint32_t before = 0;
      for (std::uint32_t& b : begin) before += std::exchange(b, before);
      for (std::size_t i = 0; i < n; ++i) to[begin[((code_of(from[i]) - least_) >> shift) & 0xff]++] = from[i];
      std::swap(from, to);
    }
    return from;
  }

  std::size_t n_ = 0, n_missing_ = 0;
  Code least_ = 0, most_ = 0;
  std::vector<Code> codes_;            // [place]
  std::vector<CodedPlace> items_, spare_;
};

}  // namespace pygbt
