// SPDX-License-Identifier: Apache-2.0
// Cells by code of several columns, counted in one pass over the rows of a node's cases: no code is written down. For
// columns that have few codes for the cases of the node.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"
#include "decision/coded_table.h"
#include "decision/row_codes.h"

namespace pygbt {

// Whether cells cost less than the cases in their order.
inline bool few_cells(std::size_t n_codes, std::int32_t width, std::size_t n_cases) {
  return n_codes * static_cast<std::size_t>(width) <= 2 * n_cases;
}

class CellBatch {
 public:
  struct Column {
    FeatureId feature = -1;
    std::size_t n_codes = 0;
    const std::uint8_t* codes = nullptr;  // of row 0
    std::size_t begin = 0;      // in the cells
    std::size_t copy = 0;       // cells from one copy to the next; 0: one copy
  };

  void clear() {
    for (std::vector<Column>& of_width : columns_) of_width.clear();
    n_cells_ = 0;
  }
  // Whether a column of so many codes would leave the cells in L2.
  bool has_room(std::size_t n_codes, std::int32_t width) const {
    return n_cells_ + n_codes * static_cast<std::size_t>(width) <= kMostCells;
  }
  // A column with codes of one or two bytes. by_row: codes of the rows, or null to read those of the column.
  void add(const CodedTable& table, const RowCodes& rows, const std::uint8_t* by_row, FeatureId feature,
           std::int32_t width) {
    const CodedColumn& column = table.columns[static_cast<std::size_t>(feature)];
    const auto* codes = by_row == nullptr ? static_cast<const std::uint8_t*>(column.data)
                                          : by_row + rows.offset[static_cast<std::size_t>(feature)];
    const auto n_codes = static_cast<std::size_t>(column.n_codes);
    const std::size_t n_cells = n_codes * static_cast<std::size_t>(width);
    const bool copies = n_cells <= kMostCopied;
    columns_[column.width - 1u].push_back({feature, n_codes, codes, n_cells_, copies ? n_cells : 0});
    n_cells_ += (copies ? kCopies : 1) * n_cells;
  }

  // stride: bytes from row to row, or 0 where columns are read. far: the rows are not in the cache.
  template <class Criterion>
  void count(const Criterion& criterion, std::span<const typename Criterion::Case> cases, std::size_t stride,
             const std::uint8_t* far) {
    if (n_cells_ == 0) return;
    cells_.assign(n_cells_, 0);
    each_block(cases, far, stride, [&](std::size_t begin, std::size_t end) {
      const auto block = cases.subspan(begin, end - begin);
      count_block<std::uint8_t>(criterion, block, stride > 0 ? stride : 1, columns_[0]);
      count_block<std::uint16_t>(criterion, block, stride > 0 ? stride : 2, columns_[1]);
    });
    const auto width = static_cast<std::size_t>(criterion.width);
    each([&](const Column& column, std::int64_t* cells) {
      for (std::size_t copy = 1; copy < kCopies && column.copy > 0; ++copy)
        for (std::size_t i = 0; i < column.copy; ++i) cells[i] += cells[copy * column.copy + i];
      for (std::size_t code = 0; code < column.n_codes; ++code) criterion.finish_cell(cells + code * width);
    });
  }

  // Calls use(column, its cells [code][width]).
  template <class Use>
  void each(const Use& use) {
    for (const std::vector<Column>& of_width : columns_)
      for (const Column& column : of_width) use(column, &cells_[column.begin]);
  }

 private:
  // Copies of small cells that are added to in turn: of codes that occur often the next addition need not wait.
  static constexpr std::size_t kCopies = 2;
  static constexpr std::size_t kMostCopied = 128;  // cells
  static constexpr std::size_t kMostCells = 1 << 16;

  template <class T, class Criterion>
  void count_block(const Criterion& criterion, std::span<const typename Criterion::Case> cases, std::size_t stride,
                   const std::vector<Column>& columns) {
    std::size_t i = 0;
    for (; i + 4 <= columns.size(); i += 4) count_lanes<T, 4>(criterion, cases, stride, &columns[i]);
    if (i + 2 <= columns.size()) {
      count_lanes<T, 2>(criterion, cases, stride, &columns[i]);
      i += 2;
    }
    if (i < columns.size()) count_lanes<T, 1>(criterion, cases, stride, &columns[i]);
  }

  template <class T, std::size_t kLanes, class Criterion>
  void count_lanes(const Criterion& criterion, std::span<const typename Criterion::Case> cases, std::size_t stride,
                   const Column* columns) {
    const auto width = static_cast<std::size_t>(criterion.width);
    std::array<const std::uint8_t*, kLanes> first;
    std::array<std::int64_t*, kLanes> cells;
    std::array<std::size_t, kLanes> copies;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      first[lane] = columns[lane].codes;
      cells[lane] = &cells_[columns[lane].begin];
      copies[lane] = columns[lane].copy;
    }
    const auto add = [&](std::size_t i, std::size_t copy) {
      const auto& one = cases[i];
      const std::size_t row = one.row * stride;
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const std::size_t code = *reinterpret_cast<const T*>(first[lane] + row);
        criterion.count(cells[lane] + copy * copies[lane] + code * width, one);
      }
    };
    std::size_t i = 0;
    for (; i + kCopies <= cases.size(); i += kCopies)
      for (std::size_t copy = 0; copy < kCopies; ++copy) add(i + copy, copy);
    for (; i < cases.size(); ++i) add(i, 0);
  }

  std::array<std::vector<Column>, 2> columns_;  // [bytes of a code - 1]
  std::size_t n_cells_ = 0;
  std::vector<std::int64_t> cells_;
};

}  // namespace pygbt
