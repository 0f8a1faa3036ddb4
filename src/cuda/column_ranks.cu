// SPDX-License-Identifier: Apache-2.0
// What is asked of sorted columns: how many values they have, which, and those at ranks of their weight.
#include <algorithm>

#include "block.h"
#include "data/keys.h"
#include "device.h"
#include "sorted_columns.h"

namespace pygbt::device {

namespace {

PYGBT_KERNEL std::uint64_t key_at(const SortedColumn& column, std::int64_t i) {
  return column.wide ? reinterpret_cast<const std::uint64_t*>(column.keys)[i]
                     : reinterpret_cast<const std::uint32_t*>(column.keys)[i];
}

// Items of smaller keys; with `equal`, and of this one.
PYGBT_KERNEL std::int64_t items_below(const SortedColumn& column, std::uint64_t key, bool equal) {
  std::int64_t low = 0;
  for (std::int64_t high = column.n; low < high;) {
    const std::int64_t middle = low + (high - low) / 2;
    const std::uint64_t there = key_at(column, middle);
    if (there < key || (equal && there == key))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// Weight of the first i items.
PYGBT_KERNEL std::int64_t weight_of(const SortedColumn& column, std::int64_t i) {
  if (column.weights != nullptr) return i == 0 ? 0 : column.weights[i - 1];
  return i < column.n_missing ? 0 : i - column.n_missing;
}

// The item that the rank falls upon, among the items alone.
PYGBT_KERNEL std::int64_t item_at(const SortedColumn& column, std::int64_t rank) {
  if (column.weights == nullptr) return column.n_missing + rank - 1;
  std::int64_t low = 0;
  for (std::int64_t high = column.n - 1; low < high;) {
    const std::int64_t middle = low + (high - low) / 2;
    if (column.weights[middle] < rank)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// A value of the items, and what the fill adds below it or to it.
PYGBT_KERNEL Mass mass_of(const SortedColumn& column, std::uint64_t key) {
  const std::int64_t before = weight_of(column, items_below(column, key, false));
  const std::int64_t up_to_it = weight_of(column, items_below(column, key, true));
  Mass mass;
  mass.key = key;
  mass.before = before + (key > column.fill ? column.fill_weight : 0);
  mass.weight = up_to_it - before + (key == column.fill ? column.fill_weight : 0);
  return mass;
}

// What is known of a column once it is sorted; a thread a column.
struct MeasureKernel {
  SortedColumn* columns;
  std::int32_t n_columns;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t c = first_row(); c < n_columns; c += row_step()) {
      SortedColumn& column = columns[c];
      column.n_missing = items_below(column, kMissingKey, true);
      column.weight = weight_of(column, column.n);
      if (column.fill_weight == 0) continue;
      column.before_fill = weight_of(column, items_below(column, column.fill, false));
      column.at_fill = weight_of(column, items_below(column, column.fill, true)) - column.before_fill;
    }
  }
};

PYGBT_KERNEL bool begins_value(const SortedColumn& column, std::int64_t i) {
  const std::uint64_t key = key_at(column, i);
  return key != kMissingKey && (i == 0 || key_at(column, i - 1) != key);
}

struct CountKernel {
  Units units;
  const SortedColumn* columns;
  std::int64_t* distinct;  // [column]

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t u = units.begin_of_block(); u < units.end_of_block(); ++u) {
      const Unit unit = units.at(u);
      const SortedColumn column = columns[unit.column];
      std::int64_t count = 0;
      for (std::int64_t i = unit.begin + thread(); i < unit.end; i += n_threads())
        count += begins_value(column, i) ? 1 : 0;
      count = block_sum(count, shared<std::int64_t>());
      if (thread() == 0 && count > 0) add(distinct + unit.column, count);
    }
  }
};

// Lists the values of columns that have few, in any order.
struct ListKernel {
  Units units;
  const SortedColumn* columns;
  const std::int64_t* first;  // [column] place of its list in `values`, -1 = not asked for
  std::uint32_t* n_listed;    // [column]
  std::uint64_t* values;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t u = units.begin_of_block(); u < units.end_of_block(); ++u) {
      const Unit unit = units.at(u);
      if (first[unit.column] < 0) continue;
      const SortedColumn column = columns[unit.column];
      for (std::int64_t i = unit.begin + thread(); i < unit.end; i += n_threads())
        if (begins_value(column, i))
          values[first[unit.column] + fetch_add(n_listed + unit.column, 1u)] = key_at(column, i);
    }
  }
};

