// SPDX-License-Identifier: Apache-2.0
// _core.probe.stores and updates: what one core can store and add into its first-level cache at places that bytes name,
// 8 bytes at a time, as a histogram does; all it reads is in that cache. The limit that benchmarks print beside their own
// rate.
#include <pybind11/pybind11.h>

#include <cstdint>
#include <vector>

#include "base/rng.h"

namespace py = pybind11;

namespace {

constexpr std::uint64_t kColumns = 16, kBins = 256;  // a block's cells, 32 KiB
constexpr std::uint64_t kRows = 64;  // their bins take 1 KiB

// Bins of a row, 8 a word: any, so that neither lines nor places within them repeat from column to column.
std::vector<std::uint64_t> any_bins() {
  std::vector<std::uint64_t> words;
  for (std::uint64_t i = 0; i < kRows * kColumns / 8; ++i)
    words.push_back(std::uint64_t{pygbt::random_bits(0, pygbt::Draw::kRow, 0, 2 * i)} << 32 |
                    pygbt::random_bits(0, pygbt::Draw::kRow, 0, 2 * i + 1));
  return words;
}

// Calls visit(cell) for the cell of each column, row after row. The next row's bins are loaded ahead.
template <class Visit>
void visit_cells(std::uint64_t rows, std::uint64_t* first, Visit&& visit) {
  const std::vector<std::uint64_t> bins = any_bins();
  std::uint64_t words[2] = {bins[0], bins[1]};
  for (std::uint64_t row = 0; row < rows; ++row) {
    const std::uint64_t at = (row + 1) % kRows * 2;
    const std::uint64_t next[2] = {bins[at], bins[at + 1]};
#pragma GCC unroll 16
    for (std::uint64_t column = 0; column < kColumns; ++column)
      visit(first + column * kBins + ((words[column / 8] >> (column % 8 * 8)) & 255));
    words[0] = next[0];
    words[1] = next[1];
    asm volatile("" : : "r"(first) : "memory");  // every store is made
  }
}

alignas(64) thread_local std::uint64_t cells[kColumns * kBins];

std::uint64_t stores(std::uint64_t rows) {
  const py::gil_scoped_release release;
  visit_cells(rows, cells, [rows](std::uint64_t* cell) { *cell = rows; });
  return rows * kColumns;
}

std::uint64_t updates(std::uint64_t rows) {
  const py::gil_scoped_release release;
  for (std::uint64_t& cell : cells) cell = 0;
  visit_cells(rows, cells, [](std::uint64_t* cell) { ++*cell; });
  std::uint64_t sum = 0;
  for (const std::uint64_t& cell : cells) sum += cell;
  return sum;
}

}  // namespace

void bind_probe_limits(py::module_& probe) {
  probe.def("stores", &stores, py::arg("rows"), "16 stores a row; returns their number.");
  probe.def("updates", &updates, py::arg("rows"), "16 additions of 1 a row; returns the sum of all cells.");
}
