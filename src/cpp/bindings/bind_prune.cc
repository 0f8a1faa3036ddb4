// SPDX-License-Identifier: Apache-2.0
// _core.prune: pruning rules, paths of prunings and held-out losses of classical trees; boosted models.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "decision/decision_tree.h"
#include "decision/walk.h"
#include "prune/boosted.h"
#include "prune/held_out.h"
#include "prune/rules.h"
#include "prune/weakest_link.h"

namespace py = pybind11;

namespace {

using namespace pygbt;
using bindings::read_span;
using bindings::to_array;

// (verdict, as_leaf, with_split)
py::tuple to_python(Pruning&& pruning) {
  std::vector<std::uint8_t> verdict(pruning.verdict.size());
  for (std::size_t i = 0; i < verdict.size(); ++i) verdict[i] = static_cast<std::uint8_t>(pruning.verdict[i]);
  return py::make_tuple(to_array(std::move(verdict)), to_array(std::move(pruning.as_leaf)),
                        to_array(std::move(pruning.with_split)));
}

template <class Rule>
py::tuple judged(Rule&& rule) {
  Pruning pruning = [&] {
    const py::gil_scoped_release release;
    return rule();
  }();
  return to_python(std::move(pruning));
}

Deviation parse_deviation(const std::string& name) {
  if (name == "squared_error") return Deviation::kSquared;
  if (name == "absolute_error") return Deviation::kAbsolute;
  if (name == "poisson") return Deviation::kPoisson;
  throw InvalidArgument("deviation must be squared_error, absolute_error or poisson, got " + name);
}

HeldOut new_held_out(const DecisionTree& tree, const py::object& columns, const std::vector<bool>& is_wide,
                     const Response& response, const py::object& class_cost, const std::string& deviation,
                     int n_threads) {
  const bindings::RawColumns raw = bindings::read_columns(columns);
  const std::vector<std::uint8_t> wide(is_wide.begin(), is_wide.end());
  const HeldOutLoss loss{read_span<double>(class_cost, "class_cost"), parse_deviation(deviation)};
  const py::gil_scoped_release release;
  return held_out(tree, {raw.n_rows, raw.views, wide, n_threads}, response, loss);
}

std::shared_ptr<Model> pruned_model(const Model& model, const py::object& columns, const Dataset& data,
                                    const std::string& metric, int n_threads) {
  const bindings::RawColumns raw = bindings::read_columns(columns);
  require(raw.n_rows == data.n_rows, "X_val and y_val must have the same number of rows");
  const py::gil_scoped_release release;
  return std::make_shared<Model>(prune_boosted(model, {raw.views, data, n_threads}, metric));
}

}  // namespace

void bind_prune(py::module_& module) {
  py::module_ prune = module.def_submodule("prune", "Pruning, see src/cpp/prune.");

  py::class_<HeldOut>(prune, "HeldOut")
      .def(py::init(&new_held_out), py::arg("tree"), py::arg("columns"), py::arg("wide"), py::arg("response"),
           py::arg("class_cost") = py::none(), py::arg("deviation") = "squared_error", py::arg("n_threads") = 0)
      .def_property_readonly("weight", [](const HeldOut& rows) { return to_array(std::vector(rows.weight)); })
      .def_property_readonly("loss", [](const HeldOut& rows) { return to_array(std::vector(rows.loss)); })
      .def_property_readonly("squared", [](const HeldOut& rows) { return to_array(std::vector(rows.squared)); })
      .def_property_readonly("stays", [](const HeldOut& rows) { return to_array(std::vector(rows.stays)); })
      .def_property_readonly("stays_squared",
                             [](const HeldOut& rows) { return to_array(std::vector(rows.stays_squared)); });

  prune.def("entropy_cost", [](const DecisionTree& tree) { return to_array(entropy_cost(tree)); }, py::arg("tree"));
  prune.def(
      "link_strength",
      [](const DecisionTree& tree, const py::object& cost) {
        return to_array(link_strength(tree, read_span<double>(cost, "cost")));
      },
      py::arg("tree"), py::arg("cost"), "[node] alpha at which the sub-tree of a node collapses; -inf at leaves.");
  prune.def(
      "path_alphas",
      [](const DecisionTree& tree, const py::object& strength) {
        return to_array(path_alphas(tree, read_span<double>(strength, "strength")));
      },
      py::arg("tree"), py::arg("strength"));
  prune.def(
      "path_sums",
      [](const DecisionTree& tree, const py::object& strength, const py::object& alphas, const py::object& as_leaf,
         const py::object& stays) {
        return to_array(path_sums(tree, read_span<double>(strength, "strength"), read_span<double>(alphas, "alphas"),
                                  read_span<double>(as_leaf, "as_leaf"), read_span<double>(stays, "stays")));
      },
      py::arg("tree"), py::arg("strength"), py::arg("alphas"), py::arg("as_leaf"), py::arg("stays") = py::none());

  prune.def(
      "by_strength",
      [](const DecisionTree& tree, const py::object& cost, const py::object& strength, double alpha) {
        const auto costs = read_span<double>(cost, "cost");
        const auto strengths = read_span<double>(strength, "strength");
        return judged([&] { return prune_by_strength(tree, costs, strengths, alpha); });
      },
      py::arg("tree"), py::arg("cost"), py::arg("strength"), py::arg("alpha"),
      "(verdict, as_leaf, with_split), one of each a node, as every rule.");
  prune.def(
      "by_entropy",
      [](const DecisionTree& tree, double alpha) { return judged([&] { return prune_by_entropy(tree, alpha); }); },
      py::arg("tree"), py::arg("alpha"));
  prune.def(
      "reduced_error",
      [](const DecisionTree& tree, const HeldOut& rows) {
        return judged([&] { return prune_reduced_error(tree, rows); });
      },
      py::arg("tree"), py::arg("rows"));
  prune.def(
      "pessimistic", [](const DecisionTree& tree) { return judged([&] { return prune_pessimistic(tree); }); },
      py::arg("tree"));
  prune.def(
      "error_based",
      [](const DecisionTree& tree, double confidence, bool exact) {
        return judged([&] { return prune_error_based(tree, confidence, exact); });
      },
      py::arg("tree"), py::arg("confidence"), py::arg("exact"));
  prune.def(
      "by_validation",
      [](const DecisionTree& tree, const HeldOut& rows, bool cut_ties) {
        return judged([&] { return prune_by_validation(tree, rows, cut_ties); });
      },
      py::arg("tree"), py::arg("rows"), py::arg("cut_ties"));
  prune.def(
      "by_thresholds",
      [](const DecisionTree& tree, double min_improvement, std::int64_t min_count, std::int32_t max_depth) {
        return judged([&] { return prune_by_thresholds(tree, {min_improvement, min_count, max_depth}); });
      },
      py::arg("tree"), py::arg("min_improvement"), py::arg("min_count"), py::arg("max_depth"));
  prune.def("boosted", &pruned_model, py::arg("model"), py::arg("columns"), py::arg("dataset"), py::arg("metric"),
            py::arg("n_threads") = 0, "The model with the sub-trees as leaves that do not improve held-out rows.");
}
