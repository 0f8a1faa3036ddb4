// SPDX-License-Identifier: Apache-2.0
// The seam between the Dataset and a device that finds its edges and bins and keeps them: what a device offers. The
// plan of the edges stays with the engine (device_edges.cc), so that they are the same everywhere. Implemented by
// modules of devices, made by make_binner (backend/backend.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/types.h"
#include "data/column.h"
#include "data/cuts.h"
#include "data/quantiles.h"

namespace pygbt {

// The bins of a table on a device: opaque to the engine, immutable.
class DeviceBins {
 public:
  virtual ~DeviceBins() = default;
  // Copies the bins of a feature to the host: [row] uint8, or uint16 where it has more than 256.
  virtual void read(FeatureId feature, void* out) const = 0;
  // The same features of some rows, in the given order.
  virtual std::shared_ptr<const DeviceBins> take(std::span<const RowId> rows) const = 0;
};

using DeviceBinsPtr = std::shared_ptr<const DeviceBins>;

// What a column is turned into on the device.
enum class KeyKind : std::uint8_t {
  narrow,  // 32-bit keys (data/keys.h)
  wide,    // 64-bit keys
  code,    // bins of category codes, 32 bits
  plain,   // 32-bit integers as they are
};

struct KeyColumn {
  ColumnView view;
  KeyKind kind = KeyKind::narrow;
  std::int32_t n_bins = 0;       // of the feature; if its edges are still to be found: at most
  bool sorted = false;           // its values at ranks will be asked for
  std::int64_t fill_weight = 0;  // of the rows that a sparse column does not store, when sorted
};

// Of a loaded column: the weight of its values and how many are distinct, missing ones and those of weight 0 left out.
struct ValueCount {
  std::int64_t weight = 0;
  std::int64_t distinct = 0;
};

struct RankQuery {
  std::int32_t column = 0;  // of those loaded
  std::int64_t rank = 0;    // 1 .. weight of its values
};

// The engine's threads, and a look at what interrupts it; both are called between the chunks of a load.
struct HostSide {
  std::function<void(std::int64_t n_tasks, const std::function<void(std::int64_t task)>& body)> parallel;
  std::function<void()> check;  // throws to end the load; may be empty
};

// Columns are loaded in their order, as many at a time as there is room for: load, ask for values, bin; then the next.
// Spans and what they point to stay as they are until `finish`.
class DeviceBinner {
 public:
  virtual ~DeviceBinner() = default;

  // A table begins, of all these columns. `weights`: fixed-point [n_rows], or empty: 1 each. `most_bytes`: what the
  // device may hold for it at any time, its bins included; 0: what is free there. Throws std::bad_alloc, with the bytes
  // that are needed, before anything is held.
  virtual void open(std::int64_t n_rows, std::span<const std::uint32_t> weights, std::span<const KeyColumn> columns,
                    std::size_t most_bytes, const HostSide& host) = 0;
  // How many of the columns, from the first on, there is room for: `load` takes as many; at least 1.
  virtual std::size_t room(std::span<const KeyColumn> columns) = 0;
  virtual void load(std::span<const KeyColumn> columns) = 0;

  // Of the loaded columns that are to be sorted: [column], zeros for the others. More values than `enough` may be
  // counted as enough + 1.
  virtual std::vector<ValueCount> count_values(std::int64_t enough) = 0;
  // Distinct values of some of them, which have at most `enough`, as keys in ascending order: [i][value].
  virtual std::vector<std::vector<std::uint64_t>> distinct_values(std::span<const std::int32_t> columns) = 0;
  // The smallest value whose cumulative weight reaches the rank.
  virtual void values_at(std::span<const RankQuery> queries, std::span<Mass> out) = 0;

  // Bins of the loaded columns by their cuts.
  virtual void bin(std::span<const FeatureCuts> cuts) = 0;
  // The bins of all columns since `open`.
  virtual DeviceBinsPtr finish() = 0;
};

}  // namespace pygbt
