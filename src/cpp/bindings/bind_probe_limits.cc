// SPDX-License-Identifier: Apache-2.0
// _core.probe.stores and updates: what one core can store and add into its first-level cache, 8 bytes at a time and no
// two neighbours in one line, as a histogram does. The limit that benchmarks print beside their own rate.
#include <pybind11/pybind11.h>

#include <cstdint>

namespace py = pybind11;

namespace {

constexpr std::uint64_t kColumns = 16, kBins = 256;  // a block's cells, 32 KiB

// The bin of the i-th row: every bin once, then again; 37 keeps rows that follow each other in different lines.
constexpr std::uint64_t bin_of(std::uint64_t row) { return row * 37 % kBins; }

// volatile keeps loads and stores single and in order.
alignas(64) thread_local volatile std::uint64_t cells[kColumns * kBins];

std::uint64_t stores(std::uint64_t rows) {
  const py::gil_scoped_release release;
  for (std::uint64_t row = 0; row < rows; ++row) {
    volatile std::uint64_t* const cell = cells + bin_of(row);
#pragma GCC unroll 16
    for (std::uint64_t column = 0; column < kColumns; ++column) cell[column * kBins] = row;
  }
  return rows * kColumns;
}

std::uint64_t updates(std::uint64_t rows) {
  const py::gil_scoped_release release;
  for (volatile std::uint64_t& cell : cells) cell = 0;
  for (std::uint64_t row = 0; row < rows; ++row) {
    volatile std::uint64_t* const cell = cells + bin_of(row);
#pragma GCC unroll 16
    for (std::uint64_t column = 0; column < kColumns; ++column) cell[column * kBins] = cell[column * kBins] + 1;
  }
  std::uint64_t sum = 0;
  for (const volatile std::uint64_t& cell : cells) sum += cell;
  return sum;
}

}  // namespace

void bind_probe_limits(py::module_& probe) {
  probe.def("stores", &stores, py::arg("rows"), "16 stores a row; returns their number.");
  probe.def("updates", &updates, py::arg("rows"), "16 additions of 1 a row; returns the sum of all cells.");
}
