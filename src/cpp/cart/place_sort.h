// SPDX-License-Identifier: Apache-2.0
// Cases in the order of their codes: many are parted in place by their leading digits, until they fit a buffer that stays
// in L2; few are sorted there by counting, or by ranks. One a thread.
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
#include "base/pages.h"
#include "decision/coded_table.h"

namespace pygbt {

// A case by its code in the high half and its place in the node in the low half: one comparison orders both.
using CodedPlace = std::uint64_t;
inline Code code_of(CodedPlace item) { return static_cast<Code>(item >> 32); }
inline std::uint32_t place_of(CodedPlace item) { return static_cast<std::uint32_t>(item); }

class PlaceSort {
 public:
  // The places of the n codes that are not missing, ascending by code; equal codes in any order. least, most: of these.
  template <class T>
  std::span<const CodedPlace> sorted(const T* codes, std::size_t n, std::size_t n_missing, Code least, Code most) {
    if (items_.size() < n) items_.resize(items_.empty() ? n : std::max(n, items_.size() * 3 / 2));
    least_ = least;
    const int bits = static_cast<int>(std::bit_width(most - least));
    if (n <= kFew && n_missing == 0) return sort_few(codes, n, bits);
    std::size_t present = 0;
    for (std::size_t i = 0; i < n; ++i) {
      items_[present] = (CodedPlace{codes[i]} << 32) | i;
      present += n_missing == 0 || codes[i] != kMissingCode ? 1 : 0;
    }
    sort({items_.data(), present}, bits);
    return {items_.data(), present};
  }
  // Gives the memory back.
  void release() { items_ = PageVector<CodedPlace>(); }

 private:
  using Items = std::span<CodedPlace>;
  static constexpr std::size_t kFew = 64;
  static constexpr int kFewBits = 6, kFewCodeBits = 31 - kFewBits;
  static constexpr int kDigitBits = 8;
  static constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;
  static constexpr std::size_t kFewest = 80, kWide = 2048, kBuffer = 16384;  // items for each way to sort them

  std::size_t digit(CodedPlace item, int shift) const { return ((code_of(item) - least_) >> shift) & (kDigits - 1); }

  // Leading bits and place in 32 bits; what these leave equal is put in order one by one.
  template <class T>
  std::span<const CodedPlace> sort_few(const T* codes, std::size_t n, int bits) {
    std::uint32_t keys[kFew], ascending[kFew];
    const int shift = std::max(0, bits - kFewCodeBits);
    for (std::size_t i = 0; i < n; ++i)
      keys[i] = ((Code{codes[i]} - least_) >> shift) << kFewBits | static_cast<std::uint32_t>(i);
    sort_few_(keys, static_cast<std::int32_t>(n), ascending);
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint32_t place = ascending[i] & (kFew - 1);
      const CodedPlace item = (CodedPlace{codes[place]} << 32) | place;
      std::size_t at = i;
      for (; shift > 0 && at > 0 && items_[at - 1] > item; --at) items_[at] = items_[at - 1];
      items_[at] = item;
    }
    return {items_.data(), n};
  }

  // bits: the lowest bits of code - least that differ.
  void sort(Items items, int bits) {
    if (bits == 0 || items.size() < 2) return;
    if (items.size() < kFewest)
      std::sort(items.begin(), items.end());
    else if (items.size() < kWide)
      count_digits<8>(items, bits);
    else if (items.size() <= kBuffer)
      count_digits<11>(items, bits);
    else
      part_by_digit(items, std::max(0, bits - kDigitBits));
  }

  // From the lowest digit to the highest, between the items and the buffer.
  template <int kBits>
  void count_digits(Items items, int bits) {
    const std::size_t n = items.size();
    if (buffer_.size() < n) buffer_.resize(n);
    CodedPlace* from = items.data();
    CodedPlace* to = buffer_.data();
    const auto digit = [&](CodedPlace item, int shift) {
      return ((code_of(item) - least_) >> shift) & ((std::size_t{1} << kBits) - 1);
    };
    for (int shift = 0; shift < bits; shift += kBits) {
      std::uint32_t begin[std::size_t{1} << kBits] = {};
      for (std::size_t i = 0; i < n; ++i) ++begin[digit(from[i], shift)];
      std::uint32_t before = 0;
      for (std::uint32_t& b : begin) before += std::exchange(b, before);
      for (std::size_t i = 0; i < n; ++i) to[begin[digit(from[i], shift)]++] = from[i];
      std::swap(from, to);
    }
    if (from != items.data()) std::copy_n(from, n, items.data());
  }

  // By one digit in place ("American flag": McIlroy, Bostic, McIlroy 1993), then each part.
  void part_by_digit(Items items, int shift) {
    std::uint32_t next[kDigits] = {}, end[kDigits];
    for (const CodedPlace item : items) ++next[digit(item, shift)];
    std::uint32_t before = 0;
    for (std::size_t d = 0; d < kDigits; ++d) {
      before += std::exchange(next[d], before);
      end[d] = before;
    }
    for (std::size_t d = 0; d < kDigits; ++d) {
      while (next[d] < end[d]) {
        CodedPlace item = items[next[d]];
        for (std::size_t to = digit(item, shift); to != d; to = digit(item, shift)) std::swap(item, items[next[to]++]);
        items[next[d]++] = item;
      }
    }
    std::uint32_t begin = 0;
    for (std::size_t d = 0; d < kDigits; ++d) {
      sort(items.subspan(begin, end[d] - begin), shift);
      begin = end[d];
    }
  }

  decltype(Kernels::sort_few) sort_few_ = kernels().sort_few;
  Code least_ = 0;
  PageVector<CodedPlace> items_;
  std::vector<CodedPlace> buffer_;
};

}  // namespace pygbt
