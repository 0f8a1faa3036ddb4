// SPDX-License-Identifier: Apache-2.0
// Sums over groups of equal scores: rows sorted by score, running sums of their weights, and what each group adds.
#include <algorithm>

#include "block.h"
#include "device.h"
#include "device_rows.h"
#include "limb_sums.h"

namespace pygbt::device {

namespace {

constexpr int kLabelBits = 17;  // of a packed row: weight << 17 | label

enum Flag { kBadLabel, kBadScore, kFlags };

PYGBT_KERNEL RankWeights unpack_row(std::uint64_t packed) {
  RankWeights weights;
  weights.add(static_cast<std::uint32_t>(packed >> kLabelBits),
              static_cast<std::uint32_t>(packed & ((std::uint64_t{1} << kLabelBits) - 1)));
  return weights;
}

struct KeyKernel {
  RowShape shape;
  RowsView rows;
  std::int32_t target;
  std::uint32_t* keys;     // [row]
  std::uint64_t* packed;   // [row]
  std::uint32_t* flags;    // [kFlags], zero before

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < rows.n_rows; row += row_step()) {
      const RankedRow found = ranked_row(shape, rows.at(row), target, rows.weight(row));
      if (found.bad_label) raise_to(flags + kBadLabel, 1u);
      if (found.bad_score) raise_to(flags + kBadScore, 1u);
      keys[row] = found.key;
      packed[row] = std::uint64_t{found.weight} << kLabelBits | found.label;
    }
  }
};

// A tile of sorted rows. A block a tile.
struct TileSumKernel {
  const std::uint64_t* packed;
  std::int64_t n_rows, tile_rows;
  RankWeights* out;  // [tile]

  PYGBT_KERNEL void operator()() const {
    const std::int64_t begin = block() * tile_rows;
    const std::int64_t end = begin + tile_rows < n_rows ? begin + tile_rows : n_rows;
    RankWeights sum;
    for (std::int64_t i = begin + thread(); i < end; i += n_threads()) sum += unpack_row(packed[i]);
    auto* const scratch = shared<std::uint64_t>();
    sum.positive = block_sum(sum.positive, scratch);
    sum.negative = block_sum(sum.negative, scratch);
    if (thread() == 0) out[block()] = sum;
  }
};

// Sums of tiles become those of the tiles before them. One block.
struct TileScanKernel {
  RankWeights* tiles;
  std::int64_t n_tiles;
  RankWeights* all;  // [1]

  PYGBT_KERNEL void operator()() const {
    auto* const scratch = shared<std::uint64_t>();
    RankWeights before;
    for (std::int64_t first = 0; first < n_tiles; first += n_threads()) {
      const std::int64_t i = first + thread();
      const RankWeights mine = i < n_tiles ? tiles[i] : RankWeights{};
      RankWeights scanned = before, total;
      scanned.positive += block_scan(mine.positive, scratch, total.positive);
      scanned.negative += block_scan(mine.negative, scratch, total.negative);
      if (i < n_tiles) tiles[i] = scanned;
      before += total;
    }
    if (thread() == 0) *all = before;
  }
};

// Weights of all rows up to each one, itself included. A block a tile.
struct RunningSumKernel {
  const std::uint64_t* packed;
  const RankWeights* tiles;  // [tile] of the tiles before it
  std::int64_t n_rows, tile_rows;
  RankWeights* through;  // [sorted row]

  PYGBT_KERNEL void operator()() const {
    const std::int64_t begin = block() * tile_rows;
    const std::int64_t end = begin + tile_rows < n_rows ? begin + tile_rows : n_rows;
    auto* const scratch = shared<std::uint64_t>();
    RankWeights before = tiles[block()];
    for (std::int64_t first = begin; first < end; first += n_threads()) {
      const std::int64_t i = first + thread();
      RankWeights sum = i < end ? unpack_row(packed[i]) : RankWeights{}, total;
      sum.positive += block_scan(sum.positive, scratch, total.positive);
      sum.negative += block_scan(sum.negative, scratch, total.negative);
      sum += before;
      if (i < end) through[i] = sum;
      before += total;
    }
  }
};

// The last row of each group speaks for it.
struct GroupKernel {
  const std::uint32_t* keys;   // [sorted row]
  const RankWeights* through;  // [sorted row]
  const RankWeights* all;
  std::int64_t n_rows;
  RankCurve curve;
  std::int64_t* out;  // [LimbSums::kWords], zero before. kRoc: limbs of an integer

