// SPDX-License-Identifier: Apache-2.0
#include "class_scores.h"

#include <algorithm>
#include <span>

#include "block.h"
#include "buffer.h"
#include "math/layout.h"
#include "queue.h"

namespace pygbt::device {

namespace {

struct WidenKernel {
  const float* scores;
  std::int64_t n;
  double* out;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = first_row(); i < n; i += row_step()) out[i] = static_cast<double>(scores[i]);
  }
};

struct ShareKernel {
  const float* values;  // [row][output]
  std::int64_t n_rows;
  std::int32_t n_outputs;
  double* out;  // [row][class]

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n_rows; row += row_step()) {
      const float* const value = values + row_major(row, 0, n_outputs);
      if (n_outputs == 1) {
        const double share = static_cast<double>(value[0]);
        out[2 * row] = 1.0 - share;
        out[2 * row + 1] = share;
        continue;
      }
      double total = 0.0;
      for (std::int32_t k = 0; k < n_outputs; ++k) total += static_cast<double>(value[k]);
      for (std::int32_t k = 0; k < n_outputs; ++k)
        out[row_major(row, k, n_outputs)] =
            total > 0.0 ? static_cast<double>(value[k]) / total : 1.0 / static_cast<double>(n_outputs);
    }
  }
};

struct TopKernel {
  const float* margins;  // [row][output]
  std::int64_t n_rows;
  std::int32_t n_outputs;
  const std::byte* classes;
  std::int64_t item_bytes;
  std::byte* out;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n_rows; row += row_step()) {
      const float* const margin = margins + row_major(row, 0, n_outputs);
      std::int64_t top = n_outputs == 1 && margin[0] > 0.0f ? 1 : 0;
      for (std::int32_t k = 1; k < n_outputs; ++k) top = margin[k] > margin[top] ? k : top;
      for (std::int64_t b = 0; b < item_bytes; ++b) out[row * item_bytes + b] = classes[top * item_bytes + b];
    }
  }
};

// A thread a row.
template <class Kernel>
void run(Queue& queue, std::int64_t n, const Kernel& kernel) {
  const Policy& policy = queue.device.policy();
  const std::int64_t blocks = std::min((n + policy.n_threads - 1) / policy.n_threads, policy.n_blocks);
  queue.device.launch(blocks, policy.n_threads, kernel);
  ++n_waits;
  queue.device.finish();
}

}  // namespace

void widen_scores(int ordinal, const float* scores, std::int64_t n, double* out) {
  const QueueLease queue(ordinal);
  run(*queue, n, WidenKernel{scores, n, out});
}

void class_shares(int ordinal, const float* values, std::int64_t n_rows, std::int32_t n_outputs, double* out) {
  const QueueLease queue(ordinal);
  run(*queue, n_rows, ShareKernel{values, n_rows, n_outputs, out});
}

void top_classes(int ordinal, const float* margins, std::int64_t n_rows, std::int32_t n_outputs,
                 const std::byte* classes, std::size_t n_classes, std::size_t item_bytes, std::byte* out) {
  const QueueLease queue(ordinal);
  Buffer<std::byte> names(queue->device);
  names.put(std::span(classes, n_classes * item_bytes));
  run(*queue, n_rows, TopKernel{margins, n_rows, n_outputs, names.data(), static_cast<std::int64_t>(item_bytes), out});
}

}  // namespace pygbt::device
