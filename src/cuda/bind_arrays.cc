// SPDX-License-Identifier: Apache-2.0
// Arrays on a device: what pygbt/device_arrays.py is made of.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "array_memory.h"
#include "base/error.h"
#include "dlpack.h"

namespace py = pybind11;

namespace {

using pygbt::device::ArrayMemory;

void* address(std::uintptr_t pointer) { return reinterpret_cast<void*>(pointer); }

void to_host(int ordinal, std::uintptr_t from, py::array& to) {
  pygbt::require((to.flags() & py::array::c_style) != 0, "to_host fills arrays in C order");
  void* const out = to.mutable_data();
  const auto n_bytes = static_cast<std::size_t>(to.nbytes());
  const py::gil_scoped_release free;
  pygbt::device::copy_to_host(ordinal, out, address(from), n_bytes);
}

void to_device(int ordinal, std::uintptr_t to, const py::array& from) {
  pygbt::require((from.flags() & py::array::c_style) != 0, "to_device reads arrays in C order");
  const void* const values = from.data();
  const auto n_bytes = static_cast<std::size_t>(from.nbytes());
  const py::gil_scoped_release free;
  pygbt::device::copy_to_device(ordinal, address(to), values, n_bytes);
}

void take_rows(int ordinal, std::uintptr_t from, std::pair<std::int64_t, std::int64_t> strides, std::int32_t n_columns,
               std::int32_t item_bytes, const py::array_t<std::int64_t, py::array::c_style>& rows, std::uintptr_t to) {
  const bool known = item_bytes == 1 || item_bytes == 2 || item_bytes == 4 || item_bytes == 8;
  pygbt::require(known && from % static_cast<std::uintptr_t>(item_bytes) == 0 && strides.first % item_bytes == 0 &&
                     strides.second % item_bytes == 0,
                 "X: the elements of an array on a device must be numbers of at most 8 bytes, aligned to their size; "
                 "copy it first");
  const std::span<const std::int64_t> taken(rows.data(), static_cast<std::size_t>(rows.size()));
  const py::gil_scoped_release free;
  pygbt::device::take_rows(ordinal, {address(from), strides.first, strides.second, n_columns, item_bytes}, taken,
                           address(to));
}

py::tuple read_dlpack(const py::capsule& capsule) {
  const auto& tensor = pygbt::dlpack::read_capsule(capsule);
  const auto list = [&](const std::int64_t* items) {
    return py::cast(std::vector<std::int64_t>(items, items + tensor.n_dimensions));
  };
  return py::make_tuple(reinterpret_cast<std::uintptr_t>(tensor.data) + tensor.byte_offset, tensor.device.type,
                        tensor.device.id, list(tensor.shape),
                        tensor.strides == nullptr ? py::none() : py::object(list(tensor.strides)), tensor.dtype.code,
                        tensor.dtype.bits, tensor.dtype.lanes);
}

// Destroyed with the GIL held: memory waits for the device, and others may go on.
struct FreeGil {
  void operator()(ArrayMemory* memory) const {
    const py::gil_scoped_release free;
    delete memory;
  }
};

}  // namespace

void bind_arrays(py::module_& module) {
  const auto free = py::call_guard<py::gil_scoped_release>();
  py::class_<ArrayMemory, std::unique_ptr<ArrayMemory, FreeGil>>(
      module, "Memory", "Bytes of a device, given back when everything queued there is done.",
      py::module_local())  // a process may load the tests' module, too
      .def(py::init([](int ordinal, std::size_t n_bytes) {
             const py::gil_scoped_release without;
             return std::unique_ptr<ArrayMemory, FreeGil>(new ArrayMemory(ordinal, n_bytes));
           }),
           py::arg("ordinal"), py::arg("n_bytes"))
      .def_property_readonly("pointer",
                             [](ArrayMemory& memory) { return reinterpret_cast<std::uintptr_t>(memory.data()); })
      .def_property_readonly("ordinal", &ArrayMemory::ordinal)
      .def_property_readonly("n_bytes", &ArrayMemory::n_bytes);
  module.def("to_host", &to_host, py::arg("ordinal"), py::arg("pointer"), py::arg("out"), "Fills an array in C order.");
  module.def("to_device", &to_device, py::arg("ordinal"), py::arg("pointer"), py::arg("array"));
  module.def(
      "copy",
      [](int ordinal, std::uintptr_t to, std::uintptr_t from, std::size_t n_bytes) {
        pygbt::device::copy_on_device(ordinal, address(to), address(from), n_bytes);
      },
      py::arg("ordinal"), py::arg("to"), py::arg("pointer"), py::arg("n_bytes"), free);
  module.def("take_rows", &take_rows, py::arg("ordinal"), py::arg("pointer"), py::arg("strides"), py::arg("n_columns"),
             py::arg("item_bytes"), py::arg("rows"), py::arg("to"), "Some rows of a matrix, in C order.");
  module.def(
      "ordinal_of", [](std::uintptr_t pointer) { return pygbt::device::ordinal_of(address(pointer)); },
      py::arg("pointer"), free, "The device whose memory this is; ValueError where it is none's.");
  module.def("wait_for_stream", &pygbt::device::wait_for_stream, py::arg("ordinal"), py::arg("stream"), free,
             "Returns when a stream of any library is done: its handle, 1 the legacy default, 2 the thread's own.");
  module.def("wait_for_all", &pygbt::device::wait_for_all, py::arg("ordinal"), free,
             "Returns when everything queued on the device is done.");
  module.def(
      "dlpack_capsule",
      [](std::uintptr_t pointer, std::int32_t ordinal, std::uint8_t code, std::uint8_t bits,
         std::vector<std::int64_t> shape, std::vector<std::int64_t> strides, py::object owner, bool versioned) {
        return pygbt::dlpack::make_capsule(pointer, ordinal, {code, bits, 1}, std::move(shape), std::move(strides),
                                           std::move(owner), versioned);
      },
      py::arg("pointer"), py::arg("ordinal"), py::arg("code"), py::arg("bits"), py::arg("shape"), py::arg("strides"),
      py::arg("owner"), py::arg("versioned"), "Strides in elements.");
  module.def("read_dlpack", &read_dlpack, py::arg("capsule"),
             "(pointer, device type, device, shape, strides in elements or None, code, bits, lanes).");
}
