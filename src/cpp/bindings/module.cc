// SPDX-License-Identifier: Apache-2.0
// Table of contents of pygbt._core: each bind_<noun>.cc adds its part. Errors of the core become Python's.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <string>

#include "backend/backend.h"
#include "backend/isa_dispatch.h"
#include "base/error.h"

namespace py = pybind11;

void bind_params(py::module_& module);
void bind_data(py::module_& module);
void bind_model(py::module_& module);
void bind_metric(py::module_& module);
void bind_trainer(py::module_& module);
void bind_decision(py::module_& module);
void bind_cart(py::module_& module);
void bind_ensemble(py::module_& module);
void bind_prune(py::module_& module);
void bind_c45(py::module_& module);
void bind_rules(py::module_& module);
void bind_probe_math(py::module_& probe);
void bind_probe_tasks(py::module_& probe);
void bind_row_predictor(py::module_& module);
void bind_probe_backend(py::module_& probe);
void bind_probe_limits(py::module_& probe);
void bind_probe_rank(py::module_& probe);

namespace {

// std::bad_alloc is pybind11's own: MemoryError. ModelFileError is Python's class, looked up when it is needed.
void translate(std::exception_ptr error) {
  if (!error) return;
  try {
    std::rethrow_exception(error);
  } catch (const pygbt::InvalidArgument& e) {
    py::set_error(PyExc_ValueError, e.what());
  } catch (const pygbt::CorruptModel& e) {
    py::set_error(py::module_::import("pygbt.errors").attr("ModelFileError"), e.what());
  } catch (const pygbt::Unsupported& e) {
    py::set_error(PyExc_NotImplementedError, e.what());
  }
}

py::dict build_info() {
  py::dict info;
  info["version"] = PYGBT_VERSION;
#if defined(__clang__)
  info["compiler"] = std::string(__VERSION__);
#else
  info["compiler"] = std::string("g++ ") + __VERSION__;
#endif
  info["isa_levels"] = pygbt::available_isas();
  info["isa"] = pygbt::active_isa();
  return info;
}

// A device from a module of its own: a capsule named for the version, so that modules of different builds do not meet.
void set_device(const std::string& device, const py::capsule& makers) {
  pygbt::require(makers.name() != nullptr && std::string(makers.name()) == "pygbt.DeviceModule " PYGBT_VERSION,
                 "the module of device=\"" + device + "\" was built for another version of pygbt");
  pygbt::set_device_module(device, *makers.get_pointer<const pygbt::DeviceModule>());
}

}  // namespace

PYBIND11_MODULE(_core, module, py::mod_gil_not_used()) {
  module.doc() = "The C++ core of pygbt. Internal: use the names in pygbt.";
  py::register_local_exception_translator(translate);
  module.def("build_info", &build_info, "Version, compiler, and the instruction-set levels this CPU can run.");
  module.def("set_device", &set_device, py::arg("device"), py::arg("makers"),
             "Use what another module makes for a device from now on.");
  bind_params(module);
  bind_data(module);
  bind_model(module);
  bind_row_predictor(module);
  bind_metric(module);
  bind_trainer(module);
  bind_decision(module);
  bind_cart(module);
  bind_ensemble(module);
  bind_prune(module);
  bind_c45(module);
  bind_rules(module);
  py::module_ probe = module.def_submodule("probe", "Single operations of the engine, for tests and benchmarks.");
  bind_probe_math(probe);
  bind_probe_tasks(probe);
  bind_probe_backend(probe);
  bind_probe_limits(probe);
  bind_probe_rank(probe);
}
