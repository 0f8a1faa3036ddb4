// SPDX-License-Identifier: Apache-2.0
// predict_scores and predict_leaves on a device: the same bits. Columns are turned into float64 on the host, chunk by
// chunk, and walked there.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "model/predict.h"

namespace pygbt {

struct PredictDevice {
  std::string name;
  int ordinal = 0;
};

void predict_scores_on(const PredictDevice& device, const Model& model, const PredictInput& input, Output output,
                       std::span<float> out);
void predict_leaves_on(const PredictDevice& device, const Model& model, const PredictInput& input,
                       std::span<std::int32_t> out);

}  // namespace pygbt
