// SPDX-License-Identifier: Apache-2.0
// _core.Trainer: one boosting iteration a call. The GIL is released in every call that touches rows: the trainer only
// reads its immutable data sets and its own state, and Python calls one trainer from one thread.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/pool.h"
#include "bindings/arrays.h"
#include "bindings/task_options.h"
#include "boost/metric.h"
#include "boost/trainer.h"
#include "math/links.h"

namespace py = pybind11;

namespace {

using pygbt::Dataset;
using pygbt::Model;
using pygbt::Params;
using pygbt::Trainer;

std::unique_ptr<Trainer> make_trainer(const Params& params, std::shared_ptr<Dataset> data, const Model* init,
                                      const std::vector<py::dict>& tasks, const py::dict& sharing) {
  std::vector<pygbt::TaskLoss> losses = pygbt::bindings::read_tasks(tasks);
  const pygbt::Sharing shared = pygbt::bindings::read_sharing(sharing);
  const py::gil_scoped_release free;
  return std::make_unique<Trainer>(params, std::move(losses), shared, std::move(data), init,
                                   std::make_shared<pygbt::Solo>());
}

py::dict transfer(Trainer& trainer) {
  const pygbt::CutGains sums = trainer.transfer();
  py::dict out;
  out["shared_gain"] = pygbt::bindings::to_array(std::vector<double>(sums.shared));
  out["own_gain"] = pygbt::bindings::to_array(std::vector<double>(sums.own));
  out["n_nodes"] = sums.n_nodes;
  return out;
}

// Margins (n, k) of one objective to values.
py::array_t<float> link_values(const std::string& objective, const py::array_t<float, py::array::c_style>& margins) {
  pygbt::TaskLoss task;
  py::dict named;
  named["objective"] = objective;
  pygbt::bindings::Options(named, "link_values").take_name("objective", task.objective);
  pygbt::require(margins.ndim() == 2, "margins must have shape (n, k)");
  py::array_t<float> out({margins.shape(0), margins.shape(1)});
  std::copy(margins.data(), margins.data() + margins.size(), out.mutable_data());
  const auto width = static_cast<std::int32_t>(margins.shape(1));
  for (py::ssize_t row = 0; row < margins.shape(0); ++row)
    pygbt::apply_link(pygbt::link_of(task.objective), out.mutable_data() + row * width, width);
  return out;
}

std::int32_t add_valid(Trainer& trainer, std::shared_ptr<Dataset> data) {
  const py::gil_scoped_release free;
  return trainer.add_valid(std::move(data));
}

bool steps(Trainer& trainer, const std::vector<double>& learning_rates) { return trainer.steps(learning_rates); }

std::vector<double> scored_steps(Trainer& trainer, const std::vector<double>& learning_rates,
                                 const std::vector<std::pair<std::int32_t, std::string>>& metrics) {
  std::vector<pygbt::SetMetric> of;
  for (const auto& [set, name] : metrics) of.push_back({set, name});
  return trainer.scored_steps(learning_rates, of);
}

bool step_custom(Trainer& trainer, double learning_rate, const py::object& gradient, const py::object& hessian) {
  const auto g = pygbt::bindings::read_span<float>(gradient, "gradient");
  const auto h = pygbt::bindings::read_span<float>(hessian, "hessian");
  const py::gil_scoped_release free;
  return trainer.step_custom(learning_rate, g, h);
}

// (pointer, row stride, column stride, is float64)
pygbt::DeviceMatrix device_matrix(const py::tuple& item) {
  pygbt::DeviceMatrix matrix;
  const auto pointer = item[0].cast<std::uintptr_t>();
  matrix.data = reinterpret_cast<const void*>(pointer);
  matrix.row_stride = item[1].cast<std::int64_t>();
  matrix.column_stride = item[2].cast<std::int64_t>();
  matrix.is_double = item[3].cast<bool>();
  const std::int64_t size = matrix.is_double ? 8 : 4;
  pygbt::require(static_cast<std::int64_t>(pointer) % size == 0 && matrix.row_stride % size == 0 &&
                     matrix.column_stride % size == 0,
                 "objective: the arrays on the GPU are not aligned; return copies");
  return matrix;
}

bool step_custom_device(Trainer& trainer, double learning_rate, const py::tuple& gradient, const py::tuple& hessian) {
  const auto g = device_matrix(gradient);
  const auto h = device_matrix(hessian);
  const py::gil_scoped_release free;
  return trainer.step_custom(learning_rate, g, h);
}

std::optional<std::uintptr_t> device_scores(const Trainer& trainer, std::int32_t set) {
  pygbt::DeviceScoredRows* const rows = trainer.device_rows(set);
  if (rows == nullptr) return std::nullopt;
  const py::gil_scoped_release free;
  return reinterpret_cast<std::uintptr_t>(rows->device_scores());
}

void device_values(const Trainer& trainer, std::int32_t set, std::uintptr_t out) {
  pygbt::DeviceScoredRows* const rows = trainer.device_rows(set);
  pygbt::require(rows != nullptr, "the rows of this set are not on a device");
  const py::gil_scoped_release free;
  rows->values(pygbt::link_of(trainer.loss().objective), reinterpret_cast<float*>(out));
}

// A with block in which the thread has workers of its own.
class OwnWorkersBlock {
 public:
  void enter() { workers_ = std::make_unique<pygbt::OwnWorkers>(); }
  void exit() { workers_.reset(); }

