// SPDX-License-Identifier: Apache-2.0
// _core.BoostWeights, _core.FirstOrder and training rows down a tree: what ensembles of trees need of the engine.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/pool.h"
#include "bindings/arrays.h"
#include "decision/walk.h"
#include "ensemble/boost_weights.h"
#include "ensemble/coded_rows.h"
#include "ensemble/column_choice.h"
#include "ensemble/first_order.h"
#include "ensemble/relative_loss.h"
#include "math/explog.h"

namespace py = pybind11;

namespace {

using namespace pygbt;
using bindings::read_span;
using bindings::to_array;

template <class T, class Walk>
py::array_t<T> filled(std::vector<py::ssize_t> shape, Walk walk) {
  py::array_t<T> out(std::move(shape));
  const std::span all(out.mutable_data(), static_cast<std::size_t>(out.size()));
  const py::gil_scoped_release release;
  walk(all);
  return out;
}

LineSearch line_search(const std::string& name) {
  if (name == "exact") return LineSearch::kExact;
  require(name == "newton", "line_search: unknown choice");
  return LineSearch::kNewton;
}

void bind_rows(py::module_& module) {
  module.def(
      "coded_leaves",
      [](const DecisionTree& tree, const CodedTable& table, int n_threads) {
        return filled<std::int32_t>({table.n_rows},
                                    [&](std::span<std::int32_t> out) { coded_leaves(tree, table, n_threads, out); });
      },
      py::arg("tree"), py::arg("table"), py::arg("n_threads") = 0, "[row] the node that answers for a training row.");
  module.def(
      "coded_labels",
      [](const DecisionTree& tree, const CodedTable& table, int n_threads) {
        return filled<std::int32_t>({table.n_rows},
                                    [&](std::span<std::int32_t> out) { coded_labels(tree, table, n_threads, out); });
      },
      py::arg("tree"), py::arg("table"), py::arg("n_threads") = 0, "[row] predicted class of a training row.");
  module.def(
      "coded_values",
      [](const DecisionTree& tree, const CodedTable& table, int n_threads) {
        return filled<double>({table.n_rows, tree.n_values},
                              [&](std::span<double> out) { coded_values(tree, table, n_threads, out); });
      },
      py::arg("tree"), py::arg("table"), py::arg("n_threads") = 0,
      "[row][n_values] shares of the classes or means of the targets.");
}

// Many trees over one table; the arrays must stay alive while it is read.
struct TreesOverRows {
  std::vector<const DecisionTree*> trees;
  bindings::RawColumns raw;
  std::vector<std::uint8_t> wide;
  WalkRows rows;

