// SPDX-License-Identifier: Apache-2.0
// How columns become bins. Shared, immutable: a Dataset built with `reference` uses the same Cuts.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/types.h"

namespace pygbt {

// One feature. Bin 0 is missing; a numeric value x lies in bin 1 + #{edges < x}; category code c in bin c + 1.
struct FeatureCuts {
  bool categorical = false;
  bool wide = false;           // the training column was float64: values and thresholds are not rounded to float32
  std::int32_t n_bins = 1;     // bins in use, the missing bin included: 2 + edges.size() when a value was seen
  std::vector<double> edges;   // numeric: ascending data values; edge j is the largest value of bin j + 1
};

struct Cuts {
  std::vector<FeatureCuts> features;

  std::int32_t n_features() const { return static_cast<std::int32_t>(features.size()); }
  std::int32_t max_bins() const {  // widest feature
    std::int32_t most = 1;
    for (const auto& f : features) most = f.n_bins > most ? f.n_bins : most;
    return most;
  }
};

using CutsPtr = std::shared_ptr<const Cuts>;

}  // namespace pygbt
