// SPDX-License-Identifier: Apache-2.0
// For tests: gradients of rows with teachers and several losses, as math/task_loss.h makes them.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <vector>

#include "bindings/arrays.h"
#include "bindings/task_options.h"
#include "math/task_loss.h"

namespace py = pybind11;

namespace {

using pygbt::bindings::read_span;
using pygbt::bindings::to_array;

// scores [n][targets]; labels [n][labels] and soft [n][targets] or None; trust and temperature [n] or None.
py::tuple task_gradients(const std::vector<py::dict>& given, const py::object& scores, const py::object& labels,
                         const py::object& soft, const py::object& trust, const py::object& temperature) {
  const std::vector<pygbt::TaskLoss> tasks = pygbt::bindings::read_tasks(given);
  std::int32_t n_targets = 0, n_labels = 0;
  for (const pygbt::TaskLoss& task : tasks) {
    n_targets += task.n_targets;
    n_labels += task.n_labels;
  }
  const auto z = read_span<float>(scores, "scores");
  const auto y = read_span<float>(labels, "labels");
  const auto q = read_span<float>(soft, "soft");
  const auto w = read_span<float>(trust, "trust");
  const auto t = read_span<float>(temperature, "temperature");
  std::vector<float> g(z.size()), h(z.size());
  const auto n_rows = static_cast<py::ssize_t>(z.size()) / n_targets;
  for (py::ssize_t row = 0; row < n_rows; ++row) {
    const auto i = static_cast<std::size_t>(row);
    pygbt::TaskRow of;
    of.scores = z.data() + row * n_targets;
    of.labels = y.empty() ? nullptr : y.data() + row * n_labels;
    of.soft = q.empty() ? nullptr : q.data() + row * n_targets;
    of.trust = w.empty() ? 1.0f : w[i];
    of.temperature = t.empty() ? 1.0f : t[i];
    pygbt::task_gradients(tasks.data(), static_cast<std::int32_t>(tasks.size()), of, g.data() + row * n_targets,
                          h.data() + row * n_targets, 1);
  }
  return py::make_tuple(to_array(std::move(g), {n_rows, n_targets}), to_array(std::move(h), {n_rows, n_targets}));
}

}  // namespace

void bind_probe_tasks(py::module_& probe) {
  probe.def("task_gradients", &task_gradients, py::arg("tasks"), py::arg("scores"), py::arg("labels") = py::none(),
            py::arg("soft") = py::none(), py::arg("trust") = py::none(), py::arg("temperature") = py::none());
}
