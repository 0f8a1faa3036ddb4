// SPDX-License-Identifier: Apache-2.0
// _core.Model: prediction, slices, importances, and the model as named arrays plus a dictionary for files.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/error.h"
#include "bindings/arrays.h"
#include "model/arrays.h"
#include "model/device_predict.h"
#include "model/model.h"
#include "model/predict.h"
#include "params/params.h"

namespace py = pybind11;

namespace {

using pygbt::CorruptModel;
using pygbt::Model;
using pygbt::ModelArrays;

template <class Work>
void without_gil(Work work) {
  const py::gil_scoped_release free;
  work();
}

pygbt::Output output_kind(const std::string& output) {
  pygbt::require(output == "value" || output == "margin", "output must be value, margin or leaf, got '" + output + "'");
  return output == "value" ? pygbt::Output::kValue : pygbt::Output::kMargin;
}

py::array predict(const Model& model, const py::object& columns, const std::string& output, std::int32_t begin,
                  std::int32_t end, int n_threads, const py::object& base_margin, bool plain, const std::string& device,
                  int device_ordinal, const std::string& path) {
  const pygbt::PredictDevice where{device, device_ordinal, pygbt::parse_walk_path(path)};
  const pygbt::bindings::RawColumns raw = pygbt::bindings::read_columns(columns);
  pygbt::PredictInput input;
  input.n_rows = raw.n_rows;
  input.columns = raw.views;
  input.base_margin = pygbt::bindings::read_span<float>(base_margin, "base_margin");
  input.begin = begin;
  input.end = end;
  input.n_threads = n_threads;
  input.plain = plain;
  if (output == "leaf") {
    const std::int32_t n_iterations = model.n_iterations();  // a wrong range is refused below
    const std::int32_t wanted = std::clamp(end, 0, n_iterations) - std::clamp(begin, 0, n_iterations);
    const py::ssize_t n_trees = static_cast<py::ssize_t>(std::max(wanted, 0)) * model.trees_per_iteration();
    py::array_t<std::int32_t> leaves({static_cast<py::ssize_t>(raw.n_rows), n_trees});
    const std::span out(leaves.mutable_data(), static_cast<std::size_t>(leaves.size()));
    without_gil([&] {
      if (device == "cpu")
        pygbt::predict_leaves(model, input, out);
      else
        pygbt::predict_leaves_on(where, model, input, out);
    });
    return leaves;
  }
  const pygbt::Output kind = output_kind(output);
  py::array_t<float> scores({static_cast<py::ssize_t>(raw.n_rows), static_cast<py::ssize_t>(model.n_outputs())});
  const std::span out(scores.mutable_data(), static_cast<std::size_t>(scores.size()));
  without_gil([&] {
    if (device == "cpu")
      pygbt::predict_scores(model, input, kind, out);
    else
      pygbt::predict_scores_on(where, model, input, kind, out);
  });
  return scores;
}

// (address on the device, (rows, columns), (bytes a row, bytes a column), dtype)
struct DeviceMatrix {
  const char* data;
  std::int64_t n_rows, n_columns, row_stride, column_stride;
  pygbt::ColumnType type;

