// SPDX-License-Identifier: Apache-2.0
#include "sorted_columns.h"

#include <algorithm>
#include <bit>

#include "block.h"
#include "data/keys.h"
#include "device.h"
#include "sort_keys.h"

namespace pygbt::device {

namespace {

// Keys and weights of the items of a column: weight 0 is as good as missing.
template <class Key>
struct WeighKernel {
  const Key* keys;
  const RowId* rows;
  const std::uint32_t* weights;
  std::int64_t n;
  Key* out;
  std::uint32_t* out_weights;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = first_row(); i < n; i += row_step()) {
      const std::uint32_t weight = weights[rows == nullptr ? i : static_cast<std::int64_t>(rows[i])];
      const bool counts = weight != 0 && keys[i] != Key{kMissingKey};
      out[i] = counts ? keys[i] : Key{kMissingKey};
      out_weights[i] = counts ? weight : 0u;
    }
  }
};

// A column of few items, for a block to sort.
struct SmallColumn {
  const std::byte* keys;
  const RowId* rows;
  std::byte* out;
  std::uint32_t* out_weights;  // nullptr: every item weighs 1
  std::int32_t n;
  bool wide;
};

// A block a column: a bitonic sort in shared memory, [most] keys, then [most] weights.
struct BlockSortKernel {
  const SmallColumn* columns;
  const std::uint32_t* weights;  // [row]
  std::int32_t most;

  PYGBT_KERNEL void operator()() const {
    const SmallColumn column = columns[block()];
    auto* const keys = shared<std::uint64_t>();
    auto* const own = reinterpret_cast<std::uint32_t*>(keys + most);
    const bool weighted = column.out_weights != nullptr;
    std::int32_t size = 1;
    while (size < column.n) size *= 2;
    for (std::int32_t i = thread(); i < size; i += n_threads()) {
      std::uint64_t key = ~std::uint64_t{0};  // of no value: those stay behind
      std::uint32_t weight = 0;
      if (i < column.n) {
        key = column.wide ? reinterpret_cast<const std::uint64_t*>(column.keys)[i]
                          : reinterpret_cast<const std::uint32_t*>(column.keys)[i];
        if (weighted) weight = weights[column.rows == nullptr ? i : static_cast<std::int64_t>(column.rows[i])];
        if (weighted && weight == 0) key = kMissingKey;
        if (key == kMissingKey) weight = 0;
      }
      keys[i] = key;
      if (weighted) own[i] = weight;
    }
    for (std::int32_t run = 2; run <= size; run *= 2) {
      for (std::int32_t by = run / 2; by > 0; by /= 2) {
        sync();
        for (std::int32_t i = thread(); i < size; i += n_threads()) {
          const std::int32_t other = i ^ by;
          if (other < i) continue;
          const bool ascends = (i & run) == 0;
          if ((keys[i] > keys[other]) != ascends) continue;
          const std::uint64_t key = keys[i];
          keys[i] = keys[other];
          keys[other] = key;
          if (!weighted) continue;
          const std::uint32_t weight = own[i];
          own[i] = own[other];
          own[other] = weight;
        }
      }
    }
    sync();
    for (std::int32_t i = thread(); i < column.n; i += n_threads()) {
      if (column.wide)
        reinterpret_cast<std::uint64_t*>(column.out)[i] = keys[i];
      else
        reinterpret_cast<std::uint32_t*>(column.out)[i] = static_cast<std::uint32_t>(keys[i]);
      if (weighted) column.out_weights[i] = own[i];
    }
  }
};

// Running sums of weights in three launches: of each unit, of the units of a column, of its items.
struct UnitSumKernel {
  Units units;
  const std::uint32_t* const* weights;  // [column]
  std::int64_t* sums;  // [unit]

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t u = units.begin_of_block(); u < units.end_of_block(); ++u) {
      const Unit unit = units.at(u);
      std::int64_t sum = 0;
      for (std::int64_t i = unit.begin + thread(); i < unit.end; i += n_threads()) sum += weights[unit.column][i];
      sum = block_sum(sum, shared<std::int64_t>());
      if (thread() == 0) sums[u] = sum;
    }
  }
};

