// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <algorithm>

#include "binner.h"
#include "block.h"
#include "device.h"

namespace pygbt::device {

namespace {

// Columns of a group, side by side. A block turns tiles of rows around in shared memory: it reads four bins of a column at
// a time, and writes words.
template <class Byte>
struct GroupKernel {
  Group group;
  std::uint32_t* out;  // [row][n] Byte
  const Column* columns;
  std::int64_t n_rows;
  std::int32_t tile_rows;  // a multiple of 4

  PYGBT_KERNEL void operator()() const {
    auto* const tile = shared<Byte>();  // [row][n]
    for (std::int64_t first = block() * tile_rows; first < n_rows; first += n_blocks() * tile_rows) {
      const auto rows = static_cast<std::int32_t>(n_rows - first < tile_rows ? n_rows - first : tile_rows);
      const std::int32_t fours = (rows + 3) / 4;
      sync();  // the tile before has been written
      for (std::int32_t at = thread(); at < fours * group.n; at += n_threads()) {
        const std::int32_t f = at / fours;
        const std::int32_t begin = at % fours * 4;
        const std::int32_t end = begin + 4 < rows ? begin + 4 : rows;
        const Column column = columns[group.first + f];
        if (!column.two_byte && end == begin + 4) {
          const std::uint32_t bins = reinterpret_cast<const std::uint32_t*>(column.bins)[(first + begin) / 4];
          for (std::int32_t i = 0; i < 4; ++i)
            tile[(begin + i) * group.n + f] = static_cast<Byte>(bins >> 8 * i & 255u);
        } else {
          for (std::int32_t i = begin; i < end; ++i)
            tile[i * group.n + f] = static_cast<Byte>(bin_at(column.bins, column.two_byte, first + i));
        }
      }
      sync();
      const std::int64_t bytes = static_cast<std::int64_t>(rows) * group.n * static_cast<std::int64_t>(sizeof(Byte));
      std::uint32_t* const to = out + first * group.n * static_cast<std::int64_t>(sizeof(Byte)) / 4;
      for (std::int64_t i = thread(); i < (bytes + 3) / 4; i += n_threads()) to[i] = shared<std::uint32_t>()[i];
    }
  }
};

std::int64_t up_to(std::int64_t x, std::int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

constexpr std::int64_t kAlignment = 16;  // of columns and groups
constexpr std::int64_t kPackedBytes = 8;  // of a cell

}  // namespace

Table::Table(Device& device)
    : device_(device),
      column_bins_(device),
      group_bins_(device),
      columns_(device),
      features_(device),
      groups_(device),
      labels_(device),
      weights_(device) {}

void Table::load(const Dataset& data, bool groups) {
  n_rows_ = data.n_rows;
  bin_offset_.assign(1, 0);
  host_features_.clear();
  any_categorical_ = false;
  most_bins_ = 0;
  for (const FeatureCuts& cuts : data.cuts->features) {
    host_features_.push_back({bin_offset_.back(), cuts.n_bins, cuts.categorical});
    bin_offset_.push_back(bin_offset_.back() + cuts.n_bins);
    any_categorical_ = any_categorical_ || cuts.categorical;
    most_bins_ = std::max(most_bins_, cuts.n_bins);
  }
  features_.put(host_features_);
  labels_.put(data.labels);
  weighted_ = !data.weights.empty();
  weights_.put(data.weights);
  load_columns(data);
  if (groups) make_groups();
}

void Table::load_columns(const Dataset& data) {
  if (data.device_bins != nullptr) {  // found here: they stay where they are
    columns_.put(static_cast<const CudaBins&>(*data.device_bins).columns());
    return;
  }
  std::vector<Column> columns;
  std::vector<std::int64_t> offsets;
  std::int64_t bytes = 0;
  for (FeatureId f = 0; f < n_features(); ++f) {
    const bool two_byte = data.column(f).two_byte;
    offsets.push_back(bytes);
    columns.push_back({nullptr, two_byte});
    bytes += up_to(n_rows_ * (two_byte ? 2 : 1), kAlignment);
  }
  std::uint8_t* const first = column_bins_.make(bytes);
  for (FeatureId f = 0; f < n_features(); ++f) {
    const auto at = static_cast<std::size_t>(f);
    columns[at].bins = first + offsets[at];
    const std::int64_t size = n_rows_ * (columns[at].two_byte ? 2 : 1);
    if (size > 0) device_.to_device(first + offsets[at], data.column(f).data, static_cast<std::size_t>(size));
  }
  columns_.put(columns);
}

// Features in their order, as many as the packed cells of a group have room for.
void Table::make_groups() {
  const std::int64_t most = static_cast<std::int64_t>(device_.policy().group_bytes) / kPackedBytes;
  host_groups_.clear();
  std::int64_t bytes = 0;
  std::vector<std::int64_t> offsets;
  for (FeatureId f = 0; f < n_features();) {
    Group group;
    group.first = f;
    group.first_bin = bin_offset_[static_cast<std::size_t>(f)];
    do {
      const std::int32_t n_bins = host_features_[static_cast<std::size_t>(f)].n_bins;
      group.two_byte = group.two_byte || n_bins > 256;
      group.n_bins += n_bins;
      ++group.n;
      ++f;
    } while (f < n_features() && group.n_bins + host_features_[static_cast<std::size_t>(f)].n_bins <= most);
    group.lanes = 1;
    while (group.lanes < kLanes && group.lanes < group.n) group.lanes *= 2;
    host_groups_.push_back(group);
    offsets.push_back(bytes);
    bytes += up_to(n_rows_ * group.n * (group.two_byte ? 2 : 1), kAlignment);
  }
  std::uint8_t* const first = group_bins_.make(bytes);
  const int n_threads = device_.policy().n_threads;
  for (std::size_t i = 0; i < host_groups_.size(); ++i) {
    Group& group = host_groups_[i];
    group.bins = first + offsets[i];
    const std::int64_t row_bytes = std::int64_t{group.n} * (group.two_byte ? 2 : 1);
    const auto most_rows = static_cast<std::int64_t>(device_.policy().group_tile_bytes) / row_bytes;
    const auto tile_rows = static_cast<std::int32_t>(std::max<std::int64_t>(most_rows / 4, 1) * 4);
    const std::int64_t blocks = std::min((n_rows_ + tile_rows - 1) / tile_rows, device_.policy().n_blocks);
    const auto shared_bytes = static_cast<std::size_t>(tile_rows * row_bytes);
    auto* const out = reinterpret_cast<std::uint32_t*>(first + offsets[i]);
    if (group.two_byte)
      device_.launch(blocks, n_threads, GroupKernel<std::uint16_t>{group, out, columns_.data(), n_rows_, tile_rows},
                     shared_bytes);
    else
      device_.launch(blocks, n_threads, GroupKernel<std::uint8_t>{group, out, columns_.data(), n_rows_, tile_rows},
                     shared_bytes);
  }
  groups_.put(host_groups_);
}

}  // namespace pygbt::device
