// SPDX-License-Identifier: Apache-2.0
// NumPy arrays seen as ColumnViews and spans, never copied. A RawColumns holds the arrays it points into and must
// outlive the views; it is made and destroyed with the GIL held and read without it. Used by bind_data and bind_model.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "data/column.h"

namespace pygbt::bindings {

namespace py = pybind11;

inline std::string column_name(std::size_t column) { return "X, column " + std::to_string(column); }

// The type of numbers in native byte order; InvalidArgument for everything else.
inline ColumnType column_type(const py::dtype& dtype, const std::string& what) {
  const char order = dtype.byteorder();
  const auto size = dtype.itemsize();
  if (order == '=' || order == '|' || (order == '<' && PY_LITTLE_ENDIAN) || (order == '>' && PY_BIG_ENDIAN)) {
    switch (dtype.kind()) {
      case 'b':
        return ColumnType::boolean;
      case 'f':
        if (size == 4) return ColumnType::f32;
        if (size == 8) return ColumnType::f64;
        break;
      case 'i':
        if (size == 1) return ColumnType::i8;
        if (size == 2) return ColumnType::i16;
        if (size == 4) return ColumnType::i32;
        if (size == 8) return ColumnType::i64;
        break;
      case 'u':
        if (size == 1) return ColumnType::u8;
        if (size == 2) return ColumnType::u16;
        if (size == 4) return ColumnType::u32;
        if (size == 8) return ColumnType::u64;
        break;
      default:
        break;
    }
  }
  throw InvalidArgument(what + ": dtype " + std::string(py::str(static_cast<const py::object&>(dtype))) +
                        " is not a number the engine reads; convert it to float32, float64, an integer type or bool");
}

struct RawColumns {
  std::int64_t n_rows = 0;
  std::vector<ColumnView> views;
  std::vector<py::object> owners;
};

namespace detail {

inline void set_rows(RawColumns& out, std::size_t column, std::int64_t n_rows, bool& known) {
  if (known && out.n_rows != n_rows) {
    throw InvalidArgument(column_name(column) + " has " + std::to_string(n_rows) + " rows, the columns before it " +
                          std::to_string(out.n_rows));
  }
  out.n_rows = n_rows;
  known = true;
}

inline ColumnView dense_view(const py::array& array, std::size_t column) {
  if (array.ndim() != 1) throw InvalidArgument(column_name(column) + " must be one-dimensional");
  ColumnView view;
  view.type = column_type(array.dtype(), column_name(column));
  view.data = static_cast<const char*>(array.data());
  view.stride = array.strides(0);
  return view;
}

// ("sparse", values, rows int64 ascending, fill, n_rows): every row not listed holds `fill`.
inline ColumnView sparse_view(const py::tuple& item, std::size_t column, RawColumns& out) {
  const auto values = py::cast<py::array>(item[1]);
  const auto rows = py::cast<py::array_t<std::int64_t, py::array::c_style>>(item[2]);
  const auto n_rows = py::cast<std::int64_t>(item[4]);
  ColumnView view = dense_view(values, column);
  if (rows.ndim() != 1 || rows.size() != values.size()) {
    throw InvalidArgument(column_name(column) + ": sparse values and rows differ in length");
  }
  if (values.size() > 1 && view.stride != values.itemsize()) {
    throw InvalidArgument(column_name(column) + ": sparse values must be contiguous");
  }
  static constexpr std::int64_t kNoRows = 0;  // a sparse column without stored values is still sparse
  view.sparse_rows = rows.size() > 0 ? rows.data() : &kNoRows;
  view.n_stored = values.size();
  view.fill = py::cast<double>(item[3]);
  std::int64_t previous = -1;
  for (std::int64_t i = 0; i < view.n_stored; ++i) {
    if (view.sparse_rows[i] <= previous || view.sparse_rows[i] >= n_rows) {
      throw InvalidArgument(column_name(column) + ": sparse rows must ascend, without repeats, below the row count");
    }
    previous = view.sparse_rows[i];
  }
  out.owners.push_back(values);
  out.owners.push_back(rows);
  return view;
}

inline ColumnView tuple_view(const py::tuple& item, std::size_t column, RawColumns& out, std::int64_t& n_rows) {
  const auto kind = item.size() > 1 ? py::cast<std::string>(item[0]) : std::string();
  if (kind == "sparse" && item.size() == 5) {
    n_rows = py::cast<std::int64_t>(item[4]);
    return sparse_view(item, column, out);
  }
  if (kind == "codes" && item.size() == 2) {
    const auto codes = py::cast<py::array>(item[1]);
    ColumnView view = dense_view(codes, column);
    if (view.type != ColumnType::i32) throw InvalidArgument(column_name(column) + ": codes must be int32");
    view.categorical = true;
    n_rows = codes.shape(0);
    out.owners.push_back(codes);
    return view;
  }
  throw InvalidArgument(column_name(column) +
                        ": expected (\"sparse\", values, rows, fill, n_rows) or (\"codes\", int32 codes)");
}

// ("device", address of element (0, 0), dtype, (n_rows, n_columns), strides in bytes): a matrix on a device, whose owner
// the caller keeps.
inline RawColumns device_columns(const py::tuple& item) {
  RawColumns out;
  ColumnView view;
  view.type = column_type(py::cast<py::dtype>(item[2]), "X");
  view.on_device = true;
  const auto shape = py::cast<std::pair<std::int64_t, std::int64_t>>(item[3]);
  const auto strides = py::cast<std::pair<std::int64_t, std::int64_t>>(item[4]);
  const auto first = py::cast<std::uintptr_t>(item[1]);
  const auto bytes = static_cast<std::int64_t>(py::cast<py::dtype>(item[2]).itemsize());
  if (first % static_cast<std::uintptr_t>(bytes) != 0 || strides.first % bytes != 0 || strides.second % bytes != 0)
    throw InvalidArgument("X: the elements of an array on a device must be aligned to their size; copy it first");
  view.stride = strides.first;
  out.n_rows = shape.first;
  for (std::int64_t j = 0; j < shape.second; ++j) {
    view.data = reinterpret_cast<const char*>(first + static_cast<std::uintptr_t>(j * strides.second));
    out.views.push_back(view);
  }
  return out;
}

}  // namespace detail

// A 2-D array of numbers (any order and strides), a matrix on a device (see above), or a list with one item a column: a
// 1-D array, ("codes", int32) or ("sparse", values, rows, fill, n_rows).
inline RawColumns read_columns(const py::object& columns) {
  RawColumns out;
  if (py::isinstance<py::tuple>(columns)) {
    const auto item = py::cast<py::tuple>(columns);
    if (item.size() == 5 && py::isinstance<py::str>(item[0]) && py::cast<std::string>(item[0]) == "device")
      return detail::device_columns(item);
  }
  if (py::isinstance<py::array>(columns)) {
    const auto array = py::cast<py::array>(columns);
    if (array.ndim() != 2) throw InvalidArgument("X must be two-dimensional");
    ColumnView view;
    view.type = column_type(array.dtype(), "X");
    view.stride = array.strides(0);
    out.n_rows = array.shape(0);
    out.views.assign(static_cast<std::size_t>(array.shape(1)), view);
    const char* first = static_cast<const char*>(array.data());
    for (std::size_t j = 0; j < out.views.size(); ++j) {
      out.views[j].data = first + static_cast<std::int64_t>(j) * array.strides(1);
    }
    out.owners.push_back(array);
    return out;
  }
  bool known = false;
  for (const py::handle item : py::cast<py::sequence>(columns)) {
    const std::size_t column = out.views.size();
    std::int64_t n_rows = 0;
    if (py::isinstance<py::tuple>(item)) {
      out.views.push_back(detail::tuple_view(py::cast<py::tuple>(item), column, out, n_rows));
    } else {
      const auto array = py::cast<py::array>(item);
      out.views.push_back(detail::dense_view(array, column));
      n_rows = array.shape(0);
      out.owners.push_back(array);
    }
    detail::set_rows(out, column, n_rows, known);
  }
  return out;
}

// A C-contiguous array of exactly T as a span, or an empty span for None.
template <class T>
std::span<const T> read_span(const py::object& object, const std::string& what) {
  if (object.is_none()) return {};
  if (!py::isinstance<py::array_t<T, py::array::c_style>>(object)) {
    throw InvalidArgument(what + " must be a C-contiguous array of dtype " +
                          std::string(py::str(static_cast<const py::object&>(py::dtype::of<T>()))));
  }
  const auto array = py::reinterpret_borrow<py::array_t<T, py::array::c_style>>(object);
  return {array.data(), static_cast<std::size_t>(array.size())};
}

// A vector handed over to NumPy without a copy.
template <class T>
py::array_t<T> to_array(std::vector<T>&& values, std::vector<py::ssize_t> shape) {
  auto* owned = new std::vector<T>(std::move(values));
  const py::capsule owner(owned, [](void* pointer) { delete static_cast<std::vector<T>*>(pointer); });
  return py::array_t<T>(std::move(shape), owned->data(), owner);
}

template <class T>
py::array_t<T> to_array(std::vector<T>&& values) {
  const auto n = static_cast<py::ssize_t>(values.size());
  return to_array(std::move(values), {n});
}

}  // namespace pygbt::bindings
