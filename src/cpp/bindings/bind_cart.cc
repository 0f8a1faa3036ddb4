// SPDX-License-Identifier: Apache-2.0
// _core.grow_cart: one CART tree from a table, a response and a dictionary of options.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "bindings/cart_options.h"
#include "cart/grow_cart.h"

namespace py = pybind11;

void bind_cart(py::module_& module) {
  using namespace pygbt;
  module.def(
      "grow_cart",
      [](const CodedTable& table, const Response& response, const py::dict& options, int n_threads) {
        const CartOptions read = bindings::cart_options(options);
        const py::gil_scoped_release release;
        return std::make_shared<DecisionTree>(grow_cart(table, response, read, n_threads));
      },
      py::arg("table"), py::arg("response"), py::arg("options"), py::arg("n_threads") = 0,
      "A tree with its statistics, surrogates and competitors; options as in cart/cart_options.h.");
}
