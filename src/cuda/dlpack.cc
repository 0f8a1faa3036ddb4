// SPDX-License-Identifier: Apache-2.0
#include "dlpack.h"

#include <cstring>
#include <memory>
#include <utility>

#include "base/error.h"

namespace py = pybind11;

namespace pygbt::dlpack {

namespace {

constexpr const char* kName = "dltensor";
constexpr const char* kNameVersioned = "dltensor_versioned";

// What a capsule points to; goes when whoever took the tensor calls its deleter, on any thread.
template <class Holder>
struct Owned {
  Holder managed{};
  std::vector<std::int64_t> shape, strides;
  PyObject* owner = nullptr;

  static void release(Holder* managed) {
    auto* const owned = static_cast<Owned*>(managed->context);
    if (Py_IsInitialized() != 0) {
      const PyGILState_STATE state = PyGILState_Ensure();
      Py_XDECREF(owned->owner);
      PyGILState_Release(state);
    }
    delete owned;
  }
};

// Of a capsule that nobody took: a consumer renames it.
template <class Holder>
void drop(PyObject* capsule, const char* name) {
  if (PyCapsule_IsValid(capsule, name) == 0) return;
  auto* const managed = static_cast<Holder*>(PyCapsule_GetPointer(capsule, name));
  managed->deleter(managed);
}

template <class Holder>
py::capsule wrap(Tensor tensor, std::vector<std::int64_t> shape, std::vector<std::int64_t> strides, py::object owner,
                 const char* name, PyCapsule_Destructor destructor) {
  auto owned = std::make_unique<Owned<Holder>>();
  owned->shape = std::move(shape);
  owned->strides = std::move(strides);
  tensor.shape = owned->shape.data();
  tensor.strides = owned->strides.data();
  owned->managed.tensor = tensor;
  owned->managed.context = owned.get();
  owned->managed.deleter = &Owned<Holder>::release;
  if constexpr (requires { owned->managed.major; }) owned->managed.major = 1;
  PyObject* const made = PyCapsule_New(&owned->managed, name, destructor);
  if (made == nullptr) throw py::error_already_set();
  owned.release()->owner = owner.release().ptr();
  return py::reinterpret_steal<py::capsule>(made);
}

}  // namespace

py::capsule make_capsule(std::uintptr_t pointer, std::int32_t ordinal, DataType dtype, std::vector<std::int64_t> shape,
                         std::vector<std::int64_t> strides, py::object owner, bool versioned) {
  require(shape.size() == strides.size(), "strides: one a dimension is needed");
  Tensor tensor{};
  tensor.data = reinterpret_cast<void*>(pointer);
  tensor.device = {kCuda, ordinal};
  tensor.n_dimensions = static_cast<std::int32_t>(shape.size());
  tensor.dtype = dtype;
  if (versioned)
    return wrap<ManagedVersioned>(tensor, std::move(shape), std::move(strides), std::move(owner), kNameVersioned,
                                  [](PyObject* capsule) { drop<ManagedVersioned>(capsule, kNameVersioned); });
  return wrap<Managed>(tensor, std::move(shape), std::move(strides), std::move(owner), kName,
                       [](PyObject* capsule) { drop<Managed>(capsule, kName); });
}

const Tensor& read_capsule(const py::capsule& capsule) {
  const char* const name = capsule.name();
  require(name != nullptr && (std::strcmp(name, kName) == 0 || std::strcmp(name, kNameVersioned) == 0),
          "__dlpack__ gave a capsule that is not a tensor, or one that somebody has taken");
  if (std::strcmp(name, kName) == 0) return static_cast<Managed*>(PyCapsule_GetPointer(capsule.ptr(), kName))->tensor;
  const auto& managed = *static_cast<ManagedVersioned*>(PyCapsule_GetPointer(capsule.ptr(), kNameVersioned));
  require(managed.major == 1, "__dlpack__ gave a tensor of DLPack version " + std::to_string(managed.major) +
                                  "; versions 0 and 1 are read");
  return managed.tensor;
}

}  // namespace pygbt::dlpack
