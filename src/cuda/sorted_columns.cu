// SPDX-License-Identifier: Apache-2.0
#include "sorted_columns.h"

#include <algorithm>
#include <bit>

#include "block.h"
#include "data/keys.h"
#include "device.h"
#include "small_columns.h"
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

enum class Way : std::uint8_t { kBlock, kSegment, kLarge };

Way way_of(const Policy& policy, std::int64_t n) {
  return n <= policy.block_sort ? Way::kBlock : n <= policy.segment_sort ? Way::kSegment : Way::kLarge;
}

// Places of the keys of a column, up to the next one's.
std::int64_t padded(std::int64_t n, KeyKind kind) {
  const std::size_t key_bytes = KeyColumns::key_bytes(kind);
  return static_cast<std::int64_t>(aligned(static_cast<std::size_t>(n) * key_bytes) / key_bytes);
}

}  // namespace

// Segments side by side, of keys of one kind.
struct SortedColumns::SegmentGroup {
  bool wide = false;
  std::size_t first_byte = 0;  // in keys_
  std::int64_t first_weight = 0;  // in sorted_weights_
  std::int32_t n = 0;  // items, padding included
  std::vector<std::int32_t> begin, end;
  std::vector<std::size_t> places;
};

// Where the columns are put, and how each gets there.
struct SortedColumns::Layout {
  struct Large {
    const LoadedColumn* column;
    std::byte* keys;
    std::uint32_t* weights;
  };
  std::vector<Large> large;
  std::vector<SmallColumn> gathered, small;  // for segments, for blocks
  std::vector<SegmentGroup> groups;
  std::vector<const std::uint32_t*> weights;  // [sorted column], as the running sums
  std::vector<std::int64_t*> running;
};

std::size_t SortedColumns::bytes(const Device& device, const KeyColumn& column, std::int64_t n_rows, bool weighted) {
  const auto n = static_cast<std::size_t>(KeyColumns::items(column, n_rows));
  const std::size_t units = n / static_cast<std::size_t>(device.policy().unit_rows) + 1;
  const auto places = static_cast<std::size_t>(padded(static_cast<std::int64_t>(n), column.kind));
  const std::size_t copies = way_of(device.policy(), static_cast<std::int64_t>(n)) == Way::kSegment ? 2 : 1;
  return copies * places * (KeyColumns::key_bytes(column.kind) + (weighted ? sizeof(std::uint32_t) : 0)) +
         (weighted ? (places + units) * sizeof(std::int64_t) : 0) +
         static_cast<std::size_t>(column.n_bins) * (sizeof(RankQuery) + sizeof(Mass));
}