  DeviceMatrix(const py::tuple& from, const char* what) {
    data = reinterpret_cast<const char*>(py::cast<std::uintptr_t>(from[0]));
    std::tie(n_rows, n_columns) = py::cast<std::pair<std::int64_t, std::int64_t>>(from[1]);
    std::tie(row_stride, column_stride) = py::cast<std::pair<std::int64_t, std::int64_t>>(from[2]);
    type = pygbt::bindings::column_type(py::dtype::from_args(from[3]), what);
  }
};

void predict_at(const Model& model, const py::tuple& rows, std::uintptr_t to, const std::string& output,
                std::int32_t begin, std::int32_t end, const py::object& base_margin, const py::object& categories,
                const std::string& device, int device_ordinal, const std::string& path) {
  const pygbt::PredictDevice where{device, device_ordinal, pygbt::parse_walk_path(path)};
  const DeviceMatrix matrix(rows, "X");
  std::vector<pygbt::ColumnView> columns(static_cast<std::size_t>(matrix.n_columns));
  for (std::size_t f = 0; f < columns.size(); ++f) {
    columns[f].type = matrix.type;
    columns[f].categorical = f < model.cuts().features.size() && model.cuts().features[f].categorical;
    columns[f].data = matrix.data + static_cast<std::int64_t>(f) * matrix.column_stride;
    columns[f].stride = matrix.row_stride;
  }
  std::vector<pygbt::CategoryValues> known;
  if (!categories.is_none()) {
    for (const py::handle item : py::cast<py::sequence>(categories)) {
      pygbt::CategoryValues& of_column = known.emplace_back();
      if (item.is_none()) continue;
      const auto pair = py::cast<py::tuple>(item);
      const auto values = pygbt::bindings::read_span<double>(pair[0], "categories");
      const auto codes = pygbt::bindings::read_span<std::int32_t>(pair[1], "categories");
      of_column = {{values.begin(), values.end()}, {codes.begin(), codes.end()}};
    }
  }
  pygbt::PredictInput input;
  input.n_rows = matrix.n_rows;
  input.columns = columns;
  input.begin = begin;
  input.end = end;
  pygbt::DeviceTable table{input, {}, known};
  if (!base_margin.is_none()) {
    const DeviceMatrix margins(py::cast<py::tuple>(base_margin), "base_margin");
    pygbt::require(margins.n_rows == matrix.n_rows && margins.n_columns == model.n_outputs(),
                   "base_margin must have " + std::to_string(model.n_outputs()) + " values for each of the " +
                       std::to_string(matrix.n_rows) + " rows");
    table.margins = {margins.data, margins.row_stride, margins.column_stride, margins.type};
  }
  if (output == "leaf") {
    const std::size_t n_trees =
        static_cast<std::size_t>(std::max(end - begin, 0)) * static_cast<std::size_t>(model.trees_per_iteration());
    const std::span out(reinterpret_cast<std::int32_t*>(to), static_cast<std::size_t>(matrix.n_rows) * n_trees);
    without_gil([&] { pygbt::predict_leaves_at(where, model, table, out); });
    return;
  }
  const pygbt::Output kind = output_kind(output);
  const std::span out(reinterpret_cast<float*>(to),
                      static_cast<std::size_t>(matrix.n_rows) * static_cast<std::size_t>(model.n_outputs()));
  without_gil([&] { pygbt::predict_scores_at(where, model, table, kind, out); });
}

template <class T>
py::array copy_of(const std::vector<T>& values) {
  return py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
}

py::dict tree_dict(const Model& model, std::int32_t index) {
  pygbt::require(index >= 0 && index < model.n_trees(),
                 "tree " + std::to_string(index) + " of a model of " + std::to_string(model.n_trees()));
  const pygbt::Tree& tree = model.tree(index);
  py::dict out;
  out["width"] = tree.width;
  out["target"] = tree.target;
  out["left"] = copy_of(tree.left);
  out["feature"] = copy_of(tree.feature);
  out["threshold"] = copy_of(tree.threshold);
  out["default_left"] = copy_of(tree.default_left);
  const bool sets = !tree.cat_begin.empty();
  out["cat_begin"] = copy_of(sets ? tree.cat_begin : std::vector<std::int32_t>(tree.left.size(), -1));
  out["cat_words"] = copy_of(sets ? tree.cat_words : std::vector<std::int32_t>(tree.left.size(), 0));
  out["gain"] = copy_of(tree.gain);
  out["cover"] = copy_of(tree.cover);
  out["count"] = copy_of(tree.count);
  out["cat_bits"] = copy_of(tree.cat_bits);
  out["leaf_value"] = copy_of(tree.leaf_value);
  return out;
}

py::tuple to_python(const Model& model) {
  ModelArrays arrays;
  without_gil([&] { arrays = pygbt::to_arrays(model); });
  py::dict named;
  for_each_array(arrays, [&](const char* name, auto& values, bool shrinks) {
    if (shrinks && !arrays.wide) {
      named[name] = pygbt::bindings::to_array(std::vector<float>(values.begin(), values.end()));
    } else {
      named[name] = pygbt::bindings::to_array(std::move(values));
    }
  });
  const pygbt::LossSpec& loss = arrays.loss;
  py::dict meta;
  meta["objective"] = std::string(pygbt::to_string(loss.objective));
  meta["trees_per_iteration"] = arrays.trees_per_iteration;
  meta["softmax_hessian"] = std::string(pygbt::to_string(loss.hessian));
  meta["huber_delta"] = loss.huber_delta;
  meta["tweedie_variance_power"] = loss.tweedie_power;
  meta["scale_pos_weight"] = loss.scale_pos_weight;
  meta["quantile_alpha"] = loss.quantile_alpha;
  return py::make_tuple(named, meta);
}

template <class T>
void read_array(const py::array& array, const char* name, std::vector<T>& out) {
  // T's own dtype in this machine's byte order, nothing converted.
  if (!py::isinstance<py::array_t<T>>(array)) {
    throw CorruptModel(std::string("model: array ") + name + " has dtype " + std::string(py::str(array.dtype())));
  }
  if (array.ndim() != 1) throw CorruptModel(std::string("model: array ") + name + " is not one-dimensional");
  const auto values = py::cast<py::array_t<T, py::array::c_style>>(array);
  out.assign(values.data(), values.data() + values.size());
}

template <class T>
T read_meta(const py::dict& meta, const char* key) {
  if (!meta.contains(key)) throw CorruptModel(std::string("model: '") + key + "' is missing");
  try {
    return py::cast<T>(meta[key]);
  } catch (const py::cast_error&) {
    throw CorruptModel(std::string("model: '") + key + "' has a wrong type");
  }
}

template <class Enum>
Enum read_name(const py::dict& meta, const char* key) {
  const auto name = read_meta<std::string>(meta, key);
  const auto value = pygbt::parse_enum<Enum>(name);
  if (!value) throw CorruptModel(std::string("model: unknown ") + key + " '" + name + "'");
  return *value;
}

Model from_python(const py::dict& named, const py::dict& meta) {
  ModelArrays arrays;
  std::size_t n_known = 0;
  bool narrow = true, wide = true;  // dtype of the arrays that are float32 or float64
  for_each_array(arrays, [&](const char* name, auto& values, bool shrinks) {
    if (!named.contains(name) || !py::isinstance<py::array>(named[name])) {
      throw CorruptModel(std::string("model: array ") + name + " is missing");
    }
    ++n_known;
    const auto array = py::cast<py::array>(named[name]);
    const bool is_float = py::isinstance<py::array_t<float>>(array);
    if (shrinks) (is_float ? wide : narrow) = false;
    if (shrinks && is_float) {
      std::vector<float> narrow_values;
      read_array(array, name, narrow_values);
      values.assign(narrow_values.begin(), narrow_values.end());
    } else {
      read_array(array, name, values);
    }
  });
  if (n_known != named.size()) throw CorruptModel("model: there are unknown arrays");
  if (narrow == wide) throw CorruptModel("model: thresholds and edges differ in dtype");
  arrays.wide = wide;
  arrays.trees_per_iteration = read_meta<std::int32_t>(meta, "trees_per_iteration");
  arrays.loss.objective = read_name<pygbt::Objective>(meta, "objective");
  arrays.loss.hessian = read_name<pygbt::SoftmaxHessian>(meta, "softmax_hessian");
  arrays.loss.n_targets = static_cast<std::int32_t>(arrays.base_score.size());
  arrays.loss.huber_delta = read_meta<decltype(arrays.loss.huber_delta)>(meta, "huber_delta");
  arrays.loss.tweedie_power = read_meta<decltype(arrays.loss.tweedie_power)>(meta, "tweedie_variance_power");
  arrays.loss.scale_pos_weight = read_meta<decltype(arrays.loss.scale_pos_weight)>(meta, "scale_pos_weight");
  arrays.loss.quantile_alpha = read_meta<decltype(arrays.loss.quantile_alpha)>(meta, "quantile_alpha");
  const py::gil_scoped_release free;
  return pygbt::from_arrays(arrays);
}

}  // namespace

