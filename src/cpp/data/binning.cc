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

constexpr std::int64_t kChunk = 512;       // rows binned at a time: a block's chunk stays in L1
constexpr std::int64_t kTaskRows = 1 << 14;
constexpr FeatureId kPadding = 4;          // rows of one-byte blocks are whole 32-bit words

bool is_two_byte(const FeatureCuts& cuts) { return cuts.n_bins > 256; }

// Consecutive features of equal bin width in as few blocks as kBlockWidth allows, about equally wide: multiples of
// kPadding features, so that only the last block of a run is padded.
std::vector<BinBlock> plan_blocks(const Cuts& cuts) {
  std::vector<BinBlock> blocks;
  const auto n = static_cast<FeatureId>(cuts.features.size());
  for (FeatureId first = 0; first < n;) {
    const bool two_byte = is_two_byte(cuts.features[static_cast<std::size_t>(first)]);
    FeatureId end = first;
    while (end < n && is_two_byte(cuts.features[static_cast<std::size_t>(end)]) == two_byte) ++end;
    const FeatureId n_blocks = (end - first + kBlockWidth - 1) / kBlockWidth;
    const FeatureId n_units = (end - first + kPadding - 1) / kPadding;
    for (FeatureId b = 0; b < n_blocks; ++b) {
      BinBlock block;
      block.first = first + n_units * b / n_blocks * kPadding;
      block.width = std::min(end, first + n_units * (b + 1) / n_blocks * kPadding) - block.first;
      block.two_byte = two_byte;
      block.stride = two_byte ? block.width : (block.width + kPadding - 1) / kPadding * kPadding;
      blocks.push_back(std::move(block));
    }
    first = end;
  }
  return blocks;
}

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

  void operator()(std::int64_t begin, std::int64_t end, Bin* out) const {
    if (const auto* narrow = std::get_if<BinLookup<std::uint32_t>>(&lookup_)) {
      numeric(*narrow, begin, end, out);
    } else if (const auto* wide = std::get_if<BinLookup<std::uint64_t>>(&lookup_)) {
      numeric(*wide, begin, end, out);
    } else {
      codes(begin, end, out);
    }
  }

 private:
  template <ValueKey Key>
  void numeric(const BinLookup<Key>& lookup, std::int64_t begin, std::int64_t end, Bin* out) const {
    std::array<Key, kChunk> keys;
    if (column_.sparse_rows == nullptr) {
      read_keys(column_, begin, end, keys.data());
      lookup.bins_of(keys.data(), end - begin, out);
      return;
    }
    std::fill(out, out + (end - begin), lookup.bin_of(key_as<Key>(column_.fill)));
    const std::int64_t* const rows = column_.sparse_rows;
    const std::int64_t from = std::lower_bound(rows, rows + column_.n_stored, begin) - rows;
    const std::int64_t to = std::lower_bound(rows + from, rows + column_.n_stored, end) - rows;
    read_keys(column_, from, to, keys.data());
    for (std::int64_t i = from; i < to; ++i) {
      out[rows[i] - begin] = lookup.bin_of(keys[static_cast<std::size_t>(i - from)]);
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

// Copies n bins to rows of a column (stride 1) and of a block (the block's stride), one or two bytes each.
template <class Byte>
void store(const Bin* bins, std::int64_t n, Byte* column, Byte* block, std::int64_t stride) {
  for (std::int64_t i = 0; i < n; ++i) column[i] = static_cast<Byte>(bins[i]);
  for (std::int64_t i = 0; i < n; ++i) block[i * stride] = static_cast<Byte>(bins[i]);
}

void fill_rows(const ColumnBinner& binner, FeatureId f, std::int64_t begin, std::int64_t end, BinBlock& block,
               HugeVector<std::uint8_t>& column) {
  std::array<Bin, kChunk> bins;
  binner(begin, end, bins.data());
  const std::int64_t cell = begin * block.stride + (f - block.first);
  if (block.two_byte) {
    store(bins.data(), end - begin, reinterpret_cast<std::uint16_t*>(column.data()) + begin,
          reinterpret_cast<std::uint16_t*>(block.bytes.data()) + cell, block.stride);
  } else {
    store(bins.data(), end - begin, column.data() + begin, block.bytes.data() + cell, block.stride);
  }
}

}  // namespace

void fill_bins(std::span<const ColumnView> columns, int n_threads, Dataset& data) {
  const Cuts& cuts = *data.cuts;
  const int threads = resolve_threads(n_threads);
  const auto n_features = static_cast<std::size_t>(cuts.n_features());
  const std::int64_t n = data.n_rows;
  data.blocks = plan_blocks(cuts);
  data.columns.resize(n_features);
  data.column_two_byte.resize(n_features);
  for (std::size_t f = 0; f < n_features; ++f) data.column_two_byte[f] = is_two_byte(cuts.features[f]);

  // Memory is touched first by the thread that clears it; lookups are built beside it.
  std::vector<std::unique_ptr<const ColumnBinner>> binners(n_features);
  parallel_for(threads, static_cast<std::int64_t>(data.blocks.size()), [&](std::int64_t b, int) {
    BinBlock& block = data.blocks[static_cast<std::size_t>(b)];
    block.bytes.resize(static_cast<std::size_t>(n * block.stride) * (block.two_byte ? 2 : 1));
    if (block.stride > block.width) std::fill(block.bytes.begin(), block.bytes.end(), std::uint8_t{0});  // the padding
    for (auto f = static_cast<std::size_t>(block.first); f < static_cast<std::size_t>(block.first + block.width); ++f) {
      data.columns[f].resize(static_cast<std::size_t>(n) * (block.two_byte ? 2 : 1));
      binners[f] = std::make_unique<const ColumnBinner>(columns[f], cuts.features[f]);
    }
  });

  const std::int64_t n_parts = (n + kTaskRows - 1) / kTaskRows;
  parallel_for(threads, static_cast<std::int64_t>(data.blocks.size()) * n_parts, [&](std::int64_t task, int) {
    BinBlock& block = data.blocks[static_cast<std::size_t>(task / n_parts)];
    const std::int64_t first_row = task % n_parts * kTaskRows;
    const std::int64_t last_row = std::min(n, first_row + kTaskRows);
    for (std::int64_t begin = first_row; begin < last_row; begin += kChunk) {
      const std::int64_t end = std::min(last_row, begin + kChunk);
      for (FeatureId f = block.first; f < block.first + block.width; ++f) {
        const auto at = static_cast<std::size_t>(f);
        fill_rows(*binners[at], f, begin, end, block, data.columns[at]);
      }
    }
  });
}

}  // namespace pygbt
