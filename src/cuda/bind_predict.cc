// SPDX-License-Identifier: Apache-2.0
// What pygbt/device_predict.py does to scores on a device.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "class_scores.h"

namespace py = pybind11;

namespace {

template <class T>
T* address(std::uintptr_t pointer) {
  return reinterpret_cast<T*>(pointer);
}

void top_classes(int ordinal, std::uintptr_t margins, std::int64_t n_rows, std::int32_t n_outputs,
                 const py::array& classes, std::uintptr_t to) {
  pygbt::require(classes.ndim() == 1 && (classes.flags() & py::array::c_style) != 0 &&
                     classes.size() >= std::max<py::ssize_t>(2, n_outputs),
                 "classes must be a contiguous array of all classes");
  const auto* const names = static_cast<const std::byte*>(classes.data());
  const auto n = static_cast<std::size_t>(classes.size()), bytes = static_cast<std::size_t>(classes.itemsize());
  const py::gil_scoped_release free;
  pygbt::device::top_classes(ordinal, address<const float>(margins), n_rows, n_outputs, names, n, bytes,
                             address<std::byte>(to));
}

}  // namespace

void bind_predict(py::module_& module) {
  const auto free = py::call_guard<py::gil_scoped_release>();
  module.def(
      "widen_scores",
      [](int ordinal, std::uintptr_t scores, std::int64_t n, std::uintptr_t to) {
        pygbt::device::widen_scores(ordinal, address<const float>(scores), n, address<double>(to));
      },
      py::arg("ordinal"), py::arg("scores"), py::arg("n"), py::arg("to"), free, "float32 to float64.");
  module.def(
      "class_shares",
      [](int ordinal, std::uintptr_t values, std::int64_t n_rows, std::int32_t n_outputs, std::uintptr_t to) {
        pygbt::device::class_shares(ordinal, address<const float>(values), n_rows, n_outputs, address<double>(to));
      },
      py::arg("ordinal"), py::arg("values"), py::arg("n_rows"), py::arg("n_outputs"), py::arg("to"), free,
      "float64 shares of the classes, of their values.");
  module.def("top_classes", &top_classes, py::arg("ordinal"), py::arg("margins"), py::arg("n_rows"),
             py::arg("n_outputs"), py::arg("classes"), py::arg("to"),
             "Of each row the class with the largest margin; `classes` is an array on the host.");
}
