// SPDX-License-Identifier: Apache-2.0
// _core.CodedTable, _core.Response and _core.DecisionTree: what the classical trees read, fit and are.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bindings/arrays.h"
#include "decision/coded_table.h"
#include "decision/decision_tree.h"
#include "decision/response.h"
#include "decision/walk.h"

namespace py = pybind11;

namespace {

using namespace pygbt;
using bindings::read_columns;
using bindings::read_span;
using bindings::to_array;

std::shared_ptr<CodedTable> new_table(const py::object& columns, const std::vector<std::int32_t>& n_categories,
                                      int n_threads, bool in_place) {
  auto raw = std::make_unique<bindings::RawColumns>(read_columns(columns));
  require(n_categories.size() == raw->views.size(), "n_categories: one for each column");
  std::shared_ptr<CodedTable> table;
  {
    const py::gil_scoped_release release;
    table = std::make_shared<CodedTable>(make_coded_table(raw->views, n_categories, raw->n_rows, n_threads, in_place));
  }
  if (in_place)
    table->values = std::shared_ptr<const bindings::RawColumns>(raw.release(), [](const bindings::RawColumns* kept) {
      const py::gil_scoped_acquire acquire;
      delete kept;
    });
  return table;
}

py::dict to_arrays(const DecisionTree& tree) {
  py::dict out;
  out["classifier"] = tree.classifier;
  out["n_values"] = tree.n_values;
  for_each_tree_array(tree, [&](const char* name, const auto& values) {
    auto copy = values;
    out[name] = to_array(std::move(copy));
  });
  return out;
}

std::shared_ptr<DecisionTree> from_arrays(const py::dict& arrays, std::int32_t n_features) {
  auto tree = std::make_shared<DecisionTree>();
  tree->classifier = py::cast<bool>(arrays["classifier"]);
  tree->n_values = py::cast<std::int32_t>(arrays["n_values"]);
  for_each_tree_array(*tree, [&](const char* name, auto& values) {
    using T = typename std::remove_reference_t<decltype(values)>::value_type;
    if (!arrays.contains(name)) throw CorruptModel(std::string("decision tree: array ") + name + " is missing");
    const auto array = py::array_t<T, py::array::c_style | py::array::forcecast>::ensure(arrays[name]);
    if (!array) throw CorruptModel(std::string("decision tree: array ") + name + " is not of numbers");
    values.assign(array.data(), array.data() + array.size());
  });
  validate_decision_tree(*tree, n_features);
  return tree;
}

// A table to walk: the arrays must stay alive while it is read.
struct RawRows {
  bindings::RawColumns raw;
  std::vector<std::uint8_t> wide;
  WalkRows rows;

  RawRows(const py::object& columns, const std::vector<bool>& is_wide, int n_threads)
      : raw(read_columns(columns)), wide(is_wide.begin(), is_wide.end()) {
    rows = {raw.n_rows, raw.views, wide, n_threads};
  }
};

template <class T, class Walk>
py::array_t<T> walked(const RawRows& rows, std::vector<py::ssize_t> shape, Walk walk) {
  py::array_t<T> out(std::move(shape));
  const std::span all(out.mutable_data(), static_cast<std::size_t>(out.size()));
  {
    const py::gil_scoped_release release;
    walk(rows.rows, all);
  }
  return out;
}

}  // namespace

