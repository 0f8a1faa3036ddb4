// SPDX-License-Identifier: Apache-2.0
// The training table: bins in two layouts, labels, weights, margins, groups. Validated once, then immutable.
// Built by make_dataset; read by backends, metrics and the boosting loop. Bins that a device found stay there.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/huge_pages.h"
#include "base/types.h"
#include "data/column.h"
#include "data/cuts.h"
#include "data/device_bins.h"
#include "data/slots.h"
#include "data/sparse_block.h"

namespace pygbt {

// The same bins column by column, for the partition and for binned prediction.
struct BinColumn {
  const void* data = nullptr;  // [row] uint8 or uint16
  bool two_byte = false;
  Bin at(std::int64_t row) const {
    return two_byte ? static_cast<const std::uint16_t*>(data)[row] : static_cast<const std::uint8_t*>(data)[row];
  }
};

// In which unit a teacher speaks. By objective: probabilities of classes, else values in units of the label.
enum class TeacherForm : std::uint8_t { kByObjective, kProbabilities, kLogits, kValues };

// The bins of a table on the host, in two layouts.
struct HostBins {
  std::vector<BinBlock> blocks;  // every feature in one slot, or in a sparse block
  std::vector<SparseBlock> sparse_blocks;
  std::vector<HugeVector<std::uint8_t>> columns;  // [feature] -> [row] uint8 or uint16
  std::vector<bool> column_two_byte;  // [feature]
};

class Dataset {
 public:
  std::int64_t n_rows = 0;
  std::int64_t first_row = 0;           // global index of row 0 (rows of earlier workers); keys the row sampling
  CutsPtr cuts;
  std::shared_ptr<HostBins> bins = std::make_shared<HostBins>();  // data sets of the same rows share them; not changed
  // Of a table that lives on a device: its bins, in place of those of the host.
  DeviceBinsPtr device_bins;
  std::string device = "cpu";  // where the bins are
  int device_ordinal = 0;

  std::int32_t n_labels = 0;  // columns of `labels`
  std::vector<float> labels;  // [row][n_labels]; NaN: the row has none
  bool labels_missing = false;  // some are
  // Fixed-point weights: weight = weights[row] * weight_unit. Empty = every row weighs 1 (weight_unit 1).
  // weight_unit is a power of two chosen so that weights that are integers stay exact: weight 2 = the row twice.
  std::vector<std::uint32_t> weights;  // [row], 0 = the row does not count
  double weight_unit = 1.0;
  std::uint64_t total_weight = 0;  // sum of the fixed-point weights (n_rows without weights), < 2^46
  std::vector<float> base_margin;  // [row][n_margins] or empty
  std::int32_t n_margins = 0;
  std::vector<std::int64_t> group_begin;  // [n_groups + 1] row offsets, or empty

  // What a teacher says of the rows, beside the labels or in place of them.
  std::int32_t n_teacher = 0;  // columns of `teacher`
  std::vector<float> teacher;  // [row][n_teacher]; NaN: nothing
  TeacherForm teacher_form = TeacherForm::kByObjective;
  std::vector<float> teacher_temperature;  // [row] factor on the temperature, or empty: 1
  std::vector<float> teacher_trust;  // [row] in [0, 1], factor on the weight of the soft part, or empty: 1

  std::int32_t n_features() const { return cuts->n_features(); }
  BinColumn column(FeatureId f) const {
    return {bins->columns[static_cast<std::size_t>(f)].data(), bins->column_two_byte[static_cast<std::size_t>(f)]};
  }
  std::uint32_t weight(std::int64_t row) const { return weights.empty() ? 1u : weights[static_cast<std::size_t>(row)]; }
  double real_weight(std::int64_t row) const { return weight(row) * weight_unit; }
  std::int64_t bin_bytes() const;  // of the host
};

// Everything a caller gives. Spans are [n_rows] or [n_rows][k] row-major; empty = not given.
struct DatasetInput {
  std::int64_t n_rows = 0;
  std::vector<ColumnView> columns;  // [feature]
  std::vector<std::int32_t> n_categories;  // [feature] number of category codes, ignored for numeric columns
  std::int32_t max_bin = 256;  // bins a numeric feature may have, the missing bin included: 2 .. 65536
  std::span<const float> labels;
  std::int32_t n_labels = 0;
  std::span<const double> weights;
  std::span<const float> base_margin;
  std::int32_t n_margins = 0;
  std::span<const std::int64_t> group_sizes;
  std::span<const float> teacher;
  std::int32_t n_teacher = 0;
  TeacherForm teacher_form = TeacherForm::kByObjective;
  std::span<const float> teacher_temperature;
  std::span<const float> teacher_trust;
  CutsPtr reference;  // share these edges instead of finding new ones
  std::int64_t first_row = 0;
  int n_threads = 0;
  DeviceBinner* binner = nullptr;  // finds edges and bins on its device, where they stay; nullptr: here
  std::string device = "cpu";  // of the binner
  int device_ordinal = 0;
  std::size_t most_device_bytes = 0;  // that the binner may hold, 0: what is free there
  std::function<void()> check;  // called now and then while a binner loads; may throw to end it
};

// Throws InvalidArgument naming the argument: infinite labels, NaN where labels are one column without a teacher; NaN or
// infinite margins; negative, NaN, infinite or all-zero weights; group sizes that do not add up; a teacher that is
// infinite or says nothing at all; column count differing from the reference; empty data.
Dataset make_dataset(const DatasetInput& input);

// Some rows, with labels, weights and margins as given: same cuts, same device. `rows` lie in the table; the input's
// columns and binner are not used.
Dataset take_rows(const Dataset& data, std::span<const RowId> rows, const DatasetInput& input);

// All rows with other labels, weights and margins; the bins are those of `data`, not a copy.
Dataset with_row_columns(const Dataset& data, const DatasetInput& input);

// The same table with its bins column by column on the host (no blocks), for what walks them there; itself if it has
// them.
std::shared_ptr<const Dataset> with_host_columns(std::shared_ptr<const Dataset> data);

// Throws InvalidArgument, with the remedy, where the bins live on another device than the one that is to read them.
void require_bins_on(const Dataset& data, const std::string& device, int ordinal);

}  // namespace pygbt
