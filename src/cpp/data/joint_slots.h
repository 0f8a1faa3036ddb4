// SPDX-License-Identifier: Apache-2.0
// Which features share a byte: those whose bins occur in few combinations together. A histogram of the combinations
// costs one addition a row for all of them, and each feature's own histogram is a marginal sum of it, exactly: few-valued
// columns, one-hot groups, duplicates and columns that are rarely anything but 0.
#pragma once

#include <cstdint>
#include <vector>

#include "data/dataset.h"

namespace pygbt {

struct PlannedSlot {
  Slot slot;
  HugeVector<std::uint8_t> codes;  // [row] of a joint slot; empty: the feature's column
};

// Rows of a table for each sum over codes of a node: most nodes have a small part of the rows.
inline constexpr std::int64_t kRowsPerSum = 32;

// Slots for all features with at most 256 bins but those `held` elsewhere: see SlotPlan.
std::vector<PlannedSlot> plan_slots(const Dataset& data, const std::vector<bool>& held, std::int64_t rows_per_sum,
                                    int n_threads);

}  // namespace pygbt
