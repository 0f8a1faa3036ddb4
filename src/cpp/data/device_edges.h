// SPDX-License-Identifier: Apache-2.0
// Edges and bins found by a device: the same edges as find_edges, the same bins as fill_columns. Called by make_dataset.
#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "data/column.h"
#include "data/cuts.h"
#include "data/device_bins.h"

namespace pygbt {

// Fills the numeric features of `cuts`, whose categorical ones are complete, if `find`; else uses them as they are.
// `most_bytes`: what the device may hold for the table, 0: what is free there. `check` is called now and then while a load goes on and may throw.
DeviceBinsPtr bin_on_device(DeviceBinner& binner, std::span<const ColumnView> columns, std::int64_t n_rows,
                            std::span<const std::uint32_t> weights, std::int32_t max_bin, bool find, int n_threads,
                            std::size_t most_bytes, const std::function<void()>& check, std::span<FeatureCuts> cuts);

}  // namespace pygbt
