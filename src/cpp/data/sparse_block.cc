// SPDX-License-Identifier: Apache-2.0
#include "data/sparse_block.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "base/pool.h"
#include "data/dataset.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace pygbt {
namespace {

// Costs in updates of a slot, of which a feature takes the part of a byte its bins need: others may join it.
constexpr double kUpdateCost = 1.3;   // of a listed bin
constexpr double kRowCost = 10.0;     // of a row, whatever it lists
constexpr double kMostShare = 0.9;    // of its cost in a slot that a feature listed may cost

constexpr std::int32_t kMostCodes = 1 << 16;
constexpr std::int64_t kSampleRun = 64;  // rows looked at side by side
constexpr std::int64_t kSampleRuns = 32;
constexpr std::int64_t kChunk = 1024;    // rows listed at a time: their codes stay in L2
constexpr std::int64_t kTaskChunks = 8;

// Which bin a feature has most, and how often, in a sample of its rows. Only the time depends on the sample.
struct Usual {
  Bin bin = 0;
  double share = 0.0;
  double bits = 0.0;  // that tell its bins apart
};

Usual usual_bin(const BinColumn& column, std::int64_t n_rows, std::int32_t n_bins) {
  std::vector<std::int32_t> counts(static_cast<std::size_t>(n_bins), 0);
  const std::int64_t runs = std::clamp<std::int64_t>(n_rows / kSampleRun, 1, kSampleRuns);
  std::int64_t seen = 0;
  for (std::int64_t r = 0; r < runs; ++r) {
    const std::int64_t begin = n_rows * r / runs, end = std::min(n_rows, begin + kSampleRun);
    for (std::int64_t row = begin; row < end; ++row) ++counts[column.at(row)];
    seen += end - begin;
  }
  const auto most = std::max_element(counts.begin(), counts.end());
  const auto distinct = counts.size() - static_cast<std::size_t>(std::count(counts.begin(), counts.end(), 0));
  return {static_cast<Bin>(most - counts.begin()), static_cast<double>(*most) / static_cast<double>(seen),
          static_cast<double>(std::bit_width(distinct - 1))};
}

// Bit i: values[i] differs from `usual`.
std::uint64_t unusual(const std::uint8_t* values, std::uint8_t usual) {
#if defined(__SSE2__)
  const __m128i all = _mm_set1_epi8(static_cast<char>(usual));
  const auto equal = [&](int at) {
    const __m128i some = _mm_loadu_si128(reinterpret_cast<const __m128i*>(values + at));
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(some, all))));
  };
  return ~(equal(0) | equal(16) << 16 | equal(32) << 32 | equal(48) << 48);
#else
  std::uint64_t mask = 0;
  for (int i = 0; i < 64; ++i) mask |= std::uint64_t{values[i] != usual} << i;
  return mask;
#endif
}

// Calls visit(row, bin) for the rows [begin, end) that differ from the usual bin.
template <class Visit>
void visit_unusual(const BinColumn& column, Bin usual, std::int64_t begin, std::int64_t end, Visit&& visit) {
  std::int64_t row = begin;
  if (!column.two_byte) {
    const auto* bins = static_cast<const std::uint8_t*>(column.data);
    for (; row + 64 <= end; row += 64)
      for (std::uint64_t mask = unusual(bins + row, static_cast<std::uint8_t>(usual)); mask != 0; mask &= mask - 1) {
        const std::int64_t at = row + std::countr_zero(mask);
        visit(at, Bin{bins[at]});
      }
  }
  for (; row < end; ++row)
    if (const Bin bin = column.at(row); bin != usual) visit(row, bin);
}