SortScratch SortedColumns::scratch(Device& device, const KeyColumn& column, std::int64_t n_rows, bool weighted) {
  const std::int64_t n = KeyColumns::items(column, n_rows);
  if (way_of(device.policy(), n) != Way::kLarge) return {};
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

// The sorted columns of what is loaded, those side by side that are segments of one sort.
std::vector<std::size_t> SortedColumns::segments_first(const KeyColumns& loaded) const {
  std::vector<std::size_t> order;
  for (std::size_t c = 0; c < place_.size(); ++c)
    if (place_[c] >= 0) order.push_back(c);
  const auto rank = [&](std::size_t c) {
    const LoadedColumn& column = loaded.columns()[c];
    if (way_of(device_.policy(), column.n) != Way::kSegment) return 2;
    return column.kind == KeyKind::wide ? 1 : 0;
  };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
  return order;
}

SortedColumns::Layout SortedColumns::lay_out(const KeyColumns& loaded, std::size_t key_bytes, std::int64_t n_places,
                                             bool weighted) {
  Layout layout;
  layout.weights.resize(host_.size());
  layout.running.resize(host_.size());
  std::byte* keys = keys_.make(key_bytes);
  std::uint32_t* weights = weighted ? sorted_weights_.make(n_places) : nullptr;
  std::int64_t* running = weighted ? running_.make(n_places) : nullptr;
  for (const std::size_t c : segments_first(loaded)) {
    const LoadedColumn& column = loaded.columns()[c];
    const auto place = static_cast<std::size_t>(place_[c]);
    SortedColumn& sorted = host_[place];
    sorted.keys = keys;
    sorted.weights = layout.running[place] = running;
    layout.weights[place] = weights;
    const Way way = way_of(device_.policy(), column.n);
    const SmallColumn small{column.keys, column.rows, keys, weights, static_cast<std::int32_t>(column.n), sorted.wide};
    const std::int64_t n = padded(column.n, column.kind);
    if (way == Way::kLarge) {
      layout.large.push_back({&column, keys, weights});
    } else if (way == Way::kSegment) {
      std::vector<SegmentGroup>& groups = layout.groups;
      if (groups.empty() || groups.back().wide != sorted.wide || groups.back().n + n > device_.policy().segment_items) {
        SegmentGroup& next = groups.emplace_back();
        next.wide = sorted.wide;
        next.first_byte = static_cast<std::size_t>(keys - keys_.data());
        next.first_weight = weighted ? weights - sorted_weights_.data() : 0;
      }
      SegmentGroup& group = groups.back();
      group.begin.push_back(group.n);
      group.end.push_back(group.n + small.n);
      group.n += static_cast<std::int32_t>(n);
      group.places.push_back(place);
      layout.gathered.push_back(small);
    } else if (column.n > 0) {
      layout.small.push_back(small);
    }
    keys += static_cast<std::size_t>(n) * KeyColumns::key_bytes(column.kind);
    if (!weighted) continue;
    weights += n;
    running += n;
  }
  return layout;
}

// They lie at the beginning of keys_ and sorted_weights_, and are found there or in the spare arrays afterwards.
void SortedColumns::sort_segments_of(const std::uint32_t* weights, Layout& layout) {
  const Policy& policy = device_.policy();
  const SegmentGroup& last = layout.groups.back();
  const std::size_t key_bytes = last.wide ? sizeof(std::uint64_t) : sizeof(std::uint32_t);
  std::byte* const spare = spare_keys_.make(last.first_byte + static_cast<std::size_t>(last.n) * key_bytes);
  std::uint32_t* const spare_weights =
      weights == nullptr ? nullptr : spare_weights_.make(last.first_weight + std::int64_t{last.n});
  Buffer<SmallColumn> columns(device_);
  const auto n_columns = static_cast<std::int64_t>(layout.gathered.size());
  const std::int64_t n_parts = std::max<std::int64_t>(1, policy.n_blocks / n_columns);
  device_.launch(n_columns * n_parts, policy.n_threads, GatherKernel{columns.put(layout.gathered), weights, n_parts});
  for (const SegmentGroup& group : layout.groups) {
    Buffer<std::int32_t> begin(device_), end(device_);
    const auto sort_as = [&]<class Key>(Key) {
      KeySegments<Key> segments;
      segments.keys = reinterpret_cast<Key*>(keys_.data() + group.first_byte);
      segments.spare = reinterpret_cast<Key*>(spare + group.first_byte);
      if (weights != nullptr) {
        segments.values = sorted_weights_.data() + group.first_weight;
        segments.spare_values = spare_weights + group.first_weight;
      }
      segments.n = group.n;
      segments.begin = begin.put(group.begin);
      segments.end = end.put(group.end);
      segments.n_segments = static_cast<std::int32_t>(group.begin.size());
      return device::sort_segments(device_, segments, scratch_);
    };
    if (!(group.wide ? sort_as(std::uint64_t{}) : sort_as(std::uint32_t{}))) continue;
    for (const std::size_t place : group.places) {
      host_[place].keys = spare + (host_[place].keys - keys_.data());
      if (weights != nullptr) layout.weights[place] = spare_weights + (layout.weights[place] - sorted_weights_.data());
    }
  }
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
    total += padded(column.n, column.kind);
  }
  std::vector<ValueCount> counts(columns.size());
  if (host_.empty()) return counts;

  Layout layout = lay_out(loaded, size, total, weights != nullptr);
  for (const Layout::Large& large : layout.large) sort_large(*large.column, large.keys, weights, large.weights);
  if (!layout.groups.empty()) sort_segments_of(weights, layout);

  const Policy& policy = device_.policy();
  plan_ = UnitPlan(policy, n_items);
  Parcel given(given_);
  columns_ = given.put(host_);
  first_ = given.put(plan_.first);
  items_ = given.put(plan_.items);
  const auto distinct = given.put(std::vector<std::int64_t>(host_.size(), 0));
  const auto weights_part = given.put(layout.weights);
  const auto running_part = given.put(layout.running);
  given.send();
  const Units units = plan_.on_device(given.at(first_), given.at(items_));
  const std::size_t scratch = scan_bytes(policy);
  if (!layout.small.empty()) {
    Buffer<SmallColumn> there(device_);
    const auto most = static_cast<std::int32_t>(std::bit_ceil(static_cast<std::uint32_t>(policy.block_sort)));
    device_.launch(static_cast<std::int64_t>(layout.small.size()), policy.n_threads,
                   BlockSortKernel{there.put(layout.small), weights, most}, static_cast<std::size_t>(most) * 12);
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
