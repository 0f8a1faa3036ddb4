// SPDX-License-Identifier: Apache-2.0
// The codes of a node's cases in one column, and the cases in their order: what a search reads.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "backend/isa_dispatch.h"
#include "backend/kernels.h"
#include "decision/coded_table.h"

namespace pygbt {

// A case by its code in the high half and its place in the node in the low half: one comparison orders both.
using CodedPlace = std::uint64_t;
inline Code code_of(CodedPlace item) { return static_cast<Code>(item >> 32); }
inline std::uint32_t place_of(CodedPlace item) { return static_cast<std::uint32_t>(item); }

class NodeCodes {
 public:
  static constexpr std::size_t kPadding = 64;  // bytes after the codes that may be read

  // Calls use(const T* codes) with the type of the codes.
  template <class Use>
  decltype(auto) visit(Use&& use) const {
    if (width_ == 1) return use(reinterpret_cast<const std::uint8_t*>(bytes_.data()));
    if (width_ == 2) return use(reinterpret_cast<const std::uint16_t*>(bytes_.data()));
    return use(reinterpret_cast<const std::uint32_t*>(bytes_.data()));
  }

  // Room for n codes of the column; the caller writes them at data() and calls finish().
  void start(const CodedColumn& column, std::size_t n) {
    n_ = n;
    width_ = column.width;
    may_lack_ = column.has_missing;
    grow(bytes_, n * width_ + kPadding);
  }
  void* data() { return bytes_.data(); }
  void finish() {
    visit([&](const auto* codes) { find_range(codes); });
  }

  // Reads the codes of the cases from the column.
  template <class Case>
  void read(const CodedColumn& column, std::span<const Case> cases) {
    start(column, cases.size());
    visit_codes(column, [&]<class T>(const T* codes) {
      T* out = reinterpret_cast<T*>(bytes_.data());
      for (std::size_t i = 0; i < n_; ++i) out[i] = codes[cases[i].row];
    });
    finish();
  }

  std::size_t size() const { return n_; }
  std::size_t n_missing() const { return n_missing_; }
  int width() const { return width_; }
  Code code(std::size_t place) const {
    return visit([&](const auto* codes) { return static_cast<Code>(codes[place]); });
  }
  Code least() const { return least_; }  // of the codes that are not missing, if there are any
  Code most() const { return most_; }
  bool constant() const { return n_ == n_missing_ || least_ == most_; }

  // The places of the cases that are not missing, ascending by code and place.
  std::span<const CodedPlace> sorted() {
    grow(items_, n_);
    grow(spare_, n_);
    std::size_t n = 0;
    if (n_ <= kFew && n_missing_ == 0 && most_ < Code{1} << (31 - kFewBits)) return sort_few();
    visit([&](const auto* codes) {
      if (n_missing_ == 0) {
        for (; n < n_; ++n) items_[n] = (CodedPlace{codes[n]} << 32) | n;
        return;
      }
      for (std::size_t i = 0; i < n_; ++i) {
        items_[n] = (CodedPlace{codes[i]} << 32) | i;
        n += codes[i] != kMissingCode ? 1 : 0;
      }
    });
    return {sort(n), n};
  }

 private:
  static constexpr std::size_t kFew = 64;
  static constexpr int kFewBits = 6;
  static constexpr int kDigitBits = 8;

  // Exactly as much at first: the root comes first.
  template <class T>
  static void grow(std::vector<T>& memory, std::size_t n) {
    if (memory.size() < n) memory.resize(std::max(n, memory.size() * 3 / 2));
  }

  template <class T>
  void find_range(const T* codes) {
    T least = static_cast<T>(~T{0}), most = 0;
    for (std::size_t i = 0; i < n_; ++i) {
      least = std::min(least, codes[i]);
      most = std::max(most, codes[i]);
    }
    n_missing_ = 0;
    if (may_lack_ && least == kMissingCode) {
      least = static_cast<T>(~T{0});
      for (std::size_t i = 0; i < n_; ++i) {
        n_missing_ += codes[i] == kMissingCode ? 1 : 0;
        least = std::min(least, codes[i] == kMissingCode ? least : codes[i]);
      }
    }
    least_ = least;
    most_ = most;
  }

  std::span<const CodedPlace> sort_few() {
    std::uint32_t keys[kFew], ascending[kFew];
    visit([&](const auto* codes) {
      for (std::size_t i = 0; i < n_; ++i) keys[i] = (Code{codes[i]} << kFewBits) | static_cast<std::uint32_t>(i);
    });
    sort_few_(keys, static_cast<std::int32_t>(n_), ascending);
    for (std::size_t i = 0; i < n_; ++i)
      items_[i] = (CodedPlace{ascending[i] >> kFewBits} << 32) | (ascending[i] & (kFew - 1));
    return {items_.data(), n_};
  }

  const CodedPlace* sort(std::size_t n) {
    const int bits = static_cast<int>(std::bit_width(most_ - least_));
    const int passes = (bits + kDigitBits - 1) / kDigitBits;
    if (n < 40 * static_cast<std::size_t>(passes)) {  // several digits
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

  decltype(Kernels::sort_few) sort_few_ = kernels().sort_few;
  std::size_t n_ = 0, n_missing_ = 0;
  std::uint8_t width_ = 1;
  bool may_lack_ = false;
  Code least_ = 0, most_ = 0;
  std::vector<std::uint8_t> bytes_;  // [place] codes of `width_` bytes
  std::vector<CodedPlace> items_, spare_;
};

}  // namespace pygbt
