// SPDX-License-Identifier: Apache-2.0
// _core.Params: built from a dictionary of canonical names, read through attributes.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "boost/metric.h"
#include "boost/trainer.h"
#include "params/params.h"

namespace py = pybind11;

namespace {

using pygbt::Params;
using pygbt::ParamValue;

std::int64_t to_int64(const std::string& name, py::handle item) {
  try {
    return item.cast<std::int64_t>();
  } catch (const py::cast_error&) {
    throw pygbt::InvalidArgument(name + " holds an integer outside 64 bits");
  }
}

ParamValue list_value(const std::string& name, const py::sequence& list) {
  bool all_ints = true, all_lists = true;
  for (const py::handle item : list) {
    all_ints = all_ints && py::isinstance<py::int_>(item);
    all_lists = all_lists && (py::isinstance<py::list>(item) || py::isinstance<py::tuple>(item));
  }
  if (all_ints) {
    std::vector<std::int64_t> values;
    for (const py::handle item : list) values.push_back(to_int64(name, item));
    return values;
  }
  if (all_lists) {
    std::vector<std::vector<std::int64_t>> values;
    for (const py::handle inner : list) {
      auto& row = values.emplace_back();
      for (const py::handle item : py::reinterpret_borrow<py::sequence>(inner)) row.push_back(to_int64(name, item));
    }
    return values;
  }
  std::vector<double> values;
  for (const py::handle item : list) {
    if (!py::isinstance<py::float_>(item) && !py::isinstance<py::int_>(item)) {
      throw py::type_error(name + " must be a list of numbers");
    }
    values.push_back(item.cast<double>());
  }
  return values;
}

ParamValue to_value(const std::string& name, py::handle object) {
  if (py::isinstance<py::bool_>(object)) return object.cast<bool>();
  if (py::isinstance<py::int_>(object)) return to_int64(name, object);
  if (py::isinstance<py::float_>(object)) return object.cast<double>();
  if (py::isinstance<py::str>(object)) return object.cast<std::string>();
  if (py::isinstance<py::list>(object) || py::isinstance<py::tuple>(object)) {
    return list_value(name, py::reinterpret_borrow<py::sequence>(object));
  }
  throw py::type_error(name + " has a value of type " + std::string(py::str(py::type::of(object))) +
                       "; normalise the dictionary with pygbt.parameters first");
}

template <class Field>
py::object to_python(const Field& field) {
  if constexpr (std::is_enum_v<Field>) {
    return py::str(std::string(pygbt::to_string(field)));
  } else if constexpr (std::is_same_v<Field, std::optional<double>>) {
    return field ? py::object(py::float_(*field)) : py::object(py::str("auto"));
  } else {
    return py::cast(field);
  }
}

Params make_params(const py::dict& values) {
  Params params;
  for (const auto& [key, value] : values) {
    const auto name = key.cast<std::string>();
    pygbt::set_param(params, name, to_value(name, value));
  }
  pygbt::validate(params);
  return params;
}

py::dict to_dict(const Params& params) {
  py::dict out;
  pygbt::for_each_param(params, [&](const auto& field, const pygbt::ParamSpec& spec) {
    out[py::str(std::string(spec.name))] = to_python(field);
  });
  return out;
}

py::object get_attribute(const Params& params, const std::string& name) {
  py::object found;
  pygbt::for_each_param(params, [&](const auto& field, const pygbt::ParamSpec& spec) {
    if (spec.name == name) found = to_python(field);
  });
  if (!found) throw py::attribute_error("Params has no parameter '" + name + "'");
  return found;
}

}  // namespace

void bind_params(py::module_& module) {
  py::class_<Params>(module, "Params", "Training parameters: canonical names, checked.")
      .def(py::init(&make_params), py::arg("values") = py::dict())
      .def("to_dict", &to_dict, "Every parameter with its value; 'auto' where the engine chooses.")
      .def("validate_features", &pygbt::validate_features, py::arg("n_features"))
      .def_property_readonly(
          "default_metric", [](const Params& params) { return pygbt::default_metric(pygbt::loss_of(params)); },
          "Name of the metric of the objective.")
      .def("__getattr__", &get_attribute)
      .def("__eq__", [](const Params& a, const Params& b) { return to_dict(a).equal(to_dict(b)); })
      .def("__repr__", [](const Params& params) { return "Params(" + std::string(py::repr(to_dict(params))) + ")"; });
}