  // First row with the key of this one: steps back that double, then halves.
  PYGBT_KERNEL std::int64_t group_begin(std::int64_t last) const {
    std::int64_t high = last;  // has the key
    for (std::int64_t step = 1; step <= last && keys[last - step] == keys[last]; step *= 2) high = last - step;
    std::int64_t low = 2 * high - last + 1 > 0 ? 2 * high - last + 1 : 0;  // rows below it have not
    low = low < high ? low : high;
    while (low < high) {
      const std::int64_t middle = low + (high - low) / 2;
      if (keys[middle] == keys[last])
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }

  PYGBT_KERNEL ExactPiece piece_of(std::int64_t last) const {
    const std::int64_t begin = group_begin(last);
    const RankWeights before = begin == 0 ? RankWeights{} : through[begin - 1];
    const RankWeights group{through[last].positive - before.positive, through[last].negative - before.negative};
    if (curve == RankCurve::kPrecisionRecall) return exact_piece(precision_gain(group, before, *all), 1);
    const UInt128 pairs = ordered_pairs(group, before);
    ExactPiece piece;
    for (int part = 0; part < 4; ++part)
      piece.parts[part] = static_cast<std::int64_t>(static_cast<std::uint32_t>(pairs >> (32 * part)));
    return piece;
  }

  PYGBT_KERNEL void operator()() const {
    const LimbSums sums{shared<std::int64_t>()};
    sums.clear();
    for (std::int64_t first = block() * n_threads(); first < n_rows; first += row_step()) {  // by whole warps
      const std::int64_t i = first + thread();
      const bool last = i < n_rows && (i + 1 == n_rows || keys[i + 1] != keys[i]);
      sums.add_piece(last ? piece_of(i) : ExactPiece{});
    }
    sums.flush(out);
  }
};

// What comes back of a target.
struct Found {
  std::int64_t words[LimbSums::kWords];
  RankWeights all;
  std::uint32_t flags[kFlags];
};

}  // namespace

RankSums DeviceRows::rank_sums(const RowShape& shape, std::int32_t target, RankCurve curve) {
  const Policy& policy = device_.policy();
  const std::int64_t n = n_rows();
  const std::int64_t n_tiles = (n + policy.tile_rows - 1) / policy.tile_rows;
  const std::size_t scan_bytes = static_cast<std::size_t>(policy.n_threads / kLanes) * sizeof(std::uint64_t);
  Buffer<float> softmax(device_);
  Buffer<Found> found(device_);
  Buffer<std::uint32_t> keys(device_), spare_keys(device_);
  Buffer<std::uint64_t> packed(device_), spare_packed(device_);
  found.make_zero(1);
  keys.make(n);
  packed.make(n);
  const bool reads_softmax = shape.link == Link::kSoftmax;
  launch(KeyKernel{shape, view(shape.n_labels, reads_softmax, softmax), target, keys.data(), packed.data(),
                   found.data()->flags},
         reads_softmax);
  spare_keys.make(n);
  spare_packed.make(n);
  if (device_.sort_pairs(keys.data(), spare_keys.data(), packed.data(), spare_packed.data(), n)) {
    keys.swap(spare_keys);
    packed.swap(spare_packed);
  }
  spare_keys = Buffer<std::uint32_t>(device_);
  spare_packed = Buffer<std::uint64_t>(device_);
  Buffer<RankWeights> tiles(device_), through(device_);
  tiles.make(n_tiles);
  through.make(n);
  device_.launch(n_tiles, policy.n_threads, TileSumKernel{packed.data(), n, policy.tile_rows, tiles.data()},
                 scan_bytes);
  device_.launch(1, policy.n_threads, TileScanKernel{tiles.data(), n_tiles, &found.data()->all}, scan_bytes);
  device_.launch(n_tiles, policy.n_threads,
                 RunningSumKernel{packed.data(), tiles.data(), n, policy.tile_rows, through.data()}, scan_bytes);
  launch(GroupKernel{keys.data(), through.data(), &found.data()->all, n, curve, found.data()->words}, false,
         LimbSums::shared_bytes(policy.n_threads));
  const Found back = found.get()[0];
  RankSums sums;
  sums.bad_labels = back.flags[kBadLabel];
  sums.bad_scores = back.flags[kBadScore];
  sums.all = back.all;
  if (curve == RankCurve::kPrecisionRecall) {
    std::copy_n(back.words, kExactLimbs, sums.precision.limbs.begin());
  } else {
    for (int limb = 4; limb >= 0; --limb)
      sums.ordered = (sums.ordered << 32) + static_cast<UInt128>(static_cast<std::uint64_t>(back.words[limb]));
  }
  return sums;
}

}  // namespace pygbt::device
