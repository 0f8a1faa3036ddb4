// SPDX-License-Identifier: Apache-2.0
// _core.row_predictor: a plain C function that predicts one row, or a few, at the least cost a call from Python can
// have: no argument parsing, no containers, no release of the GIL (a row takes less time than that).
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "model/row_predictor.h"

namespace py = pybind11;

namespace {

constexpr std::int64_t kMostRows = 64;  // beyond, Booster.predict is faster
constexpr const char* kCapsule = "pygbt._core.row_predictor";

struct Prepared {
  pygbt::RowPredictor predictor;
  py::object otherwise;    // called with every argument that is not served here
  int narrow, wide;        // type numbers of float32 and float64
};

// The type number of an array of native byte order, else -1. By number: arrays that were pickled have dtype objects of
// their own.
int native_type(PyObject* array) {
  const auto dtype = py::reinterpret_borrow<py::dtype>(py::detail::array_proxy(array)->descr);
  return dtype.byteorder() == '=' ? dtype.num() : -1;
}

// One float32 or float64 array of shape (n_features,) or (n <= kMostRows, n_features).
py::object predict_rows(const Prepared& prepared, const py::array& x, bool narrow) {
  const pygbt::RowPredictor& predictor = prepared.predictor;
  const bool one = x.ndim() == 1;
  const std::int64_t n = one ? 1 : x.shape(0);
  const std::int64_t row_stride = one ? 0 : x.strides(0), stride = x.strides(one ? 0 : 1);
  const auto* data = static_cast<const char*>(x.data());
  const auto row = [&](std::int64_t i, float* out) {
    const void* from = data + i * row_stride;
    if (narrow) {
      predictor.predict(static_cast<const float*>(from), stride, out);
    } else {
      predictor.predict(static_cast<const double*>(from), stride, out);
    }
  };
  const std::int32_t k = predictor.n_outputs();
  if (one && k == 1) {
    float value;
    row(0, &value);
    return py::reinterpret_steal<py::object>(PyFloat_FromDouble(static_cast<double>(value)));
  }
  std::vector<py::ssize_t> shape;
  if (!one) shape.push_back(n);
  if (one || k > 1) shape.push_back(k);
  py::array_t<float> out(std::move(shape));
  float* to = out.mutable_data();
  for (std::int64_t i = 0; i < n; ++i) row(i, to + i * k);
  return out;
}

PyObject* call(PyObject* self, PyObject* argument) {
  const auto* prepared = static_cast<const Prepared*>(PyCapsule_GetPointer(self, kCapsule));
  if (prepared == nullptr) return nullptr;
  try {
    if (py::isinstance<py::array>(argument)) {
      const auto x = py::reinterpret_borrow<py::array>(argument);
      const int type = native_type(argument);
      const bool narrow = type == prepared->narrow;
      const py::ssize_t n_dims = x.ndim();
      const bool fits = (narrow || type == prepared->wide) &&
                        ((n_dims == 1 && x.shape(0) == prepared->predictor.n_features()) ||
                         (n_dims == 2 && x.shape(1) == prepared->predictor.n_features() && x.shape(0) <= kMostRows));
      if (fits) return predict_rows(*prepared, x, narrow).release().ptr();
    }
    return PyObject_CallOneArg(prepared->otherwise.ptr(), argument);
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
  return nullptr;
}

PyMethodDef method = {"predict", &call, METH_O,
                      "predict(X)\n--\n\nPredict a row, shape (n_features,), or rows, shape (n, n_features)."};

py::object make(const pygbt::Model& model, std::int32_t begin, std::int32_t end, bool value, py::object otherwise) {
  if (!pygbt::RowPredictor::fits(model)) return otherwise;
  auto prepared = std::unique_ptr<Prepared>(
      new Prepared{pygbt::RowPredictor(model, begin, end, value ? pygbt::Output::kValue : pygbt::Output::kMargin),
                   std::move(otherwise), py::dtype::of<float>().num(), py::dtype::of<double>().num()});
  const py::capsule self(prepared.get(), kCapsule, [](PyObject* capsule) {
    delete static_cast<Prepared*>(PyCapsule_GetPointer(capsule, kCapsule));
  });
  prepared.release();
  PyObject* function = PyCFunction_New(&method, self.ptr());
  if (function == nullptr) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(function);
}

}  // namespace

void bind_row_predictor(py::module_& module);
void bind_row_predictor(py::module_& module) {
  module.def("row_predictor", &make, py::arg("model"), py::kw_only(), py::arg("begin"), py::arg("end"),
             py::arg("value"), py::arg("otherwise"),
             "A function of one array: float32 or float64 of shape (n_features,) or (up to 64, n_features). Any other "
             "argument goes to `otherwise`, which is returned itself where the model has categories.");
}
