// SPDX-License-Identifier: Apache-2.0
// Keys to bins, all columns in one launch: 1 + the number of edges below a value, column by column; the rows that a
// sparse column does not store get the bin of its fill first.
#include <algorithm>
#include <exception>

#include "binner.h"
#include "data/keys.h"
#include "device.h"
#include "edge_search.h"
#include "parcel.h"
#include "stages.h"
#include "units.h"

namespace pygbt::device {

namespace {

// One feature, from its keys to its bins.
struct Binning {
  const std::byte* keys = nullptr;
  const RowId* rows = nullptr;
  const std::byte* edges = nullptr;  // keys of its edges, ascending; nullptr: the keys are bins
  std::uint8_t* out = nullptr;  // of row 0; without `rows` of the first item
  std::int32_t n_edges = 0;
  std::uint32_t value_bin = 0;  // of the smallest values; 0: training saw no value
  std::uint32_t fill_bin = 0;
  bool wide = false;
  bool two_byte = false;

  PYGBT_HD std::size_t edge_bytes() const { return static_cast<std::size_t>(n_edges) * (wide ? 8 : 4); }
};

template <class Key>
PYGBT_HD std::uint32_t bin_of(const Binning& column, const Key* edges, Key key) {
  if (key == Key{kMissingKey}) return kMissingBin;
  return static_cast<std::uint32_t>(edges_below(edges, column.n_edges, key)) + column.value_bin;
}

PYGBT_KERNEL void put_bin(const Binning& column, std::int64_t row, std::uint32_t bin) {
  if (column.two_byte)
    reinterpret_cast<std::uint16_t*>(column.out)[row] = static_cast<std::uint16_t>(bin);
  else
    column.out[row] = static_cast<std::uint8_t>(bin);
}

struct FillKernel {
  Units units;  // of rows
  const Binning* columns;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t u = units.begin_of_block(); u < units.end_of_block(); ++u) {
      const Unit unit = units.at(u);
      const Binning column = columns[unit.column];
      for (std::int64_t row = unit.begin + thread(); row < unit.end; row += n_threads())
        put_bin(column, row, column.fill_bin);
    }
  }
};

struct BinKernel {
  Units units;  // of items
  const Binning* columns;
  std::size_t shared_bytes;

  PYGBT_KERNEL void operator()() const {
    std::int32_t copied = -1;  // column whose edges are in shared memory
    for (std::int64_t u = units.begin_of_block(); u < units.end_of_block(); ++u) {
      const Unit unit = units.at(u);
      const Binning column = columns[unit.column];
      const std::byte* edges = column.edges;
      if (edges != nullptr && column.edge_bytes() <= shared_bytes) {
        if (copied != unit.column) {
          sync();  // whoever read the edges before has done so
          auto* const to = shared<std::uint32_t>();
          const auto* const from = reinterpret_cast<const std::uint32_t*>(edges);
          for (std::size_t i = static_cast<std::size_t>(thread()); i < column.edge_bytes() / 4;
               i += static_cast<std::size_t>(n_threads()))
            to[i] = from[i];
          sync();
          copied = unit.column;
        }
        edges = shared<std::byte>();
      }
      if (edges == nullptr)
        bins<std::uint32_t>(column, unit, nullptr);
      else if (column.wide)
        bins<std::uint64_t>(column, unit, reinterpret_cast<const std::uint64_t*>(edges));
      else
        bins<std::uint32_t>(column, unit, reinterpret_cast<const std::uint32_t*>(edges));
    }
  }

  template <class Key>
  PYGBT_KERNEL void bins(const Binning& column, const Unit& unit, const Key* edges) const {
    const auto* const keys = reinterpret_cast<const Key*>(column.keys);
    const auto bin_at = [&](std::int64_t i) {
      return edges == nullptr ? static_cast<std::uint32_t>(keys[i]) : bin_of(column, edges, keys[i]);
    };
    for (std::int64_t i = unit.begin + 4 * thread(); i < unit.end; i += 4 * n_threads()) {
      if (!column.two_byte && column.rows == nullptr && i + 4 <= unit.end) {  // four bins are a word
        *reinterpret_cast<std::uint32_t*>(column.out + i) =
            bin_at(i) | bin_at(i + 1) << 8 | bin_at(i + 2) << 16 | bin_at(i + 3) << 24;
        continue;
      }
      for (std::int64_t k = i; k < i + 4 && k < unit.end; ++k)
        put_bin(column, column.rows == nullptr ? k : static_cast<std::int64_t>(column.rows[k]), bin_at(k));
    }
  }
};

