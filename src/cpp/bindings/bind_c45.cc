// SPDX-License-Identifier: Apache-2.0
// _core.grow_c45 and what reads its trees.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "bindings/arrays.h"
#include "bindings/told.h"
#include "c45/grow.h"
#include "c45/split_report.h"
#include "math/added_errors.h"

namespace py = pybind11;

namespace {

using namespace pygbt;

NominalTest nominal_test(const std::string& name) {
  if (name == "multiway") return NominalTest::multiway;
  if (name == "grouped") return NominalTest::grouped;
  require(name == "one_vs_rest", "nominal must be \"multiway\", \"grouped\" or \"one_vs_rest\", got \"" + name + "\"");
  return NominalTest::one_vs_rest;
}

C45Settings read_settings(const py::dict& given) {
  C45Settings settings;
  for (const auto& [key, value] : given) {
    const auto name = py::cast<std::string>(key);
    if (name == "criterion") {
      const bool by_gain = py::cast<std::string>(value) == "gain";
      settings.criterion = by_gain ? Criterion::gain : Criterion::gain_ratio;
    } else if (name == "nominal") {
      settings.nominal = nominal_test(py::cast<std::string>(value));
    } else if (name == "min_obj") {
      settings.min_obj = py::cast<double>(value);
    } else if (name == "min_gain") {
      settings.min_gain = py::cast<double>(value);
    } else if (name == "min_gap") {
      settings.min_gap = py::cast<double>(value);
    } else if (name == "penalty") {
      settings.penalty = py::cast<bool>(value);
    } else if (name == "collapse") {
      settings.collapse = py::cast<bool>(value);
    } else if (name == "prune") {
      settings.prune = py::cast<bool>(value);
    } else if (name == "raise") {
      settings.raise = py::cast<bool>(value);
    } else if (name == "confidence") {
      settings.confidence = py::cast<double>(value);
    } else if (name == "exact_deviate") {
      settings.exact_deviate = py::cast<bool>(value);
    } else if (name == "n_threads") {
      settings.n_threads = py::cast<int>(value);
    } else {
      throw InvalidArgument("C4.5 has no setting \"" + name + "\"");
    }
  }
  require(settings.confidence > 0.0 && settings.confidence <= (settings.exact_deviate ? 0.5 : 1.0),
          "confidence must lie in (0, 1], with ebp=\"exact\" in (0, 0.5]");
  return settings;
}

py::dict report_dict(const SplitReport& report) {
  py::dict out;
  out["weight"] = report.weight;
  out["chosen"] = report.choice.feature;
  out["average_gain"] = report.choice.average_gain;
  py::list rows;
  for (std::size_t f = 0; f < report.tests.size(); ++f) {
    const Candidate& candidate = report.choice.candidates[f];
    const NodeTest& test = report.tests[f];
    py::dict row;
    row["usable"] = candidate.usable;
    row["eligible"] = candidate.eligible;
    row["gain"] = candidate.gain;
    row["split_info"] = candidate.split_info;
    row["ratio"] = candidate.ratio;
    row["penalty"] = candidate.penalty;
    row["n_cuts"] = candidate.n_cuts;
    row["threshold"] = test.cut > 0 ? py::cast(test.threshold) : py::none();
    row["midpoint"] = test.cut > 0 ? py::cast(test.lower + (test.upper - test.lower) / 2.0) : py::none();
    row["branch_of"] = test.branch_of;
    rows.append(row);
  }
  out["attributes"] = rows;
  return out;
}

}  // namespace

void bind_c45(py::module_& module) {
  module.def(
      "grow_c45",
      [](const CodedTable& table, const Response& response, const py::dict& settings, const py::object& tell) {
        const C45Settings read = read_settings(settings);
        return bindings::told(tell, [&](Progress& progress) {
          return std::make_shared<DecisionTree>(grow_c45(table, response, read, progress));
        });
      },
      py::arg("table"), py::arg("response"), py::arg("settings"), py::arg("tell") = py::none(),
      "A tree of C4.5 or ID3: c45/settings.h. tell: called with the number of cases that have come to a leaf.");
  module.def(
      "report_c45_split",
      [](const CodedTable& table, const Response& response, const py::dict& settings, const DecisionTree& tree,
         std::int32_t node) {
        const C45Settings read = read_settings(settings);
        SplitReport report;
        {
          const py::gil_scoped_release release;
          report = report_split(table, response, read, tree, node);
        }
        return report_dict(report);
      },
      py::arg("table"), py::arg("response"), py::arg("settings"), py::arg("tree"), py::arg("node"),
      "Every attribute judged on the cases of a node.");
  module.def(
      "added_errors",
      [](const py::object& cases, const py::object& errors, double confidence, bool exact) {
        const auto n = bindings::read_span<double>(cases, "cases");
        const auto e = bindings::read_span<double>(errors, "errors");
        require(n.size() == e.size(), "cases and errors must have the same length");
        require(confidence > 0.0 && confidence <= (exact ? 0.5 : 1.0),
                "confidence must lie in (0, 1], with ebp=\"exact\" in (0, 0.5]");
        const AddedErrors added(confidence, exact);
        std::vector<double> out(n.size());
        for (std::size_t i = 0; i < out.size(); ++i) out[i] = added(n[i], e[i]);
        return bindings::to_array(std::move(out));
      },
      py::arg("cases"), py::arg("errors"), py::arg("confidence"), py::arg("exact"),
      "Errors that error-based pruning adds to those of leaves.");
  module.def("squared_deviate",
             [](double confidence, bool exact) { return AddedErrors(confidence, exact).squared_deviate(); });
}
