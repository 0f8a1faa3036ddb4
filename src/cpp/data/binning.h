// SPDX-License-Identifier: Apache-2.0
// Columns to bins: the block layout and the column layout of a Dataset, filled together in one pass. Called by
// make_dataset.
#pragma once

#include <cstdint>
#include <span>

#include "data/column.h"
#include "data/dataset.h"

namespace pygbt {

// Fills blocks, columns and column_two_byte of `data` from its cuts and n_rows.
void fill_bins(std::span<const ColumnView> columns, int n_threads, Dataset& data);

}  // namespace pygbt
