// SPDX-License-Identifier: Apache-2.0
#include "data/binning.h"

#include <algorithm>
#include <array>
#include <memory>
#include <variant>
#include <vector>

#include "base/pool.h"
#include "data/bin_lookup.h"
#include "data/keys.h"

namespace pygbt {
namespace {

constexpr std::int64_t kChunk = 512;  // rows binned at a time
constexpr std::int64_t kTaskRows = 1 << 14;
constexpr std::int32_t kGroup = 16;   // columns of a task

// Bins of the rows [begin, end) of one feature.
class ColumnBinner {
 public:
  ColumnBinner(const ColumnView& column, const FeatureCuts& cuts) : column_(column), n_bins_(cuts.n_bins) {
    if (cuts.categorical) return;
    if (cuts.wide) {
      lookup_.emplace<BinLookup<std::uint64_t>>(cuts);
    } else {
      lookup_.emplace<BinLookup<std::uint32_t>>(cuts);
    }
  }

  bool sparse() const { return column_.sparse_rows != nullptr && !std::holds_alternative<std::monostate>(lookup_); }

  // Of a dense column; at most kChunk rows.
  void operator()(std::int64_t begin, std::int64_t end, Bin* out) const {
    if (const auto* narrow = std::get_if<BinLookup<std::uint32_t>>(&lookup_)) {
      numeric(*narrow, begin, end, out);
    } else if (const auto* wide = std::get_if<BinLookup<std::uint64_t>>(&lookup_)) {
      numeric(*wide, begin, end, out);
    } else {
      codes(begin, end, out);
    }
  }

  // Of a sparse column, out [row]: any number of rows.
  template <class Byte>
  void fill_sparse(std::int64_t begin, std::int64_t end, Byte* out) const {
    if (const auto* narrow = std::get_if<BinLookup<std::uint32_t>>(&lookup_))
      stored(*narrow, begin, end, out);
    else
      stored(std::get<BinLookup<std::uint64_t>>(lookup_), begin, end, out);
  }

 private:
  template <ValueKey Key>
  void numeric(const BinLookup<Key>& lookup, std::int64_t begin, std::int64_t end, Bin* out) const {
    std::array<Key, kChunk> keys;
    read_keys(column_, begin, end, keys.data());
    lookup.bins_of(keys.data(), end - begin, out);
  }

  template <ValueKey Key, class Byte>
  void stored(const BinLookup<Key>& lookup, std::int64_t begin, std::int64_t end, Byte* out) const {
    std::fill(out + begin, out + end, static_cast<Byte>(lookup.bin_of(key_as<Key>(column_.fill))));
    const std::int64_t* const rows = column_.sparse_rows;
    const std::int64_t first = std::lower_bound(rows, rows + column_.n_stored, begin) - rows;
    const std::int64_t last = std::lower_bound(rows + first, rows + column_.n_stored, end) - rows;
    std::array<Key, kChunk> keys;
    for (std::int64_t from = first; from < last; from += kChunk) {
      const std::int64_t to = std::min(last, from + kChunk);
      read_keys(column_, from, to, keys.data());
      for (std::int64_t i = from; i < to; ++i)
        out[rows[i]] = static_cast<Byte>(lookup.bin_of(keys[static_cast<std::size_t>(i - from)]));
    }
  }

  void codes(std::int64_t begin, std::int64_t end, Bin* out) const {
    const char* const first = column_.data + begin * column_.stride;
    for (std::int64_t i = 0; i < end - begin; ++i) {
      const auto code = detail::load<std::int32_t>(first + i * column_.stride);
      out[i] = code >= 0 && code < n_bins_ - 1 ? static_cast<Bin>(code + 1) : kMissingBin;
    }
  }

  ColumnView column_;
  std::int32_t n_bins_;
  std::variant<std::monostate, BinLookup<std::uint32_t>, BinLookup<std::uint64_t>> lookup_;
};

void fill_sparse(const ColumnBinner& binner, std::int64_t begin, std::int64_t end, bool two_byte,
                 std::uint8_t* column) {
  if (two_byte)
    binner.fill_sparse(begin, end, reinterpret_cast<std::uint16_t*>(column));
  else
    binner.fill_sparse(begin, end, column);
}

void fill_rows(const ColumnBinner& binner, std::int64_t begin, std::int64_t end, bool two_byte, std::uint8_t* column) {
  std::array<Bin, kChunk> bins;
  binner(begin, end, bins.data());
  const std::int64_t n = end - begin;
  if (two_byte) {
    std::copy_n(bins.data(), n, reinterpret_cast<std::uint16_t*>(column) + begin);
  } else {
    for (std::int64_t i = 0; i < n; ++i)
      column[begin + i] = static_cast<std::uint8_t>(bins[static_cast<std::size_t>(i)]);
  }
}

}  // namespace

void fill_columns(std::span<const ColumnView> columns, int n_threads, Dataset& data) {
  const Cuts& cuts = *data.cuts;
  const int threads = resolve_threads(n_threads);
  const auto n_features = static_cast<std::size_t>(cuts.n_features());
  const std::int64_t n = data.n_rows;
  data.bins->columns.resize(n_features);
  data.bins->column_two_byte.resize(n_features);
  for (std::size_t f = 0; f < n_features; ++f) {
    data.bins->column_two_byte[f] = cuts.features[f].n_bins > 256;
    data.bins->columns[f].resize(static_cast<std::size_t>(n) * (data.bins->column_two_byte[f] ? 2 : 1));
  }
  std::vector<std::unique_ptr<const ColumnBinner>> binners(n_features);
  parallel_for(threads, cuts.n_features(), [&](std::int64_t f, int) {
    const auto at = static_cast<std::size_t>(f);
    binners[at] = std::make_unique<const ColumnBinner>(columns[at], cuts.features[at]);
  });

  // Row-major tables are read a group of neighbouring columns at a time.
  const std::int64_t n_parts = (n + kTaskRows - 1) / kTaskRows;
  const std::int64_t n_groups = (cuts.n_features() + kGroup - 1) / kGroup;
  parallel_for(threads, n_groups * n_parts, [&](std::int64_t task, int) {
    const auto first = static_cast<std::size_t>(task / n_parts * kGroup);
    const std::int64_t first_row = task % n_parts * kTaskRows;
    const std::int64_t last_row = std::min(n, first_row + kTaskRows);
    const std::size_t last = std::min(n_features, first + kGroup);
    for (std::size_t f = first; f < last; ++f)
      if (binners[f]->sparse())
        fill_sparse(*binners[f], first_row, last_row, data.bins->column_two_byte[f], data.bins->columns[f].data());
    for (std::int64_t begin = first_row; begin < last_row; begin += kChunk)
      for (std::size_t f = first; f < last; ++f)
        if (!binners[f]->sparse())
          fill_rows(*binners[f], begin, std::min(last_row, begin + kChunk), data.bins->column_two_byte[f],
                    data.bins->columns[f].data());
  });
}

}  // namespace pygbt