struct RankKernel {
  const SortedColumn* columns;
  const RankQuery* queries;
  std::int64_t n;
  Mass* out;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t q = first_row(); q < n; q += row_step()) {
      const SortedColumn column = columns[queries[q].column];
      const std::int64_t rank = queries[q].rank;
      std::uint64_t key = column.fill;
      if (rank <= column.before_fill || column.fill_weight == 0)
        key = key_at(column, item_at(column, rank));
      else if (rank > column.before_fill + column.at_fill + column.fill_weight)
        key = key_at(column, item_at(column, rank - column.fill_weight));
      out[q] = mass_of(column, key);
    }
  }
};

}  // namespace

void SortedColumns::measure(const Units& units, SortedColumn* columns, std::int64_t* distinct) {
  const Policy& policy = device_.policy();
  const auto n_columns = static_cast<std::int32_t>(host_.size());
  device_.launch(blocks_for(policy, n_columns), policy.n_threads, MeasureKernel{columns, n_columns});
  device_.launch(plan_.n_blocks, policy.n_threads, CountKernel{units, columns, distinct}, scan_bytes(policy));
}

std::vector<std::vector<std::uint64_t>> SortedColumns::distinct(std::span<const std::int32_t> columns) {
  std::vector<std::int64_t> first(host_.size(), -1);
  std::int64_t total = 0;
  for (const std::int32_t c : columns) {
    const auto at = static_cast<std::size_t>(place_[static_cast<std::size_t>(c)]);
    first[at] = total;
    total += distinct_[at];
  }
  Parcel asked(asked_);
  const auto first_part = asked.put(first);
  const auto n_listed = asked.put(std::vector<std::uint32_t>(host_.size(), 0));
  const auto values_part = asked.room<std::uint64_t>(static_cast<std::size_t>(total));
  asked.send();
  const Parcel given(given_);
  device_.launch(plan_.n_blocks, device_.policy().n_threads,
                 ListKernel{plan_.on_device(given.at(first_), given.at(items_)), given.at(columns_),
                            asked.at(first_part), asked.at(n_listed), asked.at(values_part)});
  asked.fetch();
  const std::vector<std::uint64_t> values = asked.host(values_part);
  std::vector<std::vector<std::uint64_t>> found;
  for (const std::int32_t c : columns) {
    const auto at = static_cast<std::size_t>(place_[static_cast<std::size_t>(c)]);
    const SortedColumn& column = host_[at];
    const auto begin = values.begin() + static_cast<std::ptrdiff_t>(first[at]);
    auto& own = found.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(distinct_[at]));
    if (column.fill_weight > 0 && column.at_fill == 0) own.push_back(column.fill);
    std::sort(own.begin(), own.end());
  }
  return found;
}

void SortedColumns::values_at(std::span<const RankQuery> queries, std::span<Mass> out) {
  std::vector<RankQuery> placed(queries.begin(), queries.end());
  for (RankQuery& query : placed) query.column = place_[static_cast<std::size_t>(query.column)];
  Parcel asked(asked_);
  const auto queries_part = asked.put(placed);
  const auto found = asked.room<Mass>(placed.size());
  asked.send();
  const auto n = static_cast<std::int64_t>(placed.size());
  const Parcel given(given_);
  device_.launch(blocks_for(device_.policy(), n), device_.policy().n_threads,
                 RankKernel{given.at(columns_), asked.at(queries_part), n, asked.at(found)});
  asked.fetch();
  const std::vector<Mass> masses = asked.host(found);
  std::copy(masses.begin(), masses.end(), out.begin());
}

}  // namespace pygbt::device
