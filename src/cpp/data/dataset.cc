// SPDX-License-Identifier: Apache-2.0
#include "data/dataset.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "base/pool.h"
#include "comm/communicator.h"
#include "data/binning.h"
#include "data/blocks.h"
#include "data/device_edges.h"
#include "data/edges.h"
#include "data/weights.h"

namespace pygbt {
namespace {

constexpr std::int64_t kCheckedTogether = 1 << 16;  // labels
constexpr std::int32_t kMostCategories = 65535;  // a code and the missing bin fit 16 bits

std::string shape(std::int64_t rows, std::size_t columns) {
  return "(shape=(" + std::to_string(rows) + ", " + std::to_string(columns) + "))";
}

void check_table(const DatasetInput& input) {
  const std::size_t n_features = input.columns.size();
  require(n_features > 0, "X has 0 feature(s) " + shape(input.n_rows, 0) + " while a minimum of 1 is required.");
  require(input.n_rows > 0, "X has 0 sample(s) " + shape(0, n_features) + " while a minimum of 1 is required.");
  require(input.n_rows < std::numeric_limits<RowId>::max(),
          "X has " + std::to_string(input.n_rows) + " rows; at most 4294967294 are supported");
  require(input.max_bin >= 2 && input.max_bin <= 65536,
          "max_bin must lie between 2 and 65536, got " + std::to_string(input.max_bin));
  require(input.n_categories.empty() || input.n_categories.size() == n_features,
          "n_categories must have one entry a column");
  for (std::size_t f = 0; f < n_features; ++f) {
    if (!input.columns[f].categorical) continue;
    require(!input.n_categories.empty() || input.reference != nullptr,
            "n_categories is needed for categorical columns");
    if (input.n_categories.empty()) continue;
    const std::int32_t n = input.n_categories[f];
    require(n >= 0 && n <= kMostCategories, "X, column " + std::to_string(f) + ": " + std::to_string(n) +
                                                " categories; at most 65535 are supported. Leave the column out, "
                                                "group its rare values, or make it numeric");
  }
}

void check_reference(const DatasetInput& input) {
  const auto& features = input.reference->features;
  require(features.size() == input.columns.size(), "X has " + std::to_string(input.columns.size()) +
                                                       " features, but the reference is expecting " +
                                                       std::to_string(features.size()) + " features as input");
  for (std::size_t f = 0; f < features.size(); ++f) {
    require(features[f].categorical == input.columns[f].categorical,
            "X, column " + std::to_string(f) + " is " + (input.columns[f].categorical ? "categorical" : "numeric") +
                ", but " + (features[f].categorical ? "categorical" : "numeric") + " in the reference");
  }
}

// [n_rows][k] floats, all finite, or NaN where that may be; whether some are NaN.
bool check_finite(std::span<const float> values, std::int64_t n_rows, std::int32_t k, int n_threads,
                  const std::string& name, bool nan_allowed = false) {
  require(k > 0 && values.size() == static_cast<std::size_t>(n_rows) * static_cast<std::size_t>(k),
          name + " has " + std::to_string(values.size()) + " values, expected " + std::to_string(n_rows) + " rows of " +
              std::to_string(k));
  std::atomic<std::int64_t> not_finite{0}, nan{0};
  const auto n = static_cast<std::int64_t>(values.size());
  parallel_ranges(resolve_threads(n_threads), n, kCheckedTogether, [&](std::int64_t begin, std::int64_t end, int) {
    std::int64_t own = 0, own_nan = 0;
    for (const float value : values.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin))) {
      own += std::abs(value) <= std::numeric_limits<float>::max() ? 0 : 1;
      own_nan += std::isnan(value) ? 1 : 0;
    }
    not_finite += own;
    nan += own_nan;
  });
  const std::int64_t bad = not_finite - (nan_allowed ? nan.load() : 0);
  if (bad == 0) return nan > 0;
  const auto is_bad = [&](float value) { return !std::isfinite(value) && !(nan_allowed && std::isnan(value)); };
  const auto first = static_cast<std::size_t>(std::find_if(values.begin(), values.end(), is_bad) - values.begin());
  throw InvalidArgument(name + ": " + std::to_string(bad) + " value(s) are " + (nan_allowed ? "" : "NaN or ") +
                        "infinite (in float32), the first in row " +
                        std::to_string(first / static_cast<std::size_t>(k)) + "; drop these rows or fill them in");
}