// Bins of some rows.
struct TakeKernel {
  Units units;  // of the rows taken
  const Column* from;
  std::uint8_t* const* out;
  const RowId* rows;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t u = units.begin_of_block(); u < units.end_of_block(); ++u) {
      const Unit unit = units.at(u);
      const Column column = from[unit.column];
      for (std::int64_t i = unit.begin + thread(); i < unit.end; i += n_threads()) {
        const Bin bin = bin_at(column.bins, column.two_byte, rows[i]);
        if (column.two_byte)
          reinterpret_cast<std::uint16_t*>(out[unit.column])[i] = bin;
        else
          out[unit.column][i] = static_cast<std::uint8_t>(bin);
      }
    }
  }
};

template <class Key>
void append_edges(const FeatureCuts& cuts, std::vector<std::byte>& to) {
  for (const double edge : cuts.edges) {
    const Key key = key_as<Key>(edge);
    const auto* const bytes = reinterpret_cast<const std::byte*>(&key);
    to.insert(to.end(), bytes, bytes + sizeof key);
  }
}

// On the host.
template <class Key>
std::uint32_t bin_of_fill(const Binning& column, const std::byte* edges, double fill) {
  return bin_of(column, reinterpret_cast<const Key*>(edges), key_as<Key>(fill));
}

// What is loaded of the columns.
void launch_bins(Device& device, std::span<const LoadedColumn> loaded, std::vector<Binning> columns,
                 std::size_t shared_bytes, Buffer<std::byte>& memory) {
  std::vector<std::int64_t> n_items;
  for (std::size_t f = 0; f < columns.size(); ++f) {
    columns[f].keys = loaded[f].keys;
    columns[f].rows = loaded[f].rows;
    if (loaded[f].rows == nullptr) columns[f].out += loaded[f].begin * (columns[f].two_byte ? 2 : 1);
    n_items.push_back(loaded[f].n);
  }
  const Policy& policy = device.policy();
  const UnitPlan plan(policy, n_items);
  Parcel given(memory);
  const auto first = given.put(plan.first);
  const auto items = given.put(plan.items);
  const auto columns_part = given.put(columns);
  given.send();
  device.launch(plan.n_blocks, policy.n_threads,
                BinKernel{plan.on_device(given.at(first), given.at(items)), given.at(columns_part), shared_bytes},
                shared_bytes);
}

void launch_fills(Device& device, std::int64_t n_rows, const std::vector<Binning>& sparse, Buffer<std::byte>& memory) {
  const UnitPlan plan(device.policy(), std::vector<std::int64_t>(sparse.size(), n_rows));
  Parcel given(memory);
  const auto first = given.put(plan.first);
  const auto items = given.put(plan.items);
  const auto columns = given.put(sparse);
  given.send();
  device.launch(plan.n_blocks, device.policy().n_threads,
                FillKernel{plan.on_device(given.at(first), given.at(items)), given.at(columns)});
}

}  // namespace

// Trainings read the bins in queues of their own.
CudaBins::~CudaBins() {
  const std::lock_guard lock(device_->mutex);
  try {
    device_->device.finish_all();
  } catch (const std::exception&) {  // the device has failed: nobody reads any longer
  }
  memory_.clear();
}

std::vector<std::uint8_t*> CudaBins::add(std::span<const std::int32_t> n_bins) {
  std::vector<std::size_t> offsets;
  std::size_t bytes = 0;
  for (const std::int32_t n : n_bins) {
    offsets.push_back(bytes);
    bytes += MemoryPlan::bin_bytes(n_rows_, n);
  }
  Buffer<std::uint8_t> memory(device_->device);
  std::uint8_t* const first = memory.make(bytes);
  memory_.push_back(std::move(memory));
  std::vector<std::uint8_t*> out;
  for (std::size_t i = 0; i < n_bins.size(); ++i) {
    out.push_back(first + offsets[i]);
    columns_.push_back({first + offsets[i], n_bins[i] > 256});
  }
  return out;
}