  TreesOverRows(const std::vector<std::shared_ptr<DecisionTree>>& members, const py::object& columns,
                const std::vector<bool>& is_wide, int n_threads)
      : raw(bindings::read_columns(columns)), wide(is_wide.begin(), is_wide.end()) {
    for (const auto& member : members) trees.push_back(member.get());
    rows = {raw.n_rows, raw.views, wide, n_threads};
  }
};

void bind_sums(py::module_& module) {
  module.def(
      "tree_votes",
      [](const std::vector<std::shared_ptr<DecisionTree>>& trees, const std::vector<double>& votes,
         std::int32_t n_classes, const py::object& columns, const std::vector<bool>& wide, int n_threads) {
        const TreesOverRows all(trees, columns, wide, n_threads);
        return filled<double>({all.rows.n_rows, n_classes}, [&](std::span<double> out) {
          std::fill(out.begin(), out.end(), 0.0);
          walk_votes(all.trees, votes, all.rows, n_classes, out);
        });
      },
      py::arg("trees"), py::arg("votes"), py::arg("n_classes"), py::arg("columns"), py::arg("wide"),
      py::arg("n_threads") = 0, "[row][class] votes of the trees for the class of each row.");
  module.def(
      "tree_sums",
      [](const std::vector<std::shared_ptr<DecisionTree>>& trees, double factor, const std::vector<double>& start,
         const std::vector<std::int32_t>& first, const py::object& columns, const std::vector<bool>& wide,
         int n_threads) {
        const TreesOverRows all(trees, columns, wide, n_threads);
        const auto width = static_cast<std::int32_t>(start.size());
        const std::vector<double> factors(trees.size(), factor);
        return filled<double>({all.rows.n_rows, width}, [&](std::span<double> out) {
          for (std::size_t i = 0; i < out.size(); ++i) out[i] = start[i % start.size()];
          walk_sums(all.trees, factors, first, all.rows, width, out);
        });
      },
      py::arg("trees"), py::arg("factor"), py::arg("start"), py::arg("first"), py::arg("columns"), py::arg("wide"),
      py::arg("n_threads") = 0,
      "[row][value] start + factor x the values of the trees, those of t from column first[t].");
}

void bind_weights(py::module_& module) {
  py::class_<BoostWeights>(module, "BoostWeights")
      .def(py::init([](const py::object& sample, std::int64_t n_rows, int n_threads) {
             return std::make_unique<BoostWeights>(read_span<double>(sample, "sample_weight"), n_rows, n_threads);
           }),
           py::arg("sample_weight"), py::arg("n_rows"), py::arg("n_threads") = 0)
      .def(
          "mean_loss",
          [](const BoostWeights& weights, const py::object& loss) {
            return weights.mean_loss(read_span<double>(loss, "loss"));
          },
          py::arg("loss"), "Weighted mean of losses in [0, 1].")
      .def(
          "update",
          [](BoostWeights& weights, const py::object& loss, double vote) {
            weights.update(read_span<double>(loss, "loss"), vote);
          },
          py::arg("loss"), py::arg("vote"), "Weights times exp(vote * loss); their sum stays.")
      .def(
          "classes",
          [](const BoostWeights& weights, const py::object& labels, std::int32_t n_classes, const py::object& factor) {
            return std::make_shared<Response>(
                weights.classes(read_span<std::int32_t>(labels, "y"), n_classes, read_span<double>(factor, "factor")));
          },
          py::arg("labels"), py::arg("n_classes"), py::arg("factor") = py::none())
      .def(
          "targets",
          [](const BoostWeights& weights, const py::object& targets) {
            return std::make_shared<Response>(weights.targets(read_span<double>(targets, "y"), 1));
          },
          py::arg("targets"))
      .def(
          "mean_exponential",
          [](const BoostWeights& weights, const py::object& x) {
            return weights.mean_exponential(read_span<double>(x, "x"));
          },
          py::arg("x"), "Weighted mean of exp(x).")
      .def("values", [](const BoostWeights& weights) { return to_array(weights.values()); })
      .def(
          "units", [](const BoostWeights& weights) { return to_array(weights.units()); },
          "[row] the weights as whole numbers, to draw rows by")
      .def_property_readonly("total", &BoostWeights::total, "sum of the sample weights, which every round keeps");
}

void bind_losses(py::module_& module) {
  module.def(
      "log_odds", [](double share) { return log_f64(share / (1.0 - share)); }, py::arg("share"),
      "log(share / (1 - share)), 0 < share < 1");
  module.def(
      "relative_losses",
      [](const py::object& errors, const py::object& counted, const std::string& loss) {
        const auto kinds = std::array{"linear", "square", "exponential"};
        const auto found = std::find(kinds.begin(), kinds.end(), loss);
        require(found != kinds.end(), "loss: unknown choice");
        return to_array(relative_losses(read_span<double>(errors, "errors"), read_span<double>(counted, "counted"),
                                        static_cast<RelativeLoss>(found - kinds.begin())));
      },
      py::arg("errors"), py::arg("counted"), py::arg("loss"),
      "[row] losses in [0, 1] of absolute errors, by the largest of the rows with `counted` > 0 (None: all)");
  module.def(
      "margin_values",
      [](const std::string& loss, const py::array_t<double, py::array::c_style>& margins) {
        require(margins.ndim() == 2, "margins must be [row][target]");
        std::vector<double> values(margins.data(), margins.data() + margins.size());
        margin_values(loss, values, static_cast<std::int32_t>(margins.shape(1)));
        return to_array(std::move(values), {margins.shape(0), margins.shape(1)});
      },
      py::arg("loss"), py::arg("margins"), "Margins as predictions: probabilities, means, or as they are.");
}

void bind_columns(py::module_& module) {
  module.def(
      "select_columns",
      [](const CodedTable& table, const std::vector<FeatureId>& features) {
        return std::make_shared<CodedTable>(select_columns(table, features));
      },
      py::arg("table"), py::arg("features"), "A table of some columns; they are copied.");
  module.def(
      "renumber_features",
      [](const DecisionTree& tree, const std::vector<FeatureId>& features) {
        return std::make_shared<DecisionTree>(renumber_features(tree, features));
      },
      py::arg("tree"), py::arg("features"), "The tree with feature f called features[f].");
}

void bind_first_order(py::module_& module) {
  py::class_<FirstOrder>(module, "FirstOrder")
      .def(py::init([](const std::string& loss, const py::object& labels, std::int32_t n_targets,
                       const py::object& weights, double level, int n_threads) {
             return std::make_unique<FirstOrder>(loss, read_span<double>(labels, "y"), n_targets,
                                                 read_span<double>(weights, "sample_weight"), level, n_threads);
           }),
           py::arg("loss"), py::arg("labels"), py::arg("n_targets") = 1, py::arg("sample_weight") = py::none(),
           py::arg("level") = 0.5, py::arg("n_threads") = 0)
      .def(
          "start", [](FirstOrder& state) { return to_array(state.start()); }, "The best constant margins, set.")
      .def("begin_round", &FirstOrder::begin_round)
      .def(
          "negative_gradient",
          [](const FirstOrder& state, std::int32_t target) {
            return filled<double>({state.n_rows()},
                                  [&](std::span<double> out) { state.negative_gradient(target, out); });
          },
          py::arg("target") = 0)
      .def(
          "leaf_steps",
          [](const FirstOrder& state, std::int32_t target, const py::object& leaf, std::int32_t n_leaves,
             const std::string& search) {
            const auto of_row = read_span<std::int32_t>(leaf, "leaf");
            const LineSearch how = line_search(search);
            std::vector<double> steps;
            {
              const py::gil_scoped_release release;
              steps = state.leaf_steps(target, of_row, n_leaves, how);
            }
            return to_array(std::move(steps));
          },
          py::arg("target"), py::arg("leaf"), py::arg("n_leaves"), py::arg("line_search") = "exact")
      .def(
          "advance",
          [](FirstOrder& state, std::int32_t target, const py::object& leaf, const py::object& step, double rate) {
            state.advance(target, read_span<std::int32_t>(leaf, "leaf"), read_span<double>(step, "step"), rate);
          },
          py::arg("target"), py::arg("leaf"), py::arg("step"), py::arg("rate"))
      .def_property_readonly("mean_loss", &FirstOrder::mean_loss)
      .def_property_readonly("margins", [](const FirstOrder& state) {
        auto copy = state.margins();
        return to_array(std::move(copy), {state.n_rows(), state.n_targets()});
      });
}

}  // namespace

void bind_ensemble(py::module_& module) {
  module.def("resolve_threads", &resolve_threads, py::arg("requested") = 0, "Threads that a call uses.");
  bind_rows(module);
  bind_sums(module);
  bind_weights(module);
  bind_losses(module);
  bind_columns(module);
  bind_first_order(module);
}
