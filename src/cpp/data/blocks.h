// SPDX-License-Identifier: Apache-2.0
// The row-major copy of the bins that histograms read, made from the columns. Called by make_dataset.
#pragma once

#include "data/dataset.h"

namespace pygbt {

// Fills the blocks, dense and sparse, of `data` from its cuts and columns.
void fill_blocks(int n_threads, Dataset& data);

}  // namespace pygbt