void bind_model(py::module_& module) {
  py::class_<Model, std::shared_ptr<Model>>(module, "Model", "A trained model: immutable, safe to share by threads.")
      .def_property_readonly("n_features", &Model::n_features)
      .def_property_readonly("n_outputs", &Model::n_outputs)
      .def_property_readonly("n_trees", &Model::n_trees)
      .def_property_readonly("n_iterations", &Model::n_iterations)
      .def_property_readonly("trees_per_iteration", &Model::trees_per_iteration)
      .def_property_readonly("objective",
                             [](const Model& model) { return std::string(pygbt::to_string(model.loss().objective)); })
      .def_property_readonly("base_score", [](const Model& model) { return copy_of(model.base_score()); })
      .def_property_readonly(
          "cuts", [](const Model& model) { return std::const_pointer_cast<pygbt::Cuts>(model.shared_cuts()); })
      .def("predict", &predict, py::arg("columns"), py::kw_only(), py::arg("output"), py::arg("begin"), py::arg("end"),
           py::arg("n_threads") = 0, py::arg("base_margin") = py::none(), py::arg("plain") = false,
           py::arg("device") = "cpu", py::arg("device_ordinal") = 0, py::arg("path") = "auto",
           "(n, n_outputs) float32 values or margins, or (n, trees) int32 leaf indices, of iterations [begin, end).")
      .def("predict_at", &predict_at, py::arg("rows"), py::arg("to"), py::kw_only(), py::arg("output"),
           py::arg("begin"), py::arg("end"), py::arg("base_margin") = py::none(), py::arg("categories") = py::none(),
           py::arg("device") = "cuda", py::arg("device_ordinal") = 0, py::arg("path") = "auto",
           "The same of a matrix on a device, (address, shape, strides, dtype), to C-ordered memory on it.")
      .def("slice", &Model::slice, py::arg("begin"), py::arg("end"), py::arg("step") = 1)
      .def("tree", &tree_dict, py::arg("index"), "Arrays over the nodes of one tree, as in tree/tree.h.")
      .def("to_arrays", &to_python, "The model as (arrays by name, dictionary of scalars).")
      .def_static("from_arrays", &from_python, py::arg("arrays"), py::arg("meta"),
                  "The model of to_arrays, after every index is proven in range. Raises ModelFileError.")
      .def(
          "feature_importance",
          [](const Model& model, const std::string& kind) {
            return pygbt::bindings::to_array(model.feature_importance(pygbt::parse_importance(kind)));
          },
          py::arg("kind"));
}
