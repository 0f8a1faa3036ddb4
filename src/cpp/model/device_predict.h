// SPDX-License-Identifier: Apache-2.0
// predict_scores and predict_leaves on a device: the same bits. The table, the margins and the output lie on the host, or
// all of them on the device.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "backend/walker.h"
#include "model/predict.h"

namespace pygbt {

struct PredictDevice {
  std::string name;
  int ordinal = 0;
  std::optional<WalkPath> path;  // nullopt = as suits the model and the rows; one for tests
};

// Of a categorical column by value, for tables on a device: finite numbers, ascending, and their codes.
struct CategoryValues {
  std::vector<double> values;
  std::vector<std::int32_t> codes;
};

// "auto" = nullopt, "perfect", "packed", "trees", "raw"; throws InvalidArgument for others.
std::optional<WalkPath> parse_walk_path(const std::string& name);

// On the host.
void predict_scores_on(const PredictDevice& device, const Model& model, const PredictInput& input, Output output,
                       std::span<float> out);
void predict_leaves_on(const PredictDevice& device, const Model& model, const PredictInput& input,
                       std::span<std::int32_t> out);

// On the device: the columns' data (values, of categorical columns too), margins and out. input.base_margin is empty.
struct DeviceTable {
  const PredictInput& input;
  WalkMargins margins;  // [n_rows][n_outputs]
  std::span<const CategoryValues> categories;  // [feature]; empty where the model has no categories
};
void predict_scores_at(const PredictDevice& device, const Model& model, const DeviceTable& table, Output output,
                       std::span<float> out);
void predict_leaves_at(const PredictDevice& device, const Model& model, const DeviceTable& table,
                       std::span<std::int32_t> out);

}  // namespace pygbt
