// SPDX-License-Identifier: Apache-2.0
// A dictionary of Python as CartOptions: names and choices of the fields; unknown names are refused.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <string>
#include <vector>

#include "base/error.h"
#include "cart/cart_options.h"

namespace pygbt::bindings {

namespace py = pybind11;

template <class Choice>
Choice choice(const py::handle& value, const char* name, const std::map<std::string, Choice>& choices) {
  const auto found = choices.find(py::cast<std::string>(value));
  if (found == choices.end()) throw InvalidArgument(std::string(name) + ": unknown choice");
  return found->second;
}

inline CartOptions cart_options(const py::dict& from) {
  CartOptions to;
  for (const auto& [key, value] : from) {
    const auto name = py::cast<std::string>(key);
    const auto read = [&, v = value](auto& field) { field = py::cast<std::remove_reference_t<decltype(field)>>(v); };
    if (name == "criterion") {
      to.criterion = choice<CartCriterion>(value, "criterion",
                                           {{"gini", CartCriterion::kGini},
                                            {"entropy", CartCriterion::kEntropy},
                                            {"twoing", CartCriterion::kTwoing},
                                            {"squared_error", CartCriterion::kSquaredError},
                                            {"absolute_error", CartCriterion::kAbsoluteError},
                                            {"poisson", CartCriterion::kPoisson}});
    } else if (name == "nominal") {
      to.nominal = choice<NominalSearch>(value, "nominal",
                                         {{"auto", NominalSearch::kAuto},
                                          {"ordered", NominalSearch::kOrdered},
                                          {"exhaustive", NominalSearch::kExhaustive},
                                          {"one_vs_rest", NominalSearch::kOneVsRest}});
    } else if (name == "missing") {
      to.missing = choice<MissingRows>(
          value, "missing", {{"surrogate", MissingRows::kSurrogate}, {"direction", MissingRows::kDirection}});
    } else if (name == "min_split") {
      read(to.min_split);
    } else if (name == "min_bucket") {
      read(to.min_bucket);
    } else if (name == "count_rows") {
      read(to.count_rows);
    } else if (name == "cp") {
      read(to.cp);
    } else if (name == "max_depth") {
      read(to.max_depth);
    } else if (name == "max_leaves") {
      read(to.max_leaves);
    } else if (name == "class_factor") {
      read(to.class_factor);
    } else if (name == "split_factor") {
      read(to.split_factor);
    } else if (name == "losses") {
      read(to.losses);
    } else if (name == "max_surrogates") {
      read(to.max_surrogates);
    } else if (name == "use_surrogates") {
      read(to.use_surrogates);
    } else if (name == "surrogates_of_present") {
      read(to.surrogates_of_present);
    } else if (name == "max_competitors") {
      read(to.max_competitors);
    } else if (name == "feature_cost") {
      read(to.feature_cost);
    } else if (name == "midpoint") {
      read(to.midpoint);
    } else if (name == "shrink") {
      read(to.shrink);
    } else if (name == "max_features") {
      read(to.max_features);
    } else if (name == "random_thresholds") {
      read(to.random_thresholds);
    } else if (name == "seed") {
      read(to.seed);
    } else {
      throw InvalidArgument("unknown option " + name);
    }
  }
  return to;
}

}  // namespace pygbt::bindings
