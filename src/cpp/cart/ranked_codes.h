// SPDX-License-Identifier: Apache-2.0
// Ranks in place of the codes of a sub-tree of few cases: a column has no more of them than there are cases, however many
// codes the table has. They order the cases as the codes do, so cuts are the same.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "backend/isa_dispatch.h"
#include "backend/kernels.h"
#include "decision/coded_table.h"
#include "decision/row_codes.h"

namespace pygbt {

class RankedCodes {
 public:
  static constexpr std::size_t kMost = 64;  // cases

  // Of the columns with more codes than cases; these are below 2^25.
  explicit RankedCodes(const CodedTable& table) : place_(table.columns.size(), -1) {
    for (std::size_t f = 0; f < table.columns.size(); ++f) {
      if (table.columns[f].n_codes <= static_cast<std::int32_t>(kMost) + 1) continue;
      place_[f] = static_cast<std::int32_t>(columns_.size());
      columns_.push_back({f, table.columns[f].width, 0, {}});
    }
  }

  bool has(FeatureId feature) const { return place_[static_cast<std::size_t>(feature)] >= 0; }
  // Codes of a ranked column, 0 included, and that of a rank.
  std::int32_t n_codes(FeatureId feature) const { return column(feature).n_ranks + 1; }
  Code code(FeatureId feature, Code rank) const { return column(feature).code[rank - 1]; }

  // Rewrites the codes of n copied rows, in their width.
  void rank(const RowCodes& layout, std::size_t n, RowCopies& copies) {
    for (Column& column : columns_) {
      std::uint8_t* const codes = copies.codes() + layout.offset[column.feature];
      if (column.width == 1)
        rank<std::uint8_t>(column, n, codes, copies.rows().stride);
      else if (column.width == 2)
        rank<std::uint16_t>(column, n, codes, copies.rows().stride);
      else
        rank<std::uint32_t>(column, n, codes, copies.rows().stride);
    }
  }

 private:
  static constexpr int kPlaceBits = 6;
  static_assert(kMost == std::size_t{1} << kPlaceBits);

  struct Column {
    std::size_t feature;
    std::uint8_t width;
    std::int32_t n_ranks;
    std::array<Code, kMost> code;  // [rank - 1]
  };

  const Column& column(FeatureId feature) const {
    return columns_[static_cast<std::size_t>(place_[static_cast<std::size_t>(feature)])];
  }

  template <class T>
  void rank(Column& column, std::size_t n, std::uint8_t* codes, std::size_t stride) const {
    std::uint32_t keys[kMost], order[kMost];
    T code;
    for (std::size_t i = 0; i < n; ++i) {
      std::memcpy(&code, codes + i * stride, sizeof(T));
      keys[i] = std::uint32_t{code} << kPlaceBits | static_cast<std::uint32_t>(i);
    }
    sort_few_(keys, static_cast<std::int32_t>(n), order);
    std::int32_t ranks = 0;
    Code last = kMissingCode;
    for (std::size_t i = 0; i < n; ++i) {
      const Code own = order[i] >> kPlaceBits;
      ranks += own != last ? 1 : 0;
      last = own;
      column.code[static_cast<std::size_t>(ranks - 1)] = own;
      code = static_cast<T>(ranks);
      std::memcpy(codes + (order[i] & (kMost - 1)) * stride, &code, sizeof(T));
    }
    column.n_ranks = ranks;
  }

  decltype(Kernels::sort_few) sort_few_ = kernels().sort_few;
  std::vector<std::int32_t> place_;  // [feature] in columns_, or -1
  std::vector<Column> columns_;
};

}  // namespace pygbt
