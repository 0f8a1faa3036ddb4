// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <algorithm>

#include "binner.h"
#include "block.h"
#include "device.h"

namespace pygbt::device {

namespace {

// Columns of a group, side by side.
struct GroupKernel {
  Group group;
  std::uint32_t* out;  // [row][n_words]
  const Column* columns;
  std::int64_t n_rows;

  PYGBT_KERNEL void operator()() const {
    const std::int32_t in_word = group.in_word(), bits = 32 / in_word;
    for (std::int64_t at = first_row(); at < n_rows * group.n_words; at += row_step()) {
      const std::int64_t row = at / group.n_words;
      const auto begin = static_cast<std::int32_t>(at % group.n_words) * in_word;
      std::uint32_t word = 0;
      for (std::int32_t i = 0; i < in_word && begin + i < group.n; ++i) {
        const Column& column = columns[group.first + begin + i];
        word |= std::uint32_t{bin_at(column.bins, column.two_byte, row)} << (i * bits);
      }
      out[at] = word;
    }
  }
};

// The bin of each feature that most of some rows have; none has where there is no room for the feature's bins. A block a
// feature.
struct UsualBinKernel {
  Feature* features;
  Group* groups;
  const Column* columns;
  std::int64_t n_rows, step;  // rows that are looked at, from row to row
  std::int64_t least;  // rows of a usual bin
  std::int32_t most_bins, n_features;

  PYGBT_KERNEL void operator()() const {
    auto* const best = shared<std::uint64_t>();  // [1] rows and bin
    auto* const counts = reinterpret_cast<std::uint32_t*>(best + 1);
    for (auto f = static_cast<std::int32_t>(block()); f < n_features; f += static_cast<std::int32_t>(n_blocks())) {
      const std::int32_t n_bins = features[f].n_bins <= most_bins ? features[f].n_bins : 0;
      if (thread() == 0) *best = 0;
      for (std::int32_t bin = thread(); bin < n_bins; bin += n_threads()) counts[bin] = 0;
      sync();
      for (std::int64_t i = thread(); n_bins > 0 && i < n_rows; i += n_threads())
        add(counts + bin_at(columns[f].bins, columns[f].two_byte, i * step), std::uint32_t{1});
      sync();
      for (std::int32_t bin = thread(); bin < n_bins; bin += n_threads())
        if (counts[bin] >= least) raise_to(best, (std::uint64_t{counts[bin]} << 32) + static_cast<std::uint32_t>(bin));
      sync();
      if (thread() == 0 && *best != 0) mark(f, static_cast<std::int32_t>(*best & 0xffffffffu));
      sync();
    }
  }
  PYGBT_KERNEL void mark(std::int32_t f, std::int32_t bin) const {
    features[f].usual = bin;
    Group* group = groups;
    while (f >= group->first + group->n) ++group;
    raise_to(&group->skips, std::uint32_t{1});
  }
};

std::int64_t up_to(std::int64_t x, std::int64_t multiple) { return (x + multiple - 1) / multiple * multiple; }

constexpr std::int64_t kAlignment = 16;  // of columns and groups
constexpr std::int64_t kPackedBytes = 8;  // of a cell

}  // namespace

Table::Table(Device& device)
    : device_(device),
      column_bins_(device),
      group_words_(device),
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
  std::int64_t place = 0;
  for (const FeatureCuts& cuts : data.cuts->features) {
    host_features_.push_back({bin_offset_.back(), place, cuts.n_bins, -1, cuts.categorical});
    place += host_features_.back().n_places();
    bin_offset_.push_back(bin_offset_.back() + cuts.n_bins);
    any_categorical_ = any_categorical_ || cuts.categorical;
    most_bins_ = std::max(most_bins_, cuts.n_bins);
  }
  features_.put(host_features_);
  labels_.put(data.labels);
  weighted_ = !data.weights.empty();
  weights_.put(data.weights);
  load_columns(data);
  if (!groups) return;
  make_groups();
  find_usual_bins();
}

// Of a sample: which bin is left out of histograms changes how fast they are, not what. Nothing is waited for: the marks
// stay on the device.
void Table::find_usual_bins() {
  const Policy& policy = device_.policy();
  const std::int64_t n = std::min(n_rows_, policy.usual_rows);
  if (n == 0 || n_features() == 0) return;
  const auto least = static_cast<std::int64_t>(policy.usual_share * static_cast<double>(n));
  const std::size_t room = std::min(policy.shared_bytes - sizeof(std::uint64_t),
                                    static_cast<std::size_t>(most_bins_) * sizeof(std::uint32_t));
  device_.launch(std::min<std::int64_t>(n_features(), policy.n_blocks), policy.n_threads,
                 UsualBinKernel{features_.data(), groups_.data(), columns_.data(), n, n_rows_ / n, least + 1,
                                static_cast<std::int32_t>(room / sizeof(std::uint32_t)), n_features()},
                 sizeof(std::uint64_t) + room);
}

std::int64_t Table::most_places(const Group& group, std::int32_t n_parts) const {
  const std::int32_t of_part = std::max(1, group.n_words / n_parts) * group.in_word();
  std::int64_t most = 0;
  for (std::int32_t begin = 0; begin < group.n; begin += of_part) {
    const std::int32_t end = std::min(group.n, begin + of_part);
    const Feature& first = host_features_[static_cast<std::size_t>(group.first + begin)];
    const Feature& last = host_features_[static_cast<std::size_t>(group.first + end - 1)];
    most = std::max(most, last.place + last.n_places() - first.place);
  }
  return most;
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

// Features in their order, as many as the packed cells of a group have room for and a row of a warp's words.
void Table::make_groups() {
  const std::int64_t most = static_cast<std::int64_t>(device_.policy().group_bytes) / kPackedBytes;
  host_groups_.clear();
  std::vector<std::int64_t> offsets;
  std::int64_t n_words = 0;
  for (FeatureId f = 0; f < n_features();) {
    Group group;
    group.first = f;
    for (; f < n_features(); ++f) {
      const Feature& feature = host_features_[static_cast<std::size_t>(f)];
      Group more = group;
      more.two_byte = group.two_byte || feature.n_bins > 256;
      more.n_places += feature.n_places();
      ++more.n;
      const std::int64_t n_bins =
          bin_offset_[static_cast<std::size_t>(f) + 1] - bin_offset_[static_cast<std::size_t>(group.first)];
      const bool fits = n_bins <= most && more.n <= Group::kMostWords * more.in_word();
      if (group.n > 0 && !fits) break;
      group = more;
    }
    while (group.n_words * group.in_word() < group.n) group.n_words *= 2;
    host_groups_.push_back(group);
    offsets.push_back(n_words);
    n_words += up_to(n_rows_ * group.n_words, kAlignment);
  }
  std::uint32_t* const first = group_words_.make(n_words);
  const int n_threads = device_.policy().n_threads;
  for (std::size_t i = 0; i < host_groups_.size(); ++i) {
    Group& group = host_groups_[i];
    group.words = first + offsets[i];
    const std::int64_t blocks = (n_rows_ * group.n_words + n_threads - 1) / n_threads;
    device_.launch(std::min(blocks, device_.policy().n_blocks), n_threads,
                   GroupKernel{group, first + offsets[i], columns_.data(), n_rows_});
  }
  groups_.put(host_groups_);
}

}  // namespace pygbt::device
