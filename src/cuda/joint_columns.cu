// SPDX-License-Identifier: Apache-2.0
#include "joint_columns.h"

#include <algorithm>
#include <cstddef>

#include "block.h"
#include "device.h"

namespace pygbt::device {

namespace {

constexpr std::size_t kSampledColumns = 64;  // fetched at a time
constexpr std::int64_t kThreadRows = 16;  // whose pairs a thread looks at, at least
constexpr std::int32_t kPairWords = static_cast<std::int32_t>(SlotPairs::kSize / 32);

// Bins of some rows. A block a column; of two bytes a bin, which no plan asks for, the lower one.
struct SampleKernel {
  const Column* columns;
  const std::int64_t* rows;
  std::int64_t n_rows;
  std::uint8_t* out;  // [column][n_rows]

  PYGBT_KERNEL void operator()() const {
    const Column column = columns[block()];
    for (std::int64_t i = thread(); i < n_rows; i += n_threads())
      out[block() * n_rows + i] = static_cast<std::uint8_t>(bin_at(column.bins, column.two_byte, rows[i]));
  }
};

// A bit a pair that occurs. The block's own are found in shared memory: most rows show nothing new.
struct PairsKernel {
  const std::uint8_t* codes;
  const std::uint8_t* bins;
  std::int64_t n_rows;
  std::uint32_t* seen;  // [kPairWords], zero

  PYGBT_KERNEL void operator()() const {
    auto* const here = shared<std::uint32_t>();
    for (std::int32_t i = thread(); i < kPairWords; i += n_threads()) here[i] = 0;
    sync();
    for (std::int64_t row = first_row(); row < n_rows; row += row_step()) {
      const auto pair = static_cast<std::uint32_t>(SlotPairs::at(codes[row], bins[row]));
      const std::uint32_t bit = 1u << (pair % 32);
      if ((peek(here + pair / 32) & bit) == 0) set_bits(here + pair / 32, bit);
    }
    sync();
    for (std::int32_t i = thread(); i < kPairWords; i += n_threads())
      if (here[i] != 0) set_bits(seen + i, here[i]);
  }
};

struct JoinKernel {
  const std::uint8_t* old;
  const std::uint8_t* bins;
  const std::uint8_t* code_of;  // [SlotPairs::kSize]
  std::int64_t n_rows;
  std::uint8_t* codes;  // maybe the old ones

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n_rows; row += row_step())
      codes[row] = code_of[SlotPairs::at(old[row], bins[row])];
  }
};

}  // namespace

JointColumns::JointColumns(Device& device, std::span<const Column> columns, std::int64_t n_rows)
    : device_(device), columns_(columns), n_rows_(n_rows), sampled_rows_(device), seen_(device), code_of_(device) {
  const std::vector<std::int64_t> rows = sampled_rows(n_rows);
  n_sampled_ = static_cast<std::int64_t>(rows.size());
  sampled_rows_.put(rows);
}

std::vector<std::uint8_t> JointColumns::sample(FeatureId feature) {
  const auto size = static_cast<std::size_t>(n_sampled_);
  auto at = static_cast<std::size_t>(feature - first_sampled_) * size;
  if (at >= samples_.size()) {
    first_sampled_ = feature;
    at = 0;
    const std::size_t first = static_cast<std::size_t>(feature), n = std::min(kSampledColumns, columns_.size() - first);
    Buffer<Column> columns(device_);
    Buffer<std::uint8_t> out(device_);
    out.make(n * size);
    device_.launch(static_cast<std::int64_t>(n), device_.policy().n_threads,
                   SampleKernel{columns.put(columns_.subspan(first, n)), sampled_rows_.data(), n_sampled_, out.data()});
    samples_ = out.get();
  }
  const auto begin = samples_.begin() + static_cast<std::ptrdiff_t>(at);
  return {begin, begin + static_cast<std::ptrdiff_t>(size)};
}

SlotPairs JointColumns::pairs(FeatureId slot, FeatureId feature) {
  seen_.make_zero(kPairWords);
  const Policy& policy = device_.policy();
  const std::int64_t block_rows = kThreadRows * policy.n_threads, blocks = (n_rows_ + block_rows - 1) / block_rows;
  device_.launch(
      std::min(blocks, policy.n_blocks), policy.n_threads,
      PairsKernel{codes_of(slot).bins, columns_[static_cast<std::size_t>(feature)].bins, n_rows_, seen_.data()},
      kPairWords * sizeof(std::uint32_t));
  const std::vector<std::uint32_t> words = seen_.get();
  SlotPairs pairs;
  for (std::size_t pair = 0; pair < SlotPairs::kSize; ++pair)
    pairs.seen[pair] = static_cast<std::uint8_t>(words[pair / 32] >> (pair % 32) & 1u);
  return pairs;
}

void JointColumns::join(FeatureId slot, FeatureId feature, std::span<const std::uint8_t> code_of) {
  const std::uint8_t* const old = codes_of(slot).bins;
  Buffer<std::uint8_t>& codes = codes_.try_emplace(slot, device_).first->second;
  codes.make(n_rows_);
  const Policy& policy = device_.policy();
  const std::int64_t blocks = (n_rows_ + policy.n_threads - 1) / policy.n_threads;
  device_.launch(
      std::min(blocks, policy.n_blocks), policy.n_threads,
      JoinKernel{old, columns_[static_cast<std::size_t>(feature)].bins, code_of_.put(code_of), n_rows_, codes.data()});
}

Column JointColumns::codes_of(FeatureId slot) const {
  const auto found = codes_.find(slot);
  return found == codes_.end() ? columns_[static_cast<std::size_t>(slot)] : Column{found->second.data(), false};
}

}  // namespace pygbt::device