std::vector<std::int64_t> group_offsets(const DatasetInput& input) {
  std::vector<std::int64_t> begin{0};
  for (std::size_t g = 0; g < input.group_sizes.size(); ++g) {
    const std::int64_t size = input.group_sizes[g];
    require(size > 0 && size <= input.n_rows, "group: sizes must be positive and at most the number of rows, got " +
                                                  std::to_string(size) + " for group " + std::to_string(g));
    begin.push_back(begin.back() + size);
    require(begin.back() <= input.n_rows, "group: the sizes add up to more than the " + std::to_string(input.n_rows) +
                                              " rows (at group " + std::to_string(g) + ")");
  }
  require(begin.back() == input.n_rows, "group: the sizes add up to " + std::to_string(begin.back()) + ", but X has " +
                                            std::to_string(input.n_rows) + " rows");
  return begin;
}

std::shared_ptr<Cuts> categorical_cuts(const DatasetInput& input) {
  auto cuts = std::make_shared<Cuts>();
  cuts->features.resize(input.columns.size());
  for (std::size_t f = 0; f < input.columns.size(); ++f) {
    if (!input.columns[f].categorical) continue;
    cuts->features[f].categorical = true;
    cuts->features[f].n_bins = input.n_categories[f] + 1;
  }
  return cuts;
}

// Edges and bins, here.
void bin_here(const DatasetInput& input, Dataset& data) {
  if (input.reference == nullptr) {
    auto cuts = categorical_cuts(input);
    Solo solo;
    find_edges(input.columns, input.n_rows, data.weights, input.max_bin, solo, input.n_threads, cuts->features);
    data.cuts = std::move(cuts);
  }
  fill_columns(input.columns, input.n_threads, data);
  fill_blocks(input.n_threads, data);
}

void bin_there(const DatasetInput& input, Dataset& data) {
  data.device = input.device;
  data.device_ordinal = input.device_ordinal;
  const bool find = input.reference == nullptr;
  auto cuts = find ? categorical_cuts(input) : std::make_shared<Cuts>(*input.reference);
  data.device_bins = bin_on_device(*input.binner, input.columns, input.n_rows, data.weights, input.max_bin, find,
                                   input.n_threads, input.most_device_bytes, input.check, cuts->features);
  if (find) data.cuts = std::move(cuts);
}

std::string where(const std::string& device, int ordinal) {
  return device == "cpu" || device == "naive" ? device : device + ":" + std::to_string(ordinal);
}

void take_teacher(const DatasetInput& input, Dataset& data) {
  check_finite(input.teacher, input.n_rows, input.n_teacher, input.n_threads, "teacher", true);
  require(std::any_of(input.teacher.begin(), input.teacher.end(), [](float value) { return !std::isnan(value); }),
          "teacher: every value is NaN, so it says nothing; leave it out");
  const auto check_rows = [&](std::span<const float> values, const std::string& name) {
    require(values.empty() || values.size() == static_cast<std::size_t>(input.n_rows),
            name + " has " + std::to_string(values.size()) + " values, but X has " + std::to_string(input.n_rows) +
                " rows");
  };
  check_rows(input.teacher_temperature, "teacher_temperature");
  check_rows(input.teacher_trust, "teacher_weight");
  for (const float factor : input.teacher_temperature)
    require(factor > 0.0f && factor <= std::numeric_limits<float>::max(),
            "teacher_temperature must hold positive finite factors");
  for (const float trust : input.teacher_trust)
    require(trust >= 0.0f && trust <= 1.0f, "teacher_weight must lie between 0 and 1 in every row");
  data.teacher.assign(input.teacher.begin(), input.teacher.end());
  data.n_teacher = input.n_teacher;
  data.teacher_form = input.teacher_form;
  data.teacher_temperature.assign(input.teacher_temperature.begin(), input.teacher_temperature.end());
  data.teacher_trust.assign(input.teacher_trust.begin(), input.teacher_trust.end());
}

template <class Byte>
void take_values(const std::uint8_t* from, std::span<const RowId> rows, std::uint8_t* to) {
  const auto* const values = reinterpret_cast<const Byte*>(from);
  auto* const out = reinterpret_cast<Byte*>(to);
  for (std::size_t i = 0; i < rows.size(); ++i) out[i] = values[rows[i]];
}

void take_columns(const HostBins& from, std::span<const RowId> rows, int n_threads, HostBins& to) {
  to.column_two_byte = from.column_two_byte;
  to.columns.resize(from.columns.size());
  parallel_for(resolve_threads(n_threads), static_cast<std::int64_t>(from.columns.size()), [&](std::int64_t f, int) {
    const auto at = static_cast<std::size_t>(f);
    const bool two_byte = from.column_two_byte[at];
    to.columns[at].resize(rows.size() * (two_byte ? 2 : 1));
    if (two_byte)
      take_values<std::uint16_t>(from.columns[at].data(), rows, to.columns[at].data());
    else
      take_values<std::uint8_t>(from.columns[at].data(), rows, to.columns[at].data());
  });
}