 private:
  std::unique_ptr<pygbt::OwnWorkers> workers_;
};

// A copy (n_rows, n_outputs): the trainer goes on changing its scores.
template <class Floats>
py::array_t<float> as_matrix(const Trainer& trainer, const Floats& values) {
  const auto n_outputs = static_cast<py::ssize_t>(trainer.n_outputs());
  py::array_t<float> out({static_cast<py::ssize_t>(values.size()) / n_outputs, n_outputs});
  std::copy(values.begin(), values.end(), out.mutable_data());
  return out;
}

}  // namespace

void bind_trainer(py::module_& module) {
  const auto free = py::call_guard<py::gil_scoped_release>();
  module.def("metric_larger_is_better", &pygbt::metric_larger_is_better, py::arg("name"));
  module.def("link_values", &link_values, py::arg("objective"), py::arg("margins"),
             "Margins (n, k) of an objective in units of the label.");
  py::class_<OwnWorkersBlock>(module, "OwnWorkers", "In its with block jobs of this thread have workers of their own.")
      .def(py::init<>())
      .def("__enter__", &OwnWorkersBlock::enter)
      .def("__exit__", [](OwnWorkersBlock& block, const py::args&) { block.exit(); });
  py::class_<Trainer>(module, "Trainer", "Grows a model one iteration at a time.")
      .def(py::init(&make_trainer), py::arg("params"), py::arg("dataset"), py::arg("init_model") = nullptr,
           py::arg("tasks") = std::vector<py::dict>(), py::arg("sharing") = py::dict())
      .def("transfer", &transfer,
           "Gains of shared trees by task, and those of the tasks' own best cuts of the same nodes.")
      .def("add_valid", &add_valid, py::arg("dataset"),
           "Adds an evaluation set that shares the training edges; returns its index.")
      .def("step", &Trainer::step, py::arg("learning_rate"), free, "One iteration; False when no tree found a cut.")
      .def("steps", &steps, py::arg("learning_rates"), free, "One iteration a rate.")
      .def("scored_steps", &scored_steps, py::arg("learning_rates"), py::arg("metrics"), free,
           "One iteration a rate, each followed by metrics (set, name): values [round][metric], flat.")
      .def("step_custom", &step_custom, py::arg("learning_rate"), py::arg("gradient"), py::arg("hessian"),
           "One iteration from float32 gradients and hessians (n_rows, n_outputs).")
      .def("step_custom_device", &step_custom_device, py::arg("learning_rate"), py::arg("gradient"), py::arg("hessian"),
           "The same from memory of the trainer's device: (pointer, row stride, column stride, is float64) each.")
      .def("device_scores", &device_scores, py::arg("set") = -1,
           "Address of the margins, float32 (n_rows, n_outputs) in C order; None where they are on the host.")
      .def("device_values", &device_values, py::arg("set"), py::arg("out"),
           "Writes the same in units of the label to an address of the device.")
      .def(
          "scores", [](Trainer& trainer, std::int32_t set) { return as_matrix(trainer, trainer.scores(set)); },
          py::arg("set") = -1, "Margins (n_rows, n_outputs): -1 training rows, else an evaluation set.")
      .def(
          "values", [](Trainer& trainer, std::int32_t set) { return as_matrix(trainer, trainer.values(set)); },
          py::arg("set") = -1, "The same in units of the label.")
      .def("metric", &Trainer::metric, py::arg("name"), py::arg("set") = -1, free)
      .def(
          "check_metric",
          [](const Trainer& trainer, const std::string& name) { pygbt::check_metric(name, trainer.loss()); },
          py::arg("name"), "Raises ValueError where the metric has no meaning for the objective.")
      .def("model", &Trainer::model, free, "The trees so far as an immutable model.")
      .def_property_readonly("default_metric",
                             [](const Trainer& trainer) { return pygbt::default_metric(trainer.loss()); })
      .def_property_readonly("on_device", [](const Trainer& trainer) { return trainer.device_rows(-1) != nullptr; })
      .def_property_readonly("n_iterations", &Trainer::n_iterations)
      .def_property_readonly("n_outputs", &Trainer::n_outputs);
}