// A block a column: each sum becomes that of the units before it.
struct UnitOffsetKernel {
  Units units;
  std::int64_t* sums;

  PYGBT_KERNEL void operator()() const {
    const std::int64_t end = units.first[block() + 1];
    std::int64_t before = 0;
    for (std::int64_t first = units.first[block()]; first < end; first += n_threads()) {
      const std::int64_t at = first + thread();
      std::int64_t total = 0;
      const std::int64_t mine = at < end ? sums[at] : 0;
      const std::int64_t scanned = block_scan(mine, shared<std::int64_t>(), total);
      if (at < end) sums[at] = before + scanned;
      before += total;
    }
  }
};

struct RunningKernel {
  Units units;
  const std::uint32_t* const* weights;
  const std::int64_t* sums;  // [unit] before it
  std::int64_t* const* out;  // [column]

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t u = units.begin_of_block(); u < units.end_of_block(); ++u) {
      const Unit unit = units.at(u);
      std::int64_t before = sums[u];
      for (std::int64_t first = unit.begin; first < unit.end; first += n_threads()) {
        const std::int64_t i = first + thread();
        std::int64_t total = 0;
        const std::int64_t mine = i < unit.end ? weights[unit.column][i] : 0;
        const std::int64_t scanned = block_scan(mine, shared<std::int64_t>(), total);
        if (i < unit.end) out[unit.column][i] = before + scanned + mine;
        before += total;
      }
    }
  }
};

}  // namespace

std::size_t SortedColumns::bytes(const Device& device, const KeyColumn& column, std::int64_t n_rows, bool weighted) {
  const auto n = static_cast<std::size_t>(KeyColumns::items(column, n_rows));
  const std::size_t units = n / static_cast<std::size_t>(device.policy().unit_rows) + 1;
  return aligned(n * KeyColumns::key_bytes(column.kind)) +
         (weighted ? n * (sizeof(std::uint32_t) + sizeof(std::int64_t)) + units * sizeof(std::int64_t) : 0) +
         static_cast<std::size_t>(column.n_bins) * (sizeof(RankQuery) + sizeof(Mass));
}

SortScratch SortedColumns::scratch(Device& device, const KeyColumn& column, std::int64_t n_rows, bool weighted) {
  const std::int64_t n = KeyColumns::items(column, n_rows);
  if (n <= device.policy().block_sort) return {};
  const std::size_t key_bytes = KeyColumns::key_bytes(column.kind), of_each = static_cast<std::size_t>(n);
  SortScratch scratch{sort_bytes(device, key_bytes, weighted, n)};
  if (weighted) {
    scratch.keys = of_each * key_bytes;
    scratch.weights = of_each * sizeof(std::uint32_t);
  }
  return scratch;
}

void SortedColumns::sort_large(const LoadedColumn& column, std::byte* keys, const std::uint32_t* weights,
                               std::uint32_t* out_weights) {
  const auto run = [&]<class Key>(Key) {
    const auto* const from = reinterpret_cast<const Key*>(column.keys);
    auto* const to = reinterpret_cast<Key*>(keys);
    if (weights == nullptr) return device::sort(device_, from, to, column.n, scratch_);
    auto* const masked = reinterpret_cast<Key*>(masked_.make(static_cast<std::size_t>(column.n) * sizeof(Key)));
    std::uint32_t* const own = weights_.make(column.n);
    device_.launch(blocks_for(device_.policy(), column.n), device_.policy().n_threads,
                   WeighKernel<Key>{from, column.rows, weights, column.n, masked, own});
    device::sort(device_, masked, to, own, out_weights, column.n, scratch_);
  };
  if (column.kind == KeyKind::wide)
    run(std::uint64_t{});
  else
    run(std::uint32_t{});
}

