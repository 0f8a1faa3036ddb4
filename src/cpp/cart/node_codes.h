// SPDX-License-Identifier: Apache-2.0
// The codes of a node's cases in one column: what a search reads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "base/pages.h"
#include "cart/place_sort.h"
#include "decision/coded_table.h"

namespace pygbt {

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
    const std::size_t bytes = n * width_ + kPadding;  // exactly as much at first: the root comes first
    if (bytes_.size() < bytes) bytes_.resize(bytes_.empty() ? bytes : std::max(bytes, bytes_.size() * 3 / 2));
  }
  void* data() { return bytes_.data(); }
  void finish() {
    visit([&](const auto* codes) { find_range(codes); });
  }

  // Reads the codes of the cases [begin, end) from the column, after start().
  template <class Case>
  void read(const CodedColumn& column, std::span<const Case> cases, std::size_t begin, std::size_t end) {
    visit_column(column, [&](const auto& codes) {
      auto* out = reinterpret_cast<std::remove_cvref_t<decltype(codes[0])>*>(bytes_.data());
      for (std::size_t i = begin; i < end; ++i) out[i] = codes[cases[i].row];
    });
  }
  // All of them.
  template <class Case>
  void read(const CodedColumn& column, std::span<const Case> cases) {
    start(column, cases.size());
    read(column, cases, 0, n_);
    finish();
  }
  // Gives the memory back.
  void release() { bytes_ = PageVector<std::uint8_t>(); }

  std::size_t size() const { return n_; }
  std::size_t n_missing() const { return n_missing_; }
  int width() const { return width_; }
  Code code(std::size_t place) const {
    return visit([&](const auto* codes) { return static_cast<Code>(codes[place]); });
  }
  Code least() const { return least_; }  // of the codes that are not missing, if there are any
  Code most() const { return most_; }
  bool constant() const { return n_ == n_missing_ || least_ == most_; }

  // The places of the cases that are not missing, ascending by code; they stay until the next call.
  std::span<const CodedPlace> sorted(PlaceSort& sort) const {
    return visit([&](const auto* codes) { return sort.sorted(codes, n_, n_missing_, least_, most_); });
  }

 private:
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

  std::size_t n_ = 0, n_missing_ = 0;
  std::uint8_t width_ = 1;
  bool may_lack_ = false;
  Code least_ = 0, most_ = 0;
  PageVector<std::uint8_t> bytes_;  // [place] codes of `width_` bytes
};

}  // namespace pygbt
