// SPDX-License-Identifier: Apache-2.0
// _core.probe.stores and updates: what one core can store and add into its first-level cache, the limit that the
// histogram benchmarks print beside their own rate.
#include <pybind11/pybind11.h>

#include <cstdint>

namespace py = pybind11;

namespace {

constexpr std::uint64_t kCells = 2048;  // 16 KiB of 8-byte cells: half of a first-level cache

// n 8-byte stores, one after another; volatile keeps them single. Returns the last cell.
std::uint64_t stores(std::uint64_t n) {
  const py::gil_scoped_release release;
  alignas(64) static thread_local volatile std::uint64_t cells[kCells];
  for (std::uint64_t i = 0; i < n; i += 8) {
    const std::uint64_t at = i % kCells;
    for (std::uint64_t k = 0; k < 8; ++k) cells[at + k] = i;
  }
  return cells[0];
}

// n additions to 8-byte cells, no two of a cell close together. Returns their sum.
std::uint64_t updates(std::uint64_t n) {
  const py::gil_scoped_release release;
  alignas(64) static thread_local volatile std::uint64_t cells[kCells];
  for (std::uint64_t i = 0; i < kCells; ++i) cells[i] = 0;
  for (std::uint64_t i = 0; i < n; i += 8) {
    const std::uint64_t at = i % kCells;
    for (std::uint64_t k = 0; k < 8; ++k) cells[at + k] = cells[at + k] + 1;
  }
  std::uint64_t sum = 0;
  for (std::uint64_t i = 0; i < kCells; ++i) sum += cells[i];
  return sum;
}

}  // namespace

void bind_probe_limits(py::module_& probe) {
  probe.def("stores", &stores, py::arg("n"), "n 8-byte stores to the first-level cache, n a multiple of 8.");
  probe.def("updates", &updates, py::arg("n"), "n 8-byte additions in the first-level cache; their sum, n.");
}
