// SPDX-License-Identifier: Apache-2.0
#include "decision/coded_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "base/error.h"
#include "base/pool.h"
#include "data/key_sort.h"
#include "data/keys.h"
#include "decision/distinct_keys.h"
#include "math/round_down.h"

namespace pygbt {
namespace {

template <class T>
void store(CodedColumn& column, std::span<const Code> codes) {
  column.width = sizeof(T);
  column.owned.resize(codes.size() * sizeof(T));
  T* out = reinterpret_cast<T*>(column.owned.data());
  for (std::size_t i = 0; i < codes.size(); ++i) out[i] = static_cast<T>(codes[i]);
  column.data = column.owned.data();
}

void store(CodedColumn& column, std::span<const Code> codes) {
  if (column.n_codes <= 1 << 8) return store<std::uint8_t>(column, codes);
  if (column.n_codes <= 1 << 16) return store<std::uint16_t>(column, codes);
  store<std::uint32_t>(column, codes);
}

// The keys of all rows; of a sparse column those of its fill between the stored ones.
template <ValueKey Key>
void read_all_keys(const ColumnView& column, std::int64_t n_rows, std::vector<Key>& keys) {
  keys.resize(static_cast<std::size_t>(n_rows));
  if (column.sparse_rows == nullptr) return read_keys(column, 0, n_rows, keys.data());
  std::vector<Key> stored(static_cast<std::size_t>(column.n_stored));
  read_keys(column, 0, column.n_stored, stored.data());
  std::fill(keys.begin(), keys.end(), key_as<Key>(column.fill));
  for (std::size_t i = 0; i < stored.size(); ++i) keys[static_cast<std::size_t>(column.sparse_rows[i])] = stored[i];
}

// Calls use(first row, their keys) for some rows at a time.
template <ValueKey Key, class Use>
void each_keys(const ColumnView& column, std::int64_t n_rows, const Use& use) {
  constexpr std::int64_t kChunk = 1024;
  std::vector<Key> keys;
  if (column.sparse_rows != nullptr) {
    read_all_keys(column, n_rows, keys);
    return use(std::size_t{0}, std::span<const Key>(keys));
  }
  keys.resize(kChunk);
  for (std::int64_t first = 0; first < n_rows; first += kChunk) {
    const std::int64_t last = std::min(n_rows, first + kChunk);
    read_keys(column, first, last, keys.data());
    use(static_cast<std::size_t>(first), std::span<const Key>(keys.data(), static_cast<std::size_t>(last - first)));
  }
}

void take_values(CodedColumn& column, const auto& keys) {
  column.value = CodeValues(column.wide, keys.size());
  for (const auto key : keys) column.value.push_back(value_of(key));
}

// Codes by a table of the values.
template <class T, ValueKey Key>
void store(CodedColumn& column, const ColumnView& view, std::int64_t n_rows, const DistinctKeys<Key>& distinct) {
  column.width = sizeof(T);
  column.owned.resize(static_cast<std::size_t>(n_rows) * sizeof(T));
  T* out = reinterpret_cast<T*>(column.owned.data());
  each_keys<Key>(view, n_rows, [&](std::size_t first, std::span<const Key> keys) {
    for (std::size_t i = 0; i < keys.size(); ++i) out[first + i] = static_cast<T>(distinct.code(keys[i]));
  });
  column.data = column.owned.data();
}

// Codes by sorting, of many values.
template <ValueKey Key>
void sort_numbers(const ColumnView& view, std::int64_t n_rows, CodedColumn& column) {
  const auto n = static_cast<std::size_t>(n_rows);
  std::vector<WeightedKey<Key>> rows(n), spare;  // "weight": the row
  {
    std::vector<Key> keys;
    read_all_keys(view, n_rows, keys);
    for (std::size_t i = 0; i < n; ++i) rows[i] = {keys[i], static_cast<std::uint32_t>(i)};
  }
  spare.resize(n);
  const WeightedKey<Key>* sorted = sort_keys(rows.data(), spare.data(), n);
  std::size_t n_values = 0;
  for (std::size_t i = 0; i < n; ++i)
    n_values += sorted[i].key != kMissingKey && (i == 0 || sorted[i].key != sorted[i - 1].key) ? 1 : 0;
  column.value = CodeValues(column.wide, n_values);
  std::vector<Code> codes(n);
  Code code = kMissingCode;
  for (std::size_t i = 0; i < n; ++i) {
    const Key key = sorted[i].key;
    if (key != kMissingKey && (i == 0 || key != sorted[i - 1].key)) {
      column.value.push_back(value_of(key));
      ++code;
    }
    codes[sorted[i].weight] = key == kMissingKey ? kMissingCode : code;
  }
  column.n_codes = static_cast<std::int32_t>(code) + 1;
  store(column, codes);
}

template <ValueKey Key>
void code_numbers(const ColumnView& view, std::int64_t n_rows, std::size_t feature, bool in_place,
                  CodedColumn& column) {
  DistinctKeys<Key> distinct;
  bool few = true;
  Key least = std::numeric_limits<Key>::max(), most = kMissingKey;
  each_keys<Key>(view, n_rows, [&](std::size_t, std::span<const Key> keys) {
    for (const Key key : keys) {
      if (key == kMissingKey) {
        column.has_missing = true;
        continue;
      }
      least = std::min(least, key);
      most = std::max(most, key);
      few = few && distinct.add(key);
    }
  });
  if (most != kMissingKey)
    require(std::isfinite(value_of(least)) && std::isfinite(value_of(most)),
            "X, column " + std::to_string(feature) + " holds infinite values; replace them by NaN or a finite number");
  const bool stays = in_place && view.type == ColumnType::f32 && view.sparse_rows == nullptr;
  if (!few && !stays) return sort_numbers<Key>(view, n_rows, column);
  if (stays && (!few || distinct.size() <= 2)) {
    column.in_place = view.data;
    column.stride = view.stride;
    if (most != kMissingKey) column.lesser = static_cast<float>(value_of(least));
  }
  if (!few) {
    column.width = sizeof(Code);
    column.n_codes = std::numeric_limits<std::int32_t>::max();
    return;
  }
  column.n_codes = static_cast<std::int32_t>(distinct.size()) + 1;
  take_values(column, distinct.number());
  if (column.in_place != nullptr) return;
  if (column.n_codes <= 1 << 8) return store<std::uint8_t>(column, view, n_rows, distinct);
  store<std::uint16_t>(column, view, n_rows, distinct);
}

void code_categories(const ColumnView& view, std::int64_t n_rows, std::int32_t n_categories, std::size_t feature,
                     CodedColumn& column) {
  column.nominal = true;
  column.n_codes = n_categories + 1;
  std::vector<Code> codes(static_cast<std::size_t>(n_rows));
  for (std::size_t i = 0; i < codes.size(); ++i) {
    const auto category = detail::load<std::int32_t>(view.data + static_cast<std::int64_t>(i) * view.stride);
    require(category < n_categories, "X, column " + std::to_string(feature) + ": a category code is out of range");
    column.has_missing = column.has_missing || category < 0;
    codes[i] = category < 0 ? kMissingCode : static_cast<Code>(category) + 1;
  }
  store(column, codes);
}

}  // namespace

CodedTable make_coded_table(std::span<const ColumnView> columns, std::span<const std::int32_t> n_categories,
                            std::int64_t n_rows, int n_threads, bool in_place) {
  require(n_rows >= 1 && !columns.empty(), "X must have at least one row and one column");
  require(n_rows < std::int64_t{std::numeric_limits<std::uint32_t>::max()}, "X has too many rows");
  CodedTable table;
  table.n_rows = n_rows;
  table.columns.resize(columns.size());
  parallel_for(resolve_threads(n_threads), static_cast<std::int64_t>(columns.size()), [&](std::int64_t task, int) {
    const auto f = static_cast<std::size_t>(task);
    const ColumnView& view = columns[f];
    CodedColumn& column = table.columns[f];
    require(!view.on_device, "X lies on a device; the classical trees read arrays of the host");
    if (view.categorical) return code_categories(view, n_rows, n_categories[f], f, column);
    column.wide = needs_float64(view.type);
    if (column.wide)
      code_numbers<std::uint64_t>(view, n_rows, f, in_place, column);
    else
      code_numbers<std::uint32_t>(view, n_rows, f, in_place, column);
  });
  return table;
}

CodedTable coded_bins(std::shared_ptr<const Dataset> data) {
  CodedTable table;
  table.binned = with_host_columns(std::move(data));
  const Dataset& bins = *table.binned;
  table.n_rows = bins.n_rows;
  table.exact = false;
  table.columns.resize(static_cast<std::size_t>(bins.n_features()));
  for (std::size_t f = 0; f < table.columns.size(); ++f) {
    const FeatureCuts& cuts = bins.cuts->features[f];
    const BinColumn bin = bins.column(static_cast<FeatureId>(f));
    CodedColumn& column = table.columns[f];
    column.nominal = cuts.categorical;
    column.wide = cuts.wide;
    column.n_codes = cuts.n_bins;
    column.width = bin.two_byte ? 2 : 1;
    column.data = bin.data;
    column.value = CodeValues(cuts.edges);
    for (std::int64_t row = 0; row < table.n_rows && !column.has_missing; ++row)
      column.has_missing = bin.at(row) == kMissingBin;
  }
  return table;
}

ValueCut cut_between(const CodedTable& table, FeatureId feature, Code low, Code high, bool midpoint) {
  const CodedColumn& column = table.columns[static_cast<std::size_t>(feature)];
  ValueCut cut;
  cut.lower = column.number(low);
  cut.threshold = cut.lower;
  if (!table.exact) {  // any edge from that of `low` to the last below `high` parts them
    cut.threshold = column.value[midpoint ? low - 1 + (high - 1 - low) / 2 : low - 1];
    cut.lower = cut.upper = cut.threshold;
    return cut;
  }
  cut.upper = column.number(high);
  if (!midpoint) return cut;
  const double sum = cut.lower + cut.upper;
  const double middle = std::isfinite(sum) ? sum / 2.0 : cut.lower / 2.0 + cut.upper / 2.0;
  double below = std::nextafter(middle, -std::numeric_limits<double>::infinity());
  if (!column.wide) below = round_down(below);
  cut.threshold = std::max(below, cut.lower);  // neighbours have no number between them
  return cut;
}

}  // namespace pygbt
