// SPDX-License-Identifier: Apache-2.0
#include "streamed_columns.h"

#include <algorithm>

#include "block.h"
#include "data/keys.h"
#include "device.h"
#include "edge_search.h"
#include "parcel.h"
#include "units.h"

namespace pygbt::device {

namespace {

// A part of a column, and where it is counted.
struct Counted {
  const std::byte* keys = nullptr;  // uint64 if wide, else uint32
  const std::uint32_t* weights = nullptr;  // [item]; nullptr: each weighs 1
  const std::uint64_t* uppers = nullptr;
  KeyCell* cells = nullptr;  // [n_uppers + 1]
  std::int32_t n_uppers = 0;
  bool wide = false;
};

// A thread adds up neighbours of one cell: a value that most rows have would be one address for all of them.
struct CountKernel {
  Units units;
  const Counted* columns;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t u = units.begin_of_block(); u < units.end_of_block(); ++u) {
      const Unit unit = units.at(u);
      const Counted column = columns[unit.column];
      std::int32_t last = 0;
      std::int64_t sum = 0;
      for (std::int64_t i = unit.begin + thread(); i < unit.end; i += n_threads()) {
        const std::uint64_t key = column.wide ? reinterpret_cast<const std::uint64_t*>(column.keys)[i]
                                              : reinterpret_cast<const std::uint32_t*>(column.keys)[i];
        const std::int64_t weight = column.weights == nullptr ? 1 : column.weights[i];
        if (key == kMissingKey || weight == 0) continue;
        const std::int32_t at = edges_below(column.uppers, column.n_uppers, key);
        if (at != last && sum > 0) {
          add(&column.cells[last].weight, sum);
          sum = 0;
        }
        last = at;
        sum += weight;
        KeyCell& cell = column.cells[at];
        if (key < peek(&cell.least)) lower_to(&cell.least, key);
        if (key > peek(&cell.most)) raise_to(&cell.most, key);
      }
      if (sum > 0) add(&column.cells[last].weight, sum);
    }
  }
};

KeyCover cover_of(const KeyColumn& column) {
  const bool wide = column.kind == KeyKind::wide;
  const std::uint64_t fill = wide ? key_as<std::uint64_t>(column.view.fill) : key_as<std::uint32_t>(column.view.fill);
  return {wide ? ~std::uint64_t{0} : std::uint64_t{~std::uint32_t{0}}, fill,
          fill == kMissingKey ? 0 : column.fill_weight};
}

}  // namespace

StreamedColumns::StreamedColumns(Device& device, KeyColumns& keys, std::span<const KeyColumn> columns,
                                 std::int64_t n_rows, std::span<const std::uint32_t> weights, const Shape& shape,
                                 const HostSide& host)
    : device_(device),
      keys_(keys),
      columns_(columns.begin(), columns.end()),
      n_rows_(n_rows),
      weights_(weights),
      shape_(shape),
      host_(host),
      stored_weights_(columns.size()),
      uppers_(device),
      cells_(device),
      given_(device) {
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    covers_.push_back(cover_of(columns_[c]));
    const ColumnView& view = columns_[c].view;
    if (weights.empty() || !columns_[c].sorted || view.sparse_rows == nullptr) continue;
    stored_weights_[c].resize(static_cast<std::size_t>(view.n_stored));
    for (std::int64_t i = 0; i < view.n_stored; ++i)
      stored_weights_[c][static_cast<std::size_t>(i)] = weights[static_cast<std::size_t>(view.sparse_rows[i])];
  }
}

Items StreamedColumns::items_of(const KeyColumn& column, std::int64_t n_rows, const Shape& shape, std::int64_t part) {
  const std::int64_t n = KeyColumns::items(column, n_rows), parts = n_parts(n_rows, shape);
  const std::int64_t most = column.view.sparse_rows == nullptr ? shape.part_rows : (n + parts - 1) / parts;
  const std::int64_t begin = std::min(n, part * most);
  return {begin, std::min(most, n - begin)};
}

std::size_t StreamedColumns::part_bytes(std::span<const KeyColumn> columns, std::int64_t n_rows, bool weighted,
                                        const Shape& shape) {
  std::size_t bytes = 0;
  bool dense = false;  // these share their weights
  for (const KeyColumn& column : columns) {
    const auto n = static_cast<std::size_t>(items_of(column, n_rows, shape, 0).n);
    bytes += KeyColumns::bytes(column, static_cast<std::int64_t>(n));
    if (!weighted || !column.sorted) continue;
    if (column.view.sparse_rows != nullptr || !dense) bytes += aligned(n * sizeof(std::uint32_t));
    dense = dense || column.view.sparse_rows == nullptr;
  }
  return bytes;
}

void StreamedColumns::load(std::span<const Source> sources, std::int64_t part) {
  std::vector<KeyColumn> columns;
  std::vector<Items> items;
  for (const Source& source : sources) {
    columns.push_back(source.column);
    items.push_back(items_of(columns_[source.of], n_rows_, shape_, part));
  }
  keys_.load(columns, items, host_);
}

