// SPDX-License-Identifier: Apache-2.0
// The codes of a table row by row, for searches that ask a node for a few drawn columns: the codes of a row lie in one
// or two lines of the cache, whichever columns are wanted.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "decision/coded_table.h"

namespace pygbt {

struct RowCodes {
  static constexpr std::size_t kPadding = 3;  // bytes after the last row that may be read

  std::size_t stride = 0;             // bytes a row
  std::vector<std::uint32_t> offset;  // [feature] bytes from the start of a row; multiples of the code's width
  std::vector<std::uint8_t> codes;    // [row][stride], padding
  // Numeric columns of two values that no row lacks have a bit each instead: whether it is the larger one, code 2.
  std::size_t n_words = 0;            // a row
  std::vector<std::int32_t> bit;      // [feature] its place, or -1
  std::vector<std::uint64_t> bits;    // [row][n_words]

  bool empty() const { return offset.empty(); }
  bool is_bit(FeatureId feature) const { return bit[static_cast<std::size_t>(feature)] >= 0; }
  // Bytes of a row in both.
  std::size_t row_bytes() const { return stride + n_words * sizeof(std::uint64_t); }
};

// Where the codes of rows lie: those of the whole table, or copies of some.
struct RowsAt {
  const std::uint8_t* codes = nullptr;  // of row 0
  std::size_t stride = 0;
  const std::uint64_t* bits = nullptr;
};
inline RowsAt all_rows(const RowCodes& rows) { return {rows.codes.data(), rows.stride, rows.bits.data()}; }

// Calls use(code_at) with what gives the code of a feature by the row.
template <class Use>
decltype(auto) visit_rows(const RowCodes& layout, const RowsAt& rows, FeatureId feature, std::uint8_t width,
                          const Use& use) {
  const auto f = static_cast<std::size_t>(feature);
  if (layout.bit[f] >= 0) {
    const auto place = static_cast<std::size_t>(layout.bit[f]);
    const std::uint64_t* words = rows.bits + place / 64;
    return use([words, n = layout.n_words, shift = place % 64](std::uint32_t row) {
      return static_cast<std::uint8_t>(1 + (words[row * n] >> shift & 1));
    });
  }
  const auto of_type = [&]<class T>(T) {
    return use([first = rows.codes + layout.offset[f], stride = rows.stride](std::uint32_t row) {
      return *reinterpret_cast<const T*>(first + row * stride);
    });
  };
  return width == 1 ? of_type(std::uint8_t{}) : width == 2 ? of_type(std::uint16_t{}) : of_type(std::uint32_t{});
}

// Copies of the rows of some cases.
class RowCopies {
 public:
  // One after the other; the cases are numbered so. stride: bytes from copy to copy, at least that of the layout.
  template <class Case>
  void take(const RowCodes& layout, const RowsAt& from, std::span<Case> cases, std::size_t stride) {
    if (codes_.size() < cases.size() * stride + RowCodes::kPadding)
      codes_.resize(cases.size() * stride + RowCodes::kPadding);
    if (bits_.size() < cases.size() * layout.n_words) bits_.resize(cases.size() * layout.n_words);
    stride_ = stride;
    const std::size_t n_words = layout.n_words;
    const auto copy = [&]<std::size_t kChunk>(std::integral_constant<std::size_t, kChunk>) {
      std::uint8_t* to = codes_.data();
      std::uint64_t* to_bits = bits_.data();
      for (std::size_t i = 0; i < cases.size(); ++i) {
        if (i + kAhead < cases.size()) {
          const std::size_t ahead = cases[i + kAhead].row;
          __builtin_prefetch(from.codes + ahead * from.stride);
          __builtin_prefetch(from.bits + ahead * n_words);
        }
        const std::size_t own = cases[i].row;
        const std::uint8_t* row = from.codes + own * from.stride;
        for (std::size_t byte = 0; byte < layout.stride; byte += kChunk) std::memcpy(to + byte, row + byte, kChunk);
        to += stride;
        for (std::size_t word = 0; word < n_words; ++word) *to_bits++ = from.bits[own * n_words + word];
        cases[i].row = static_cast<std::uint32_t>(i);
      }
    };
    if (layout.stride % 16 == 0)
      copy(std::integral_constant<std::size_t, 16>());
    else if (layout.stride % 4 == 0)
      copy(std::integral_constant<std::size_t, 4>());
    else
      copy(std::integral_constant<std::size_t, 1>());
  }
  RowsAt rows() const { return {codes_.data(), stride_, bits_.data()}; }
  std::uint8_t* codes() { return codes_.data(); }

 private:
  static constexpr std::size_t kAhead = 12;  // rows

  std::size_t stride_ = 0;
  std::vector<std::uint8_t> codes_;
  std::vector<std::uint64_t> bits_;
};

// Calls use(begin, end) for blocks of the cases whose rows stay in L1. far: codes of row 0, or nullptr where the rows are in
// the cache; those of the next block are fetched ahead.
template <class Case, class Use>
void each_block(std::span<const Case> cases, const std::uint8_t* far, std::size_t stride, const Use& use) {
  constexpr std::size_t kBlock = 64;
  if (far == nullptr) return use(std::size_t{0}, cases.size());
  for (std::size_t begin = 0; begin < cases.size(); begin += kBlock) {
    const std::size_t end = std::min(cases.size(), begin + kBlock);
    for (std::size_t place = end; place < std::min(cases.size(), end + kBlock); ++place)
      for (std::size_t byte = 0; byte < stride; byte += 64) __builtin_prefetch(far + cases[place].row * stride + byte);
    use(begin, end);
  }
}

RowCodes make_row_codes(const CodedTable& table, int n_threads);

}  // namespace pygbt