// All but the bins.
Dataset make_rows(const DatasetInput& input) {
  Dataset data;
  data.n_rows = input.n_rows;
  data.first_row = input.first_row;
  data.total_weight = static_cast<std::uint64_t>(input.n_rows);
  if (!input.labels.empty() || input.n_labels > 0) {
    data.labels_missing = check_finite(input.labels, input.n_rows, input.n_labels, input.n_threads, "label",
                                       input.n_labels > 1 || input.n_teacher > 0);
    data.labels.assign(input.labels.begin(), input.labels.end());
    data.n_labels = input.n_labels;
  }
  if (!input.base_margin.empty() || input.n_margins > 0) {
    check_finite(input.base_margin, input.n_rows, input.n_margins, input.n_threads, "base_margin");
    data.base_margin.assign(input.base_margin.begin(), input.base_margin.end());
    data.n_margins = input.n_margins;
  }
  if (input.n_teacher > 0) {
    take_teacher(input, data);
  } else {
    require(input.teacher_temperature.empty() && input.teacher_trust.empty(),
            "teacher_temperature and teacher_weight belong to a teacher; give teacher=, too");
  }
  if (!input.group_sizes.empty()) data.group_begin = group_offsets(input);
  if (!input.weights.empty()) {
    require(input.weights.size() == static_cast<std::size_t>(input.n_rows),
            "weight has " + std::to_string(input.weights.size()) + " values, but X has " +
                std::to_string(input.n_rows) + " rows");
    FixedWeights fixed = fix_weights(input.weights, input.n_threads);
    data.weights = std::move(fixed.values);
    data.weight_unit = fixed.unit;
    data.total_weight = fixed.total;
  }
  return data;
}

}  // namespace

std::int64_t Dataset::bin_bytes() const {
  std::size_t bytes = 0;
  for (const auto& column : bins->columns) bytes += column.size();
  for (const BinBlock& block : bins->blocks) bytes += block.bytes.size();
  for (const SparseBlock& block : bins->sparse_blocks)
    bytes += block.begins.size() * sizeof(block.begins[0]) + block.codes.size() * sizeof(block.codes[0]);
  return static_cast<std::int64_t>(bytes);
}

Dataset make_dataset(const DatasetInput& input) {
  check_table(input);
  Dataset data = make_rows(input);
  if (input.reference != nullptr) {
    check_reference(input);
    data.cuts = input.reference;
  }
  if (input.binner == nullptr)
    bin_here(input, data);
  else
    bin_there(input, data);
  return data;
}

Dataset take_rows(const Dataset& data, std::span<const RowId> rows, const DatasetInput& input) {
  require(!rows.empty(),
          "X has 0 sample(s) " + shape(0, data.cuts->features.size()) + " while a minimum of 1 is required.");
  Dataset taken = make_rows(input);
  taken.cuts = data.cuts;
  taken.device = data.device;
  taken.device_ordinal = data.device_ordinal;
  if (data.device_bins != nullptr) {
    taken.device_bins = data.device_bins->take(rows);
  } else {
    take_columns(*data.bins, rows, input.n_threads, *taken.bins);
    fill_blocks(input.n_threads, taken);
  }
  return taken;
}

Dataset with_row_columns(const Dataset& data, const DatasetInput& input) {
  Dataset other = make_rows(input);
  other.cuts = data.cuts;
  other.device = data.device;
  other.device_ordinal = data.device_ordinal;
  other.device_bins = data.device_bins;
  other.bins = data.bins;
  return other;
}

std::shared_ptr<const Dataset> with_host_columns(std::shared_ptr<const Dataset> data) {
  if (data->device_bins == nullptr) return data;
  auto copy = std::make_shared<Dataset>(*data);
  copy->device_bins = nullptr;
  copy->bins = std::make_shared<HostBins>();
  copy->device = "cpu";
  copy->device_ordinal = 0;
  for (FeatureId f = 0; f < data->n_features(); ++f) {
    const bool two_byte = data->cuts->features[static_cast<std::size_t>(f)].n_bins > 256;
    copy->bins->column_two_byte.push_back(two_byte);
    auto& column = copy->bins->columns.emplace_back(static_cast<std::size_t>(data->n_rows) * (two_byte ? 2 : 1));
    data->device_bins->read(f, column.data());
  }
  return copy;
}

void require_bins_on(const Dataset& data, const std::string& device, int ordinal) {
  if (data.device_bins == nullptr || (data.device == device && data.device_ordinal == ordinal)) return;
  const std::string is = where(data.device, data.device_ordinal), wanted = where(device, ordinal);
  throw InvalidArgument("the Dataset lives on device=\"" + is + "\", where a training on device=\"" + wanted +
                        "\" cannot read it; train with device=\"" + is + "\", or build it with Dataset(..., device=\"" +
                        (wanted == "naive" ? "cpu" : wanted) + "\")");
}

}  // namespace pygbt