// Counts the active columns once, each by its own cells.
void StreamedColumns::pass(std::span<const std::size_t> active) {
  std::vector<Source> sources;
  for (const std::size_t c : active) sources.push_back({columns_[c], c});
  std::vector<std::size_t> weights_at(active.size());  // among the sources
  std::size_t dense = 0;  // 0: not yet there; they share their weights
  for (std::size_t i = 0; i < active.size() && !weights_.empty(); ++i) {
    const std::size_t c = active[i];
    const bool sparse = columns_[c].view.sparse_rows != nullptr;
    weights_at[i] = sparse || dense == 0 ? sources.size() : dense;
    if (weights_at[i] == dense) continue;
    if (!sparse) dense = sources.size();
    KeyColumn weights;
    weights.kind = KeyKind::plain;
    weights.view.type = ColumnType::u32;
    weights.view.data = reinterpret_cast<const char*>(sparse ? stored_weights_[c].data() : weights_.data());
    weights.view.stride = sizeof(std::uint32_t);
    sources.push_back({weights, c});
  }

  std::vector<std::uint64_t> uppers;
  std::vector<KeyCell> cells;
  std::vector<std::size_t> first_upper, first_cell;
  for (const std::size_t c : active) {
    first_upper.push_back(uppers.size());
    first_cell.push_back(cells.size());
    uppers.insert(uppers.end(), covers_[c].uppers().begin(), covers_[c].uppers().end());
    cells.insert(cells.end(), covers_[c].cells().begin(), covers_[c].cells().end());
  }
  uppers_.put(uppers);
  cells_.put(cells);
  each_part(sources, [&] {
    std::vector<Counted> counted(active.size());
    std::vector<std::int64_t> n_items;
    for (std::size_t i = 0; i < active.size(); ++i) {
      const LoadedColumn& loaded = keys_.columns()[i];
      Counted& one = counted[i];
      one.keys = loaded.keys;
      if (!weights_.empty()) one.weights = reinterpret_cast<const std::uint32_t*>(keys_.columns()[weights_at[i]].keys);
      one.uppers = uppers_.data() + first_upper[i];
      one.cells = cells_.data() + first_cell[i];
      one.n_uppers = static_cast<std::int32_t>(covers_[active[i]].uppers().size());
      one.wide = loaded.kind == KeyKind::wide;
      n_items.push_back(loaded.n);
    }
    const Policy& policy = device_.policy();
    const UnitPlan plan(policy, n_items);
    Parcel given(given_);
    const auto first = given.put(plan.first);
    const auto items = given.put(plan.items);
    const auto columns = given.put(counted);
    given.send();
    device_.launch(plan.n_blocks, policy.n_threads,
                   CountKernel{plan.on_device(given.at(first), given.at(items)), given.at(columns)});
  });
  cells_.get(cells.data(), cells.size());
  host_.parallel(static_cast<std::int64_t>(active.size()), [&](std::int64_t task) {
    const auto i = static_cast<std::size_t>(task);
    KeyCover& cover = covers_[active[i]];
    cover.take(std::span<const KeyCell>(cells).subspan(first_cell[i], cover.cells().size()));
  });
}

std::vector<ValueCount> StreamedColumns::count(std::int64_t enough) {
  std::vector<std::size_t> active;
  do {
    active.clear();
    for (std::size_t c = 0; c < columns_.size(); ++c)
      if (columns_[c].sorted && covers_[c].n_spans() <= enough && covers_[c].split(shape_.n_cells)) active.push_back(c);
    if (!active.empty()) pass(active);
  } while (!active.empty());
  std::vector<ValueCount> counts(columns_.size());
  for (std::size_t c = 0; c < columns_.size(); ++c)
    if (columns_[c].sorted) counts[c] = {covers_[c].weight(), std::min(covers_[c].n_spans(), enough + 1)};
  return counts;
}

std::vector<std::vector<std::uint64_t>> StreamedColumns::distinct(std::span<const std::int32_t> columns) const {
  std::vector<std::vector<std::uint64_t>> values;
  for (const std::int32_t c : columns) values.push_back(covers_[static_cast<std::size_t>(c)].keys());
  return values;
}

void StreamedColumns::values_at(std::span<const RankQuery> queries, std::span<Mass> out) {
  std::vector<std::vector<std::int64_t>> ranks(columns_.size());
  for (const RankQuery& query : queries) ranks[static_cast<std::size_t>(query.column)].push_back(query.rank);
  for (std::vector<std::int64_t>& own : ranks) std::sort(own.begin(), own.end());
  std::vector<std::size_t> active;
  do {
    active.clear();
    for (std::size_t c = 0; c < columns_.size(); ++c)
      if (covers_[c].split(shape_.n_cells, ranks[c])) active.push_back(c);
    if (!active.empty()) pass(active);
  } while (!active.empty());
  for (std::size_t i = 0; i < queries.size(); ++i)
    out[i] = covers_[static_cast<std::size_t>(queries[i].column)].at(queries[i].rank);
}

}  // namespace pygbt::device
