// SPDX-License-Identifier: Apache-2.0
// _core.grow_cart and _core.ForestTrainer: CART trees, alone and in forests, from a table, a response and a
// dictionary of options.
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
#include "bindings/told.h"
#include "cart/grow_cart.h"
#include "ensemble/bootstrap.h"
#include "ensemble/forest.h"
#include "ensemble/out_of_bag.h"

namespace py = pybind11;

void bind_cart(py::module_& module) {
  using namespace pygbt;
  module.def(
      "grow_cart",
      [](const CodedTable& table, const Response& response, const py::dict& options, int n_threads,
         const py::object& tell) {
        const CartOptions read = bindings::cart_options(options);
        return bindings::told(tell, [&](Progress& progress) {
          return std::make_shared<DecisionTree>(grow_cart(table, response, read, n_threads, progress));
        });
      },
      py::arg("table"), py::arg("response"), py::arg("options"), py::arg("n_threads") = 0, py::arg("tell") = py::none(),
      "A tree with its statistics, surrogates and competitors; options as in cart/cart_options.h. tell: called with "
      "the "
      "number of cases that have come to a leaf.");

  module.def(
      "row_hashes",
      [](const CodedTable& table, const Response& response, int n_threads, const py::object& targets) {
        return bindings::to_array(
            row_hashes(table, response, n_threads, bindings::read_span<double>(targets, "targets")));
      },
      py::arg("table"), py::arg("response"), py::arg("n_threads") = 0, py::arg("targets") = py::none(),
      "[row] hash of its values and its response, or of its targets as they were given, shape (n_rows, n_targets)");
  module.def("natural_draws", &natural_draws, py::arg("response"), "Draws of a sample of all rows.");
  module.def(
      "bootstrap_counts",
      [](const py::object& hashes, const py::object& weights, std::uint64_t n_draws, std::uint64_t seed,
         std::uint32_t index) {
        const Bootstrap bootstrap(bindings::read_span<std::uint64_t>(hashes, "hashes"),
                                  bindings::read_span<std::uint32_t>(weights, "weights"));
        std::vector<std::uint32_t> counts;
        bootstrap.counts(seed, index, n_draws == 0 ? bootstrap.total() : n_draws, counts);
        return bindings::to_array(std::move(counts));
      },
      py::arg("hashes"), py::arg("weights") = py::none(), py::kw_only(), py::arg("n_draws") = 0, py::arg("seed") = 0,
      py::arg("index") = 0,
      "How often each row is drawn, with replacement, in proportion to whole weights; rows are ordered by their "
      "hashes.");

  // The trainer keeps what it reads.
  struct Forest {
    std::shared_ptr<CodedTable> table;
    std::shared_ptr<Response> response;
    ForestTrainer trainer;
  };
  py::class_<Forest>(module, "ForestTrainer")
      .def(py::init([](std::shared_ptr<CodedTable> table, std::shared_ptr<Response> response, const py::dict& options,
                       bool bootstrap, std::uint64_t n_draws, bool votes, bool balanced, double least_share,
                       const Model* start, int n_threads) {
             const ForestOptions read{
                 bindings::cart_options(options), bootstrap, n_draws, votes, balanced, least_share};
             const py::gil_scoped_release release;
             return std::unique_ptr<Forest>(
                 new Forest{table, response, ForestTrainer(*table, *response, read, n_threads, start)});
           }),
           py::arg("table"), py::arg("response"), py::arg("options"), py::kw_only(), py::arg("bootstrap") = true,
           py::arg("n_draws") = 0, py::arg("votes") = false, py::arg("balanced") = false, py::arg("least_share") = 0.0,
           py::arg("start") = py::none(), py::arg("n_threads") = 0)
      .def_property_readonly("n_trees", [](const Forest& forest) { return forest.trainer.n_trees(); })
      .def_property_readonly("n_draws", [](const Forest& forest) { return forest.trainer.n_draws(); })
      .def(
          "grow", [](Forest& forest, std::int32_t n_trees) { forest.trainer.grow(n_trees); }, py::arg("n_trees"),
          py::call_guard<py::gil_scoped_release>())
      .def("model", [](const Forest& forest) { return forest.trainer.model(); })
      .def(
          "counts",
          [](const Forest& forest, std::int32_t index) {
            std::vector<std::uint32_t> counts;
            forest.trainer.counts(index, counts);
            return bindings::to_array(std::move(counts));
          },
          py::arg("index"), "[row] how often the tree drew it")
      .def(
          "out_of_bag",
          [](const Forest& forest, const Model& model, const py::object& columns, int n_threads) {
            const bindings::RawColumns raw = bindings::read_columns(columns);
            LeftOut found;
            {
              const py::gil_scoped_release release;
              found = out_of_bag(model, forest.trainer, raw.views, raw.n_rows, n_threads);
            }
            return py::make_tuple(bindings::to_array(std::move(found.sums), {raw.n_rows, model.n_outputs()}),
                                  bindings::to_array(std::move(found.n_trees)));
          },
          py::arg("model"), py::arg("columns"), py::arg("n_threads") = 0,
          "([row][n_outputs] sums over the trees that did not draw a row of what they answer, [row] their number)");
}
