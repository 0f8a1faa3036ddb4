// SPDX-License-Identifier: Apache-2.0
// Metrics of margins that no trainer keeps.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "boost/labels.h"
#include "boost/metric.h"
#include "boost/trainer.h"
#include "comm/communicator.h"

namespace py = pybind11;

namespace {

double evaluate(const std::string& name, const pygbt::Params& params, const std::shared_ptr<pygbt::Dataset>& data,
                const py::array_t<float, py::array::c_style>& margins) {
  pygbt::require(margins.ndim() == 2 && margins.shape(1) >= 1, "margins must have shape (n, n_targets)");
  const std::span<const float> values(margins.data(), static_cast<std::size_t>(margins.size()));
  pygbt::LossSpec spec = pygbt::loss_of(params);
  spec.n_targets = static_cast<std::int32_t>(margins.shape(1));
  spec.soft_labels = spec.objective == pygbt::Objective::kSoftmax && data->n_labels > 1;
  const py::gil_scoped_release free;
  pygbt::check_labels(spec, *data);
  pygbt::Solo alone;
  return pygbt::evaluate_metric(name, spec, values, *data, alone, params.n_threads);
}

}  // namespace

void bind_metric(py::module_& module) {
  module.def("evaluate_metric", &evaluate, py::arg("name"), py::arg("params"), py::arg("dataset"), py::arg("margins"),
             "A metric of margins (n, n_targets) of the parameters' objective against the labels of a Dataset.");
}