void bind_decision(py::module_& module) {
  py::class_<CodedTable, std::shared_ptr<CodedTable>>(module, "CodedTable")
      .def(py::init(&new_table), py::arg("columns"), py::arg("n_categories"), py::arg("n_threads") = 0,
           py::arg("in_place") = false,
           "Columns by their distinct values: an exact table. in_place: numbers may stay where they are "
           "(for one tree of CART).")
      .def_static(
          "of_bins",
          [](std::shared_ptr<Dataset> data) { return std::make_shared<CodedTable>(coded_bins(std::move(data))); },
          py::arg("dataset"), "The bins of a Dataset, not copied.")
      .def_readonly("n_rows", &CodedTable::n_rows)
      .def_readonly("exact", &CodedTable::exact)
      .def_property_readonly("n_features", &CodedTable::n_features)
      .def_property_readonly(
          "wide",
          [](const CodedTable& table) {
            std::vector<bool> wide;
            for (const CodedColumn& column : table.columns) wide.push_back(column.wide);
            return wide;
          },
          "[feature] whether values are float64")
      .def(
          "codes",
          [](const CodedTable& table, std::int32_t feature) {
            require(feature >= 0 && feature < table.n_features(), "feature out of range");
            std::vector<Code> codes(static_cast<std::size_t>(table.n_rows));
            for (std::size_t i = 0; i < codes.size(); ++i)
              codes[i] = table.columns[static_cast<std::size_t>(feature)].at(static_cast<std::int64_t>(i));
            return to_array(std::move(codes));
          },
          py::arg("feature"))
      .def(
          "values",
          [](const CodedTable& table, std::int32_t feature) {
            require(feature >= 0 && feature < table.n_features(), "feature out of range");
            const CodeValues& of = table.columns[static_cast<std::size_t>(feature)].value;
            std::vector<double> values(of.size());
            for (std::size_t i = 0; i < values.size(); ++i) values[i] = of[i];
            return to_array(std::move(values));
          },
          py::arg("feature"));

  py::class_<Response, std::shared_ptr<Response>>(module, "Response")
      .def_static(
          "classes",
          [](const py::object& labels, std::int32_t n_classes, const py::object& weights, int n_threads) {
            const auto y = read_span<std::int32_t>(labels, "y");
            const auto w = read_span<double>(weights, "weight");
            const py::gil_scoped_release release;
            return std::make_shared<Response>(classes_response(y, n_classes, w, n_threads));
          },
          py::arg("labels"), py::arg("n_classes"), py::arg("weights") = py::none(), py::arg("n_threads") = 0)
      .def_static(
          "targets",
          [](const py::object& targets, const py::object& weights, int n_threads) {
            const auto y = read_span<double>(targets, "y");
            const auto array = py::cast<py::array>(targets);
            require(array.ndim() == 2, "y must have shape (n_rows, n_targets)");
            const auto width = static_cast<std::int32_t>(array.shape(1));
            const auto w = read_span<double>(weights, "weight");
            const py::gil_scoped_release release;
            return std::make_shared<Response>(targets_response(y, width, w, n_threads));
          },
          py::arg("targets"), py::arg("weights") = py::none(), py::arg("n_threads") = 0)
      .def(
          "class_weights",
          [](const Response& response) {
            std::vector<double> weights(static_cast<std::size_t>(response.n_classes), 0.0);
            for (std::size_t i = 0; i < response.label.size(); ++i)
              weights[static_cast<std::size_t>(response.label[i])] +=
                  response.weight.empty() ? 1.0 : response.weight[i];
            for (double& weight : weights) weight *= response.weight_unit;
            return to_array(std::move(weights));
          },
          "[class] weight of the rows that count; exact")
      .def_readonly("n_rows", &Response::n_rows);

  py::class_<DecisionTree, std::shared_ptr<DecisionTree>>(module, "DecisionTree")
      .def_property_readonly("n_nodes", &DecisionTree::n_nodes)
      .def_property_readonly("n_leaves", &DecisionTree::n_leaves)
      .def_property_readonly("depth", &DecisionTree::depth)
      .def("to_arrays", &to_arrays, "Arrays by name, as in decision/decision_tree.h.")
      .def_static("from_arrays", &from_arrays, py::arg("arrays"), py::arg("n_features"),
                  "The tree of to_arrays, after every index is proven in range. Raises ModelFileError.")
      .def(
          "cut_below",
          [](const DecisionTree& tree, const py::object& cut) {
            return std::make_shared<DecisionTree>(cut_below(tree, read_span<std::uint8_t>(cut, "cut")));
          },
          py::arg("cut"), "The tree with the nodes marked in `cut` (uint8) as leaves.")
      .def(
          "values",
          [](const DecisionTree& tree, const py::object& columns, const std::vector<bool>& wide, int n_threads) {
            const RawRows rows(columns, wide, n_threads);
            return walked<double>(rows, {rows.rows.n_rows, tree.n_values},
                                  [&](const WalkRows& from, std::span<double> out) { walk_values(tree, from, out); });
          },
          py::arg("columns"), py::arg("wide"), py::arg("n_threads") = 0)
      .def(
          "leaves",
          [](const DecisionTree& tree, const py::object& columns, const std::vector<bool>& wide, int n_threads) {
            const RawRows rows(columns, wide, n_threads);
            return walked<std::int32_t>(
                rows, {rows.rows.n_rows},
                [&](const WalkRows& from, std::span<std::int32_t> out) { walk_leaves(tree, from, out); });
          },
          py::arg("columns"), py::arg("wide"), py::arg("n_threads") = 0)
      .def(
          "labels",
          [](const DecisionTree& tree, const py::object& columns, const std::vector<bool>& wide, int n_threads) {
            const RawRows rows(columns, wide, n_threads);
            return walked<std::int32_t>(
                rows, {rows.rows.n_rows},
                [&](const WalkRows& from, std::span<std::int32_t> out) { walk_labels(tree, from, out); });
          },
          py::arg("columns"), py::arg("wide"), py::arg("n_threads") = 0);
}