// The features worth it, in as few blocks as their codes allow.
std::vector<SparseBlock> plan_blocks(const Dataset& data, int threads) {
  const std::int32_t n = data.n_features();
  std::vector<Usual> usual(static_cast<std::size_t>(n));
  parallel_for(threads, n, [&](std::int64_t f, int) {
    const auto at = static_cast<std::size_t>(f);
    usual[at] = usual_bin(data.column(static_cast<FeatureId>(f)), data.n_rows, data.cuts->features[at].n_bins);
  });
  std::vector<SparseBlock> blocks;
  double gain = 0.0;
  for (FeatureId f = 0; f < n; ++f) {
    const Usual& of = usual[static_cast<std::size_t>(f)];
    const std::int32_t n_bins = data.cuts->features[static_cast<std::size_t>(f)].n_bins;
    const double dense = std::min(1.0, of.bits / 8.0), listed = kUpdateCost * (1.0 - of.share);
    if (listed > kMostShare * dense || kFirstCode + n_bins - 1 > kMostCodes) continue;
    gain += dense - listed;
    if (blocks.empty() || blocks.back().n_codes + n_bins - 1 > kMostCodes) {
      blocks.emplace_back();
      gain -= kRowCost;
    }
    SparseBlock& block = blocks.back();
    block.features.push_back({f, of.bin, n_bins, block.n_codes});
    block.n_codes += n_bins - 1;
  }
  if (gain <= 0.0) blocks.clear();
  return blocks;
}

// One column after the other is searched for what is unusual, a chunk of rows at a time; a second pass puts the codes
// found in order by row.
void fill_block(const Dataset& data, int threads, SparseBlock& block) {
  const std::int64_t n = data.n_rows;
  const std::int64_t n_chunks = (n + kChunk - 1) / kChunk;
  std::vector<std::vector<std::uint32_t>> found(static_cast<std::size_t>(n_chunks));  // row in the chunk << 16 | code
  block.begins.resize(static_cast<std::size_t>(n) + 1);
  std::uint32_t* const counts = block.begins.data() + 1;  // [row] codes, later groups
  const auto for_chunks = [&](auto&& body) {
    parallel_for(threads, (n_chunks + kTaskChunks - 1) / kTaskChunks, [&](std::int64_t task, int) {
      const std::int64_t last = std::min(n_chunks, (task + 1) * kTaskChunks);
      for (std::int64_t c = task * kTaskChunks; c < last; ++c)
        body(found[static_cast<std::size_t>(c)], c * kChunk, std::min(n, (c + 1) * kChunk));
    });
  };

  for_chunks([&](std::vector<std::uint32_t>& items, std::int64_t begin, std::int64_t end) {
    for (const SparseFeature& of : block.features)
      visit_unusual(data.column(of.feature), of.usual, begin, end, [&](std::int64_t row, Bin bin) {
        items.push_back(static_cast<std::uint32_t>(row - begin) << 16 |
                        static_cast<std::uint32_t>(of.code(static_cast<std::int32_t>(bin))));
      });
    std::fill(counts + begin, counts + end, 0u);
    for (const std::uint32_t item : items) ++counts[begin + (item >> 16)];
  });

  constexpr std::uint32_t group = kCodeGroup;
  block.begins[0] = 0;
  for (std::int64_t row = 0; row < n; ++row)
    counts[row] = (counts[row] + group - 1) / group + block.begins[static_cast<std::size_t>(row)];
  block.codes.resize(static_cast<std::size_t>(block.n_groups()) * group);

  for_chunks([&](std::vector<std::uint32_t>& items, std::int64_t begin, std::int64_t end) {
    std::array<std::size_t, kChunk> at;  // where the next code of a row goes
    for (std::int64_t row = begin; row < end; ++row)
      at[static_cast<std::size_t>(row - begin)] = std::size_t{block.begins[static_cast<std::size_t>(row)]} * group;
    for (const std::uint32_t item : items) block.codes[at[item >> 16]++] = static_cast<std::uint16_t>(item & 0xffff);
    for (std::int64_t row = begin; row < end; ++row) {
      const std::size_t stop = std::size_t{counts[row]} * group;
      for (std::size_t i = at[static_cast<std::size_t>(row - begin)]; i < stop; ++i)
        block.codes[i] = static_cast<std::uint16_t>(i % group);
    }
    items = {};
  });
}

}  // namespace

std::vector<bool> fill_sparse_blocks(int n_threads, Dataset& data) {
  const int threads = resolve_threads(n_threads);
  std::vector<bool> held(static_cast<std::size_t>(data.n_features()), false);
  if (data.n_rows == 0) return held;  // a worker without rows
  data.bins->sparse_blocks = plan_blocks(data, threads);
  for (SparseBlock& block : data.bins->sparse_blocks) {
    fill_block(data, threads, block);
    for (const SparseFeature& of : block.features) held[static_cast<std::size_t>(of.feature)] = true;
  }
  return held;
}

}  // namespace pygbt
