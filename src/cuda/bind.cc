// SPDX-License-Identifier: Apache-2.0
// pygbt._cuda, and pygbt._cuda_emulated for tests: what pygbt._core.set_device takes, and facts.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <string>

#include "base/error.h"
#include "factory.h"

namespace py = pybind11;

void bind_arrays(py::module_& module);
void bind_predict(py::module_& module);

namespace {

void translate(std::exception_ptr error) {
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (const pygbt::Unsupported& e) {
    py::set_error(PyExc_NotImplementedError, e.what());
  }
}

py::dict build_info() {
  py::dict info;
  info["compiler"] = PYGBT_CUDA_COMPILER;
  info["built_for"] = PYGBT_CUDA_BUILT_FOR;
  return info;
}

}  // namespace

PYBIND11_MODULE(PYGBT_CUDA_MODULE, module, py::mod_gil_not_used()) {
  module.doc() = "The CUDA backend of pygbt. Internal: ask for it by device=\"cuda\".";
  py::register_local_exception_translator(translate);
  static const pygbt::DeviceModule makers{&pygbt::device::make_cuda_backend, &pygbt::device::make_cuda_walker,
                                          &pygbt::device::make_cuda_binner};
  module.attr("makers") = py::capsule(&makers, "pygbt.DeviceModule " PYGBT_VERSION);
  module.def("n_devices", &pygbt::device::n_devices, "Devices of this machine.");
  module.def("devices", &pygbt::device::device_names, "Names of the devices of this machine, by ordinal.");
  module.def("free_bytes", &pygbt::device::free_bytes, py::arg("ordinal") = 0, py::call_guard<py::gil_scoped_release>(),
             "Memory of a device that is free, for all processes.");
  module.def("allocated_bytes", &pygbt::device::allocated_bytes, "Device memory in use by this process's trainings.");
  module.def("take_peak_bytes", &pygbt::device::take_peak_bytes,
             "The most device memory that was in use by this process since the last call, as asked for.");
  module.def(
      "probe_atomics",
      [](int ordinal, std::int64_t n) {
        py::list rates;
        for (const auto& rate : pygbt::device::probe_atomics(ordinal, n))
          rates.append(py::make_tuple(rate.kind, rate.skewed, rate.updates_per_second));
        return rates;
      },
      py::arg("ordinal") = 0, py::arg("n") = 4096,
      "(kind, skewed, updates a second) of additions to histogram cells in shared memory; for benchmarks.");
  module.def("time_stages", &pygbt::device::time_stages, py::arg("timed"),
             "Seconds of the stages of making bins since the last call; from now on they are timed, or not.");
  module.def("waits", &pygbt::device::waits, "Times that this process waited for results of a device.");
  module.def("build_info", &build_info, "Compiler, and the architectures it compiled for.");
  bind_arrays(module);
  bind_predict(module);
}