void CudaBins::read(FeatureId feature, void* out) const {
  const Column& column = columns_[static_cast<std::size_t>(feature)];
  const std::lock_guard lock(device_->mutex);
  device_->device.to_host(out, column.bins, static_cast<std::size_t>(n_rows_) * (column.two_byte ? 2 : 1));
}

DeviceBinsPtr CudaBins::take(std::span<const RowId> rows) const {
  auto taken = std::make_shared<CudaBins>(device_, static_cast<std::int64_t>(rows.size()), most_bytes_);
  std::vector<std::int32_t> n_bins;
  std::size_t needed = MemoryPlan::small_bytes(columns_.size()) + rows.size_bytes();
  for (const Column& column : columns_) {
    n_bins.push_back(column.two_byte ? 257 : 256);
    needed += MemoryPlan::bin_bytes(taken->n_rows(), n_bins.back());
  }
  if (most_bytes_ > 0 && needed > most_bytes_) throw OverBudget(most_bytes_, needed);
  const std::lock_guard lock(device_->mutex);  // released before `taken` goes, which locks it, too
  const std::vector<std::uint8_t*> out = taken->add(n_bins);
  Device& device = device_->device;
  const UnitPlan plan(device.policy(), std::vector<std::int64_t>(columns_.size(), taken->n_rows()));
  Buffer<std::byte> memory(device);
  Buffer<RowId> there(device);
  Parcel given(memory);
  const auto first = given.put(plan.first);
  const auto items = given.put(plan.items);
  const auto columns = given.put(columns_);
  const auto out_part = given.put(out);
  given.send();
  device.launch(plan.n_blocks, device.policy().n_threads,
                TakeKernel{plan.on_device(given.at(first), given.at(items)), given.at(columns), given.at(out_part),
                           there.put(rows)});
  device.finish();
  return taken;
}

void CudaBinner::bin(std::span<const FeatureCuts> cuts) {
  Stage stage(*device_, "bins");
  std::vector<std::int32_t> n_bins;
  for (const FeatureCuts& one : cuts) n_bins.push_back(one.n_bins);
  const std::vector<std::uint8_t*> out = bins_->add(n_bins);

  std::vector<Binning> columns;
  std::vector<std::byte> edges;
  std::vector<std::size_t> edges_at;
  std::vector<Binning> sparse;
  for (std::size_t f = 0; f < cuts.size(); ++f) {
    Binning one;
    one.out = out[f];
    one.n_edges = static_cast<std::int32_t>(cuts[f].edges.size());
    one.value_bin = cuts[f].n_bins > 1 ? 1 : 0;
    one.wide = columns_[f].kind == KeyKind::wide;
    one.two_byte = cuts[f].n_bins > 256;
    edges.resize((edges.size() + 7) / 8 * 8);
    edges_at.push_back(edges.size());
    if (one.wide)
      append_edges<std::uint64_t>(cuts[f], edges);
    else
      append_edges<std::uint32_t>(cuts[f], edges);
    if (columns_[f].view.sparse_rows != nullptr) {
      const std::byte* const own = edges.data() + edges_at.back();
      const double fill = columns_[f].view.fill;
      one.fill_bin = one.wide ? bin_of_fill<std::uint64_t>(one, own, fill) : bin_of_fill<std::uint32_t>(one, own, fill);
      sparse.push_back(one);
    }
    columns.push_back(one);
  }
  edges.resize(edges.size() + 8);  // a feature without edges has an address, too

  Buffer<std::byte> there(*device_), given(*device_);
  const std::byte* const first_edge = there.put(edges);
  std::size_t shared_bytes = 0;
  for (std::size_t f = 0; f < columns.size(); ++f) {
    if (columns_[f].kind == KeyKind::code) continue;
    columns[f].edges = first_edge + edges_at[f];
    const std::size_t bytes = columns[f].edge_bytes();
    if (bytes <= device_->policy().edge_bytes) shared_bytes = std::max(shared_bytes, bytes);
  }
  launch_fills(*device_, n_rows_, sparse, given);
  const auto bin_loaded = [&] { launch_bins(*device_, keys_->columns(), columns, shared_bytes, given); };
  if (streamed_)
    streamed_->each_part(bin_loaded);
  else
    bin_loaded();
  stage.end();
}

}  // namespace pygbt::device