std::vector<ValueCount> SortedColumns::sort(const KeyColumns& loaded, std::span<const KeyColumn> columns,
                                            const std::uint32_t* weights) {
  place_.assign(columns.size(), -1);
  host_.clear();
  std::vector<std::int64_t> n_items;
  std::size_t size = 0;
  std::int64_t total = 0;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (!columns[c].sorted) continue;
    const LoadedColumn& column = loaded.columns()[c];
    place_[c] = static_cast<std::int32_t>(host_.size());
    SortedColumn sorted;
    sorted.n = column.n;
    sorted.wide = column.kind == KeyKind::wide;
    if (columns[c].fill_weight > 0) {
      const double fill = columns[c].view.fill;
      sorted.fill = sorted.wide ? key_as<std::uint64_t>(fill) : key_as<std::uint32_t>(fill);
      if (sorted.fill != kMissingKey) sorted.fill_weight = columns[c].fill_weight;
    }
    host_.push_back(sorted);
    n_items.push_back(column.n);
    size += aligned(static_cast<std::size_t>(column.n) * KeyColumns::key_bytes(column.kind));
    total += column.n;
  }
  std::vector<ValueCount> counts(columns.size());
  if (host_.empty()) return counts;

  std::byte* keys = keys_.make(size);
  std::uint32_t* sorted_weights = weights == nullptr ? nullptr : sorted_weights_.make(total);
  std::int64_t* running = weights == nullptr ? nullptr : running_.make(total);
  std::vector<SmallColumn> small;
  std::vector<const std::uint32_t*> weights_of_column;
  std::vector<std::int64_t*> running_of_column;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (place_[c] < 0) continue;
    const LoadedColumn& column = loaded.columns()[c];
    SortedColumn& sorted = host_[static_cast<std::size_t>(place_[c])];
    sorted.keys = keys;
    sorted.weights = running;
    weights_of_column.push_back(sorted_weights);
    running_of_column.push_back(running);
    if (column.n > device_.policy().block_sort)
      sort_large(column, keys, weights, sorted_weights);
    else if (column.n > 0)
      small.push_back(
          {column.keys, column.rows, keys, sorted_weights, static_cast<std::int32_t>(column.n), sorted.wide});
    keys += aligned(static_cast<std::size_t>(column.n) * KeyColumns::key_bytes(column.kind));
    if (weights == nullptr) continue;
    sorted_weights += column.n;
    running += column.n;
  }

  const Policy& policy = device_.policy();
  plan_ = UnitPlan(policy, n_items);
  Parcel given(given_);
  columns_ = given.put(host_);
  first_ = given.put(plan_.first);
  items_ = given.put(plan_.items);
  const auto distinct = given.put(std::vector<std::int64_t>(host_.size(), 0));
  const auto weights_part = given.put(weights_of_column);
  const auto running_part = given.put(running_of_column);
  given.send();
  const Units units = plan_.on_device(given.at(first_), given.at(items_));
  const std::size_t scratch = scan_bytes(policy);
  if (!small.empty()) {
    Buffer<SmallColumn> there(device_);
    const auto most = static_cast<std::int32_t>(std::bit_ceil(static_cast<std::uint32_t>(policy.block_sort)));
    device_.launch(static_cast<std::int64_t>(small.size()), policy.n_threads,
                   BlockSortKernel{there.put(small), weights, most}, static_cast<std::size_t>(most) * 12);
  }
  if (weights != nullptr) {
    std::int64_t* const sums = tile_sums_.make(plan_.first.back());
    device_.launch(plan_.n_blocks, policy.n_threads, UnitSumKernel{units, given.at(weights_part), sums}, scratch);
    device_.launch(static_cast<std::int64_t>(host_.size()), policy.n_threads, UnitOffsetKernel{units, sums}, scratch);
    device_.launch(plan_.n_blocks, policy.n_threads,
                   RunningKernel{units, given.at(weights_part), sums, given.at(running_part)}, scratch);
  }
  measure(units, given.at(columns_), given.at(distinct));
  given.fetch();
  host_ = given.host(columns_);
  distinct_ = given.host(distinct);
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (place_[c] < 0) continue;
    const auto at = static_cast<std::size_t>(place_[c]);
    const SortedColumn& column = host_[at];
    counts[c].distinct = distinct_[at] + (column.fill_weight > 0 && column.at_fill == 0 ? 1 : 0);
    counts[c].weight = column.weight + column.fill_weight;
  }
  return counts;
}

}  // namespace pygbt::device
