// SPDX-License-Identifier: Apache-2.0
// How work over the histograms of some nodes is cut in tasks: by features first, so that from one operation to the next
// a thread finds the cells of its features in its own cache; by nodes where one feature is most of the work.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/types.h"

namespace pygbt {

class FeatureParts {
 public:
  struct Grid {
    std::int64_t n_parts = 1;
    std::int64_t n_groups = 1;
    std::int64_t n_tasks() const { return n_parts * n_groups; }  // task = part * n_groups + group
  };

  FeatureParts() = default;
  // bin_offset [n_features + 1]: first bin of each feature.
  explicit FeatureParts(std::span<const std::int64_t> bin_offset) {
    for (std::size_t f = 0; f + 1 < bin_offset.size(); ++f) {
      const std::int64_t work = bin_offset[f + 1] - bin_offset[f] + kFeatureWork;
      widest_ = std::max(widest_, work);
      before_.push_back(before_.back() + work);
    }
  }

  // About `wanted` tasks, none much longer than another.
  Grid grid(std::int64_t wanted, std::int64_t n_nodes) const {
    Grid grid;
    grid.n_parts = std::clamp<std::int64_t>(before_.back() / (2 * widest_), 1, wanted);
    grid.n_groups = std::clamp<std::int64_t>((wanted + grid.n_parts - 1) / grid.n_parts, 1, n_nodes);
    return grid;
  }
  // First feature of a part; that of part n_parts is the number of features.
  FeatureId begin(std::int64_t part, std::int64_t n_parts) const {
    const auto at = std::lower_bound(before_.begin(), before_.end(), before_.back() * part / n_parts);
    return static_cast<FeatureId>(at - before_.begin());
  }

 private:
  static constexpr std::int64_t kFeatureWork = 24;  // a feature's own, in bins

  std::vector<std::int64_t> before_ = {0};  // [feature + 1] work of the features before
  std::int64_t widest_ = 1;
};

}  // namespace pygbt
