// SPDX-License-Identifier: Apache-2.0
// Rules of C4.5 on a table of codes. A rule is a list of conditions (feature, first code, last code, known), the last
// one bytes [code] for a nominal column, else None.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bindings/arrays.h"
#include "bindings/told.h"
#include "c45/rule_cases.h"
#include "c45/rule_subset.h"

namespace py = pybind11;

namespace {

using namespace pygbt;

std::vector<RuleConditions> read_rules(const CodedTable& table, const py::list& given) {
  std::vector<RuleConditions> rules;
  for (const py::handle rule : given) {
    RuleConditions& conditions = rules.emplace_back();
    for (const py::handle item : rule) {
      const auto one = item.cast<py::tuple>();
      RuleCondition condition{one[0].cast<FeatureId>(), one[1].cast<Code>(), one[2].cast<Code>(), {}};
      require(condition.feature >= 0 && condition.feature < table.n_features(),
              "a rule asks for a column that is not there");
      if (!one[3].is_none()) {
        const auto known = one[3].cast<std::string>();
        condition.known.assign(known.begin(), known.end());
      }
      conditions.push_back(std::move(condition));
    }
  }
  return rules;
}

}  // namespace

void bind_rules(py::module_& module) {
  module.def(
      "needed_conditions",
      [](const CodedTable& table, const py::object& target, const py::object& weight, const py::list& rules,
         const std::vector<std::int32_t>& labels, double confidence, bool exact, int n_threads,
         const py::object& tell) {
        const RuleCases cases{table, bindings::read_span<std::int32_t>(target, "target"),
                              bindings::read_span<double>(weight, "weight")};
        const auto n_rows = static_cast<std::size_t>(table.n_rows);
        require(cases.target.size() == n_rows && (cases.weight.empty() || cases.weight.size() == n_rows),
                "target and weight must have a value for each row");
        const std::vector<RuleConditions> read = read_rules(table, rules);
        require(labels.size() == read.size(), "labels must have a value for each rule");
        const AddedErrors added(confidence, exact);
        const std::vector<NeededConditions> needed = bindings::told(tell, [&](Progress& progress) {
          return needed_conditions(cases, read, labels, added, n_threads, progress);
        });
        py::list out;
        for (const NeededConditions& one : needed) out.append(py::make_tuple(one.kept, one.cases, one.errors));
        return out;
      },
      py::arg("table"), py::arg("target"), py::arg("weight"), py::arg("rules"), py::arg("labels"),
      py::arg("confidence"), py::arg("exact"), py::arg("n_threads") = 0, py::arg("tell") = py::none(),
      "Of each rule (places of the conditions that it needs, cases, errors): c45/rule_cases.h. tell: called with the "
      "number of rules done.");
  module.def(
      "covered_cases",
      [](const CodedTable& table, const py::list& rules, int n_threads) {
        const std::vector<RuleConditions> read = read_rules(table, rules);
        std::vector<std::vector<std::int32_t>> covered = bindings::told(
            py::none(), [&](Progress& progress) { return covered_cases(table, read, n_threads, progress); });
        py::list out;
        for (std::vector<std::int32_t>& rows : covered) out.append(bindings::to_array(std::move(rows)));
        return out;
      },
      py::arg("table"), py::arg("rules"), py::arg("n_threads") = 0, "Rows that each rule covers, ascending.");
  py::class_<RuleSubset>(module, "RuleSubset")
      .def(py::init([](const CodedTable& table, const py::list& rules, const py::object& weight,
                       const py::object& right, int n_threads) {
             const std::vector<RuleConditions> read = read_rules(table, rules);
             const auto weights = bindings::read_span<double>(weight, "weight");
             const auto of_class = bindings::read_span<std::uint8_t>(right, "right");
             const auto n_rows = static_cast<std::size_t>(table.n_rows);
             require(weights.size() == n_rows && of_class.size() == n_rows,
                     "weight and right must have a value for each row");
             return bindings::told(py::none(), [&](Progress& progress) {
               return std::make_unique<RuleSubset>(covered_cases(table, read, n_threads, progress), weights, of_class);
             });
           }),
           py::arg("table"), py::arg("rules"), py::arg("weight"), py::arg("right"), py::arg("n_threads") = 0,
           "All of the rules, of one class; right: 1 where a row is of it.")
      .def("toggle", &RuleSubset::toggle, py::arg("rule"), "Take the rule out, or back in.")
      .def_property_readonly(
          "covered",
          [](const RuleSubset& subset) { return py::make_tuple(subset.covered().right, subset.covered().wrong); })
      .def_property_readonly(
          "own",
          [](const RuleSubset& subset) {
            std::vector<double> flat;
            for (const RuleSubset::Weight& own : subset.own()) flat.insert(flat.end(), {own.right, own.wrong});
            return bindings::to_array(std::move(flat), {static_cast<py::ssize_t>(subset.own().size()), 2});
          },
          "[rule][right, wrong] weight that it alone covers, or would add.");
  module.def(
      "first_rules",
      [](const CodedTable& table, const py::list& rules, int n_threads) {
        const std::vector<RuleConditions> read = read_rules(table, rules);
        std::vector<std::int64_t> first;
        {
          const py::gil_scoped_release release;
          first = first_rules(table, read, n_threads);
        }
        return bindings::to_array(std::move(first));
      },
      py::arg("table"), py::arg("rules"), py::arg("n_threads") = 0, "[row] the first rule that covers it, -1: none.");
}
