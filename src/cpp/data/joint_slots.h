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

// Slots for all features with at most 256 bins but those `held` elsewhere, in the order of their first features. Depends
// on the rows alone.
std::vector<PlannedSlot> plan_slots(const Dataset& data, const std::vector<bool>& held, int n_threads);

}  // namespace pygbt
