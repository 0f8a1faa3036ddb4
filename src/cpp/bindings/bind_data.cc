// SPDX-License-Identifier: Apache-2.0
// _core.Dataset and _core.Cuts.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "base/error.h"
#include "bindings/arrays.h"
#include "data/cuts.h"
#include "data/dataset.h"
#include "data/joint_slots.h"
#include "model/validate.h"

namespace py = pybind11;

namespace {

using namespace pygbt;
using bindings::RawColumns;
using bindings::read_columns;
using bindings::read_span;
using bindings::to_array;

std::int32_t width_of(const py::object& object, const std::string& what) {
  if (object.is_none()) return 0;
  const auto array = py::cast<py::array>(object);
  if (array.ndim() != 2) throw InvalidArgument(what + " must have shape (n_rows, k)");
  return static_cast<std::int32_t>(array.shape(1));
}

CutsPtr reference_cuts(const py::object& reference) {
  if (reference.is_none()) return nullptr;
  if (py::isinstance<Dataset>(reference)) return py::cast<const Dataset&>(reference).cuts;
  return std::const_pointer_cast<const Cuts>(py::cast<std::shared_ptr<Cuts>>(reference));
}

// Lets Ctrl-C end what runs without the GIL.
void check_signals() {
  const py::gil_scoped_acquire acquire;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

TeacherForm read_form(const std::string& form) {
  if (form == "by_objective") return TeacherForm::kByObjective;
  if (form == "probabilities") return TeacherForm::kProbabilities;
  if (form == "logits") return TeacherForm::kLogits;
  require(form == "values", "teacher_form must be 'probabilities', 'logits' or 'values', got '" + form + "'");
  return TeacherForm::kValues;
}

// teacher: None or (values [row][k], form, temperatures [row] or None, trust [row] or None).
void read_rows(DatasetInput& input, const py::object& labels, const py::object& weights, const py::object& base_margin,
               const py::object& teacher) {
  if (!teacher.is_none()) {
    const auto parts = py::cast<py::tuple>(teacher);
    input.teacher = read_span<float>(parts[0], "teacher");
    input.n_teacher = width_of(parts[0], "teacher");
    input.teacher_form = read_form(py::cast<std::string>(parts[1]));
    input.teacher_temperature = read_span<float>(parts[2], "teacher_temperature");
    input.teacher_trust = read_span<float>(parts[3], "teacher_weight");
  }
  input.labels = read_span<float>(labels, "label");
  input.n_labels = width_of(labels, "label");
  input.weights = read_span<double>(weights, "weight");
  input.base_margin = read_span<float>(base_margin, "base_margin");
  input.n_margins = width_of(base_margin, "base_margin");
}

std::shared_ptr<Dataset> new_dataset(const py::object& columns, const py::object& n_categories, std::int32_t max_bin,
                                     const py::object& labels, const py::object& weights, const py::object& base_margin,
                                     const py::object& group_sizes, const py::object& reference, std::int64_t first_row,
                                     int n_threads, const std::string& device, int device_ordinal,
                                     const py::object& teacher, std::size_t max_device_bytes) {
  RawColumns raw = read_columns(columns);  // holds the arrays while building
  DatasetInput input;
  input.n_rows = raw.n_rows;
  input.columns = std::move(raw.views);
  if (!n_categories.is_none()) input.n_categories = py::cast<std::vector<std::int32_t>>(n_categories);
  input.max_bin = max_bin;
  read_rows(input, labels, weights, base_margin, teacher);
  input.group_sizes = read_span<std::int64_t>(group_sizes, "group");
  input.reference = reference_cuts(reference);
  input.first_row = first_row;
  input.n_threads = n_threads;
  const py::gil_scoped_release release;
  std::unique_ptr<DeviceBinner> binner;
  if (device != "cpu") {
    binner = make_binner(device, device_ordinal);
    input.binner = binner.get();
    input.device = device;
    input.device_ordinal = device_ordinal;
    input.most_device_bytes = max_device_bytes;
    input.check = check_signals;
  } else {
    for (const ColumnView& column : input.columns)
      require(!column.on_device, "X lies on a device: build the Dataset there");
  }
  return std::make_shared<Dataset>(make_dataset(input));
}

// Some rows, or all of them (None) in the same memory, with other labels, weights and margins.
std::shared_ptr<Dataset> take(const Dataset& data, const py::object& rows, const py::object& labels,
                              const py::object& weights, const py::object& base_margin, const py::object& teacher,
                              const py::object& group_sizes, int n_threads) {
  DatasetInput input;
  input.n_threads = n_threads;
  input.group_sizes = read_span<std::int64_t>(group_sizes, "group");
  read_rows(input, labels, weights, base_margin, teacher);
  if (rows.is_none()) {
    input.n_rows = data.n_rows;
    const py::gil_scoped_release release;
    return std::make_shared<Dataset>(with_row_columns(data, input));
  }
  const auto taken = read_span<RowId>(rows, "rows");
  input.n_rows = static_cast<std::int64_t>(taken.size());
  for (const RowId row : taken) require(row < data.n_rows, "rows must lie in the table");
  const py::gil_scoped_release release;
  return std::make_shared<Dataset>(take_rows(data, taken, input));
}

// (n_rows, n_features), from the row-major blocks or from the columns; a device has columns.
py::array_t<std::uint16_t> bins(const std::shared_ptr<Dataset>& table, bool by_column) {
  const auto on_host = with_host_columns(table);
  const Dataset& data = *on_host;
  by_column = by_column || table->device_bins != nullptr;
  const std::int64_t n = data.n_rows;
  const std::int64_t m = data.n_features();
  std::vector<std::uint16_t> out(static_cast<std::size_t>(n * m));
  {
    const py::gil_scoped_release release;
    for (FeatureId f = 0; f < data.n_features() && by_column; ++f)
      for (std::int64_t row = 0; row < n; ++row) out[static_cast<std::size_t>(row * m + f)] = data.column(f).at(row);
    for (const BinBlock& block : data.bins->blocks) {
      for (std::size_t s = 0; s < block.slots.size() && !by_column; ++s) {
        const Slot& slot = block.slots[s];
        for (std::int64_t row = 0; row < n; ++row)
          for (std::size_t i = 0; i < slot.features.size(); ++i)
            out[static_cast<std::size_t>(row * m + slot.features[i])] = slot.bin(block.code_at(row, s), i);
      }
    }
    for (const SparseBlock& block : data.bins->sparse_blocks) {
      if (by_column) continue;
      for (const SparseFeature& of : block.features)
        for (std::int64_t row = 0; row < n; ++row) out[static_cast<std::size_t>(row * m + of.feature)] = of.usual;
      for (std::int64_t row = 0; row < n; ++row)
        block.visit(
            row, [&](const SparseFeature& of, Bin bin) { out[static_cast<std::size_t>(row * m + of.feature)] = bin; });
    }
  }
  return to_array(std::move(out), {n, m});
}

// Features of which only the unusual bins are listed, block by block.
std::vector<std::vector<FeatureId>> sparse_blocks(const Dataset& data) {
  std::vector<std::vector<FeatureId>> out;
  for (const SparseBlock& block : data.bins->sparse_blocks) {
    auto& features = out.emplace_back();
    for (const SparseFeature& of : block.features) features.push_back(of.feature);
  }
  return out;
}

// Features that share a byte, slot by slot.
std::vector<std::vector<FeatureId>> slots(const Dataset& data) {
  std::vector<std::vector<FeatureId>> out;
  for (const BinBlock& block : data.bins->blocks)
    for (const Slot& slot : block.slots) out.push_back(slot.features);
  return out;
}

// The same where a sum over codes has another price, of the features with at most 256 bins.
std::vector<std::vector<FeatureId>> planned_slots(const std::shared_ptr<Dataset>& table, std::int64_t rows_per_sum) {
  require(rows_per_sum > 0, "rows_per_sum must be positive");
  const auto on_host = with_host_columns(table);
  std::vector<std::vector<FeatureId>> out;
  const std::vector<bool> held(static_cast<std::size_t>(on_host->n_features()), false);
  for (PlannedSlot& planned : plan_slots(*on_host, held, rows_per_sum, 1))
    out.push_back(std::move(planned.slot.features));
  return out;
}

const FeatureCuts& feature(const Cuts& cuts, std::int64_t f) {
  if (f < 0 || f >= cuts.n_features()) throw py::index_error("feature " + std::to_string(f));
  return cuts.features[static_cast<std::size_t>(f)];
}

py::dict cuts_to_arrays(const Cuts& cuts) {
  std::vector<double> edges;
  std::vector<std::int64_t> offsets{0};
  std::vector<std::int32_t> n_bins;
  std::vector<std::uint8_t> categorical;
  std::vector<std::uint8_t> wide;
  for (const FeatureCuts& f : cuts.features) {
    edges.insert(edges.end(), f.edges.begin(), f.edges.end());
    offsets.push_back(static_cast<std::int64_t>(edges.size()));
    n_bins.push_back(f.n_bins);
    categorical.push_back(f.categorical ? 1 : 0);
    wide.push_back(f.wide ? 1 : 0);
  }
  py::dict out;
  out["edges"] = to_array(std::move(edges));
  out["edge_offsets"] = to_array(std::move(offsets));
  out["n_bins"] = to_array(std::move(n_bins));
  out["categorical"] = to_array(std::move(categorical));
  out["wide"] = to_array(std::move(wide));
  return out;
}

std::shared_ptr<Cuts> cuts_from_arrays(const py::dict& arrays) {
  const auto need = [&](const char* name) -> py::object {
    require(arrays.contains(name), std::string("cuts: array \"") + name + "\" is missing");
    return arrays[name];
  };
  const py::object n_bins_array = need("n_bins");
  const auto n_bins = read_span<std::int32_t>(n_bins_array, "n_bins");
  const auto edges = read_span<double>(need("edges"), "edges");
  const auto offsets = read_span<std::int64_t>(need("edge_offsets"), "edge_offsets");
  const auto categorical = read_span<std::uint8_t>(need("categorical"), "categorical");
  const auto wide = read_span<std::uint8_t>(need("wide"), "wide");
  const std::size_t n = n_bins.size();
  require(offsets.size() == n + 1 && categorical.size() == n && wide.size() == n && offsets[0] == 0 &&
              offsets[n] == static_cast<std::int64_t>(edges.size()),
          "cuts: the arrays differ in length");
  auto cuts = std::make_shared<Cuts>();
  for (std::size_t f = 0; f < n; ++f) {
    require(offsets[f] <= offsets[f + 1] && offsets[f + 1] <= offsets[n], "cuts: edge_offsets must not descend");
    FeatureCuts one;
    one.categorical = categorical[f] != 0;
    one.wide = wide[f] != 0;
    one.n_bins = n_bins[f];
    const auto first = static_cast<std::size_t>(offsets[f]);
    const auto count = static_cast<std::size_t>(offsets[f + 1]) - first;
    one.edges.assign(edges.data() + first, edges.data() + first + count);
    cuts->features.push_back(std::move(one));
  }
  validate_cuts(*cuts);
  return cuts;
}

}  // namespace

void bind_data(py::module_& module) {
  py::class_<Cuts, std::shared_ptr<Cuts>>(module, "Cuts")
      .def_property_readonly("n_features", &Cuts::n_features)
      .def("edges",
           [](const Cuts& cuts, std::int64_t f) { return to_array(std::vector<double>(feature(cuts, f).edges)); })
      .def("n_bins", [](const Cuts& cuts, std::int64_t f) { return feature(cuts, f).n_bins; })
      .def("is_categorical", [](const Cuts& cuts, std::int64_t f) { return feature(cuts, f).categorical; })
      .def("is_wide", [](const Cuts& cuts, std::int64_t f) { return feature(cuts, f).wide; })
      .def("to_arrays", &cuts_to_arrays)
      .def_static("from_arrays", &cuts_from_arrays);

  py::class_<Dataset, std::shared_ptr<Dataset>>(module, "Dataset")
      .def(py::init(&new_dataset), py::arg("columns"), py::arg("n_categories") = py::none(), py::kw_only(),
           py::arg("max_bin") = 256, py::arg("labels") = py::none(), py::arg("weights") = py::none(),
           py::arg("base_margin") = py::none(), py::arg("group_sizes") = py::none(), py::arg("reference") = py::none(),
           py::arg("first_row") = 0, py::arg("n_threads") = 0, py::arg("device") = "cpu", py::arg("device_ordinal") = 0,
           py::arg("teacher") = py::none(), py::arg("max_device_bytes") = 0)
      .def_readonly("device", &Dataset::device)
      .def_readonly("device_ordinal", &Dataset::device_ordinal)
      .def("take", &take, py::arg("rows"), py::kw_only(), py::arg("labels") = py::none(),
           py::arg("weights") = py::none(), py::arg("base_margin") = py::none(), py::arg("teacher") = py::none(),
           py::arg("group_sizes") = py::none(), py::arg("n_threads") = 0,
           "Rows in the same bins; all of them (None) share the memory of the bins.")
      .def("shares_bins",
           [](const Dataset& data, const Dataset& other) {
             return data.device_bins == nullptr ? data.bins == other.bins : data.device_bins == other.device_bins;
           })
      .def_property_readonly("bin_bytes", &Dataset::bin_bytes)
      .def_readonly("n_rows", &Dataset::n_rows)
      .def_property_readonly("n_features", &Dataset::n_features)
      .def_readonly("n_labels", &Dataset::n_labels)
      .def_property_readonly("cuts", [](const Dataset& data) { return std::const_pointer_cast<Cuts>(data.cuts); })
      .def_property_readonly("has_weights", [](const Dataset& data) { return !data.weights.empty(); })
      .def_readonly("weight_unit", &Dataset::weight_unit)
      .def("bins", &bins, py::arg("by_column") = false)
      .def("sparse_blocks", &sparse_blocks)
      .def("slots", &slots)
      .def("planned_slots", &planned_slots, py::arg("rows_per_sum"))
      .def("labels",
           [](const Dataset& data) {
             return to_array(std::vector<float>(data.labels), {data.n_labels > 0 ? data.n_rows : 0, data.n_labels});
           })
      .def("fixed_weights", [](const Dataset& data) {
        if (data.weights.empty()) {
          return to_array(std::vector<std::uint32_t>(static_cast<std::size_t>(data.n_rows), 1u));
        }
        return to_array(std::vector<std::uint32_t>(data.weights));
      });
}
