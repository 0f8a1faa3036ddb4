// SPDX-License-Identifier: Apache-2.0
// The hot loops, compiled once per instruction set from backend/isa/ and chosen once at run time. Plain pointers only:
// nothing here may instantiate a library template that other translation units share. All levels give the same bits.
#pragma once

#include <cstdint>
#include <tuple>

#include "backend/cut_kernels.h"
#include "backend/key_kernels.h"
#include "backend/split_kernels.h"
#include "base/types.h"
#include "data/slots.h"
#include "data/sparse_block.h"
#include "math/losses.h"

namespace pygbt {

// Quantised gradient and hessian of a row; the histogram's input. Aligned so that they are one load.
struct alignas(4) NarrowGradient {
  std::int16_t g;
  std::uint16_t h;
};
struct alignas(8) WideGradient {
  std::int32_t g;
  std::int32_t h;
};

// Rows that are added up after those of a task: their bins are fetched ahead.
struct NextRows {
  const RowId* rows = nullptr;
  std::int64_t n = 0;
};

// Rows of a block to add up.
struct HistogramTask {
  const void* bins = nullptr;              // [row][stride] uint8 or uint16; sparse blocks: [group][stride] uint16
  std::int32_t stride = 0;                 // of one-byte blocks: n_slots rounded up to whole 32-bit words
  const std::uint32_t* begins = nullptr;   // sparse blocks: [row + 1] first group
  std::int32_t n_slots = 0;                // at most kBlockSlots
  const RowId* rows = nullptr;             // [n]; nullptr = consecutive rows from first_row
  RowId first_row = 0;
  std::int64_t n = 0;
  NextRows next;
  const void* gradients = nullptr;         // NarrowGradient or WideGradient, [n] beside the rows, or [row][width]
  bool in_order = false;                   // gradients lie beside the rows; width 1 only
  const std::uint32_t* weights = nullptr;  // [row] or nullptr = 1
  std::int32_t width = 1;
  std::int32_t target = 0;                 // the one of `width` that packed loops add up
  bool count = false;                      // packed loops: add 1 a row, no gradients
  const std::int64_t* offsets = nullptr;   // [n_slots] first cell of each slot
};

// Sums of quantised gradients, their magnitudes and hessians.
struct RowSums {
  std::int64_t g = 0;
  std::int64_t magnitude = 0;
  std::int64_t h = 0;
};

// Consecutive rows of one target and how their float gradients become integers.
struct QuantiseTask {
  const float* g = nullptr;                // [n]
  const float* h = nullptr;                // [n]
  const std::uint32_t* weights = nullptr;  // [n] or nullptr = 1
  std::int64_t n = 0;
  double g_scale = 1.0;
  double h_scale = 1.0;
  std::int64_t g_limit = 0;
  std::int64_t h_limit = 0;
};

// Largest magnitudes over the rows with weight.
struct Extremes {
  float g = 0.0f;
  float h = 0.0f;
};

struct PartitionTask {
  const void* column = nullptr;  // [row] uint8 or uint16
  bool two_byte = false;
  Bin bin = 0;
  bool missing_left = false;
  const std::uint32_t* left_bins = nullptr;  // categorical: bit set over bins; nullptr = numeric
  std::int32_t left_words = 0;
  const void* beside = nullptr;  // what is scattered after the rows, `beside_bytes` each: fetched ahead
  std::int32_t beside_bytes = 0;
  const void* later = nullptr;   // what the task after this one reads: fetched ahead, too
  std::int64_t later_bytes = 0;
  const RowId* rows = nullptr;   // [n]; nullptr = consecutive rows from first_row
  RowId first_row = 0;
  std::int64_t n = 0;
};

// Elements of `from` whose bit is set go to `left`, which may be `from`, the others to `right`; order kept.
struct ScatterTask {
  const std::uint16_t* sides = nullptr;  // [ceil(n / 16)] bit i % 16 of word i / 16: element i goes left
  std::int64_t n = 0;
  const void* from = nullptr;            // [n] elements; nullptr = consecutive RowIds from first_row
  RowId first_row = 0;
  void* left = nullptr;
  void* right = nullptr;
};

// marks[row] = left or right, by the row's side (sides == nullptr: left).
struct MarkTask {
  const std::uint16_t* sides = nullptr;  // see ScatterTask
  const RowId* rows = nullptr;           // [n]; nullptr = consecutive rows from first_row
  RowId first_row = 0;
  std::int64_t n = 0;
  std::uint32_t left = 0;
  std::uint32_t right = 0;
  void* marks = nullptr;                 // [row] uint8, uint16 or uint32
};

// Gradients of one target for consecutive rows.
struct GradientTask {
  const float* scores = nullptr;   // [n][n_targets]
  const float* labels = nullptr;   // [n][n_labels]
  std::int64_t n = 0;
  std::int32_t n_targets = 1;
  std::int32_t n_labels = 1;
  std::int32_t target = 0;
  bool one_hot = false;            // see elementwise_label
  float* g = nullptr;              // [n]
  float* h = nullptr;              // [n]
};

// The same of all targets, for rows with teachers, missing labels or several losses (math/task_loss.h).
struct TaskRows {
  const TaskLoss* tasks = nullptr;
  std::int32_t n_tasks = 0;
  const float* scores = nullptr;       // [n][n_targets]
  const float* labels = nullptr;       // [n][n_labels] or nullptr
  const float* soft = nullptr;         // [n][n_targets] or nullptr
  const float* trust = nullptr;        // [n] or nullptr = 1
  const float* temperature = nullptr;  // [n] or nullptr = 1
  std::int64_t n = 0;
  std::int32_t n_targets = 1;
  std::int32_t n_labels = 0;
  float* g = nullptr;  // [target * n_rows + row]
  float* h = nullptr;
  std::int64_t n_rows = 0;
};

// Sketches of the gradients of consecutive rows (math/sketch.h).
struct SketchTask {
  float* g = nullptr;  // [target, sketches after the others] with n_rows from one to the next
  float* h = nullptr;
  const float* factors = nullptr;  // [sketch][target]
  std::int32_t n_sketches = 0;
  std::int32_t n_targets = 0;
  std::int64_t n = 0;
  std::int64_t n_rows = 0;
  float* sums = nullptr;  // scratch [n_sketches + 1][n]
};

template <class Loss>
using LossLoop = void (*)(const Loss& loss, const GradientTask& task);

inline constexpr std::int32_t kPackedBins = 256;    // cells of a slot in a packed buffer
inline constexpr std::int64_t kPackedRows = 65536;  // rows a packed cell can take, see isa/histogram_packed.inc
inline constexpr std::int32_t kLaneSlots = 8;       // slots that loops over several targets take at once, at most

constexpr int kDrawsAhead = 8;

struct Kernels {
  // One loop per elementwise loss: std::get<LossLoop<Loss>>.
  std::tuple<LossLoop<SquaredError>, LossLoop<AbsoluteError>, LossLoop<Huber>, LossLoop<Quantile>, LossLoop<Poisson>,
             LossLoop<Gamma>, LossLoop<Tweedie>, LossLoop<LogisticLoss>>
      losses;
  // Softmax couples the targets: g and h are [target][row] with `n_rows` rows from target to target.
  void (*softmax)(const GradientTask& task, bool soft_labels, SoftmaxHessian hessian, std::int64_t n_rows);
  void (*tasks)(const TaskRows& rows);
  void (*sketch)(const SketchTask& task);
  // Packed cells += (g << 32) + h of n <= kPackedRows rows, narrow gradients, weights 1.
  void (*histogram_packed)(const HistogramTask& task, std::uint64_t* buffer);           // one-byte, [slot][256]
  void (*histogram_packed_at[2])(const HistogramTask& task, std::uint64_t* cells);      // [two_byte], task.offsets
  void (*sparse_packed)(const HistogramTask& task, std::uint64_t* cells);               // sparse, [code]
  // Several targets at once, see isa/histogram_lanes.inc: values [n][lanes] of the targets from task.target on, added to
  // cells [slot][code][lanes] of task.n_slots <= kLaneSlots slots, 256 codes each or at task.offsets (two_byte).
  void (*pack_lanes[2])(const HistogramTask& task, std::uint64_t* values);  // [8 lanes, else 4]
  // The same from targets [lanes][row] instead of task.gradients.
  void (*pack_targets[2])(const HistogramTask& task, const NarrowGradient* const* targets, std::uint64_t* values);
  void (*histogram_lanes[2][2])(const HistogramTask& task, const std::uint64_t* values,
                                std::uint64_t* cells);  // [two_byte][8 lanes]
  void (*sparse_lanes[2])(const HistogramTask& task, const std::uint64_t* values, std::uint64_t* cells);  // [8 lanes]
  // Cells [code][width] of a sparse block += weight * gradient, and [kTotalCode]. One per gradient type.
  void (*sparse_cells[2])(const HistogramTask& task, Cell* cells);  // [wide]
  // Cells [code][width] at task.offsets += weight * gradient. One per bin width (1, 2 bytes) and gradient type.
  void (*histogram_cells[2][2])(const HistogramTask& task, Cell* cells);  // [two_byte][wide]
  // The largest |g| and h; no scales needed.
  Extremes (*extremes)(const QuantiseTask& task);
  // even[marks[i]] or odd[marks[i]] += weight * quantised (g, h), by the parity of i. One per mark type: uint8, uint16,
  // uint32.
  void (*sum_by_mark[3])(const QuantiseTask& task, const void* marks, Cell* even, Cell* odd);
  // scores[i * stride + k] += values[marks[i] * width + k].
  void (*add_by_mark[3])(const void* marks, std::int64_t n, const float* values, std::int32_t width, float* scores,
                         std::int64_t stride);
  // sides = which rows go left, see ScatterTask; returns how many do.
  std::int64_t (*route)(const PartitionTask& task, std::uint16_t* sides);
  // Stable split of elements of 4 bytes (row ids, narrow gradients) or 8 (wide gradients).
  void (*scatter4)(const ScatterTask& task);
  void (*scatter8)(const ScatterTask& task);
  // One per mark type.
  void (*mark_rows[3])(const MarkTask& task);
  // out[i * out_stride] = quantised (g[i], h[i]); returns the sums of weight * (g, |g|, h).
  RowSums (*quantise_narrow)(const QuantiseTask& task, NarrowGradient* out, std::int64_t out_stride);
  RowSums (*quantise_wide)(const QuantiseTask& task, WideGradient* out, std::int64_t out_stride);
  // out [row][width] = from [width][row] for the rows [begin, end).
  void (*interleave)(const NarrowGradient* const* from, std::int64_t begin, std::int64_t end, std::int32_t width,
                     NarrowGradient* out);
  SplitKernels split;
  KeyKernels keys;
  CutKernels cuts;
  // out [n]: n <= 64 distinct keys below 2^31, ascending; `keys` has room for 64.
  void (*sort_few)(std::uint32_t* keys, std::int32_t n, std::uint32_t* out);
  // out [kDrawsAhead]: first words of Philox for the counters (c0, c1, c2, first + i).
  void (*draw_ahead)(const std::uint32_t (&counter)[3], std::uint32_t first, const std::uint32_t (&key)[2],
                     std::uint32_t* out);
  // out [4][kDrawsAhead]: all words for the counters (first + i, c1, c2, c3).
  void (*draw_all)(std::uint32_t first, const std::uint32_t (&counter)[3], const std::uint32_t (&key)[2],
                   std::uint32_t* out);
};

}  // namespace pygbt
