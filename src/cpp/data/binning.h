// SPDX-License-Identifier: Apache-2.0
// Values to bins, column by column. Called by make_dataset.
#pragma once

#include <cstdint>
#include <span>

#include "data/column.h"
#include "data/dataset.h"

namespace pygbt {

// Fills columns and column_two_byte of `data` from its cuts and n_rows.
void fill_columns(std::span<const ColumnView> columns, int n_threads, Dataset& data);

}  // namespace pygbt
