// SPDX-License-Identifier: Apache-2.0
#include "device_rows.h"

#include "block.h"
#include "device.h"
#include "math/layout.h"

namespace pygbt::device {

namespace {

struct ValueKernel {
  const float* scores;  // [row][n_targets]
  float* out;           // [row][n_targets]
  std::int64_t n_rows;
  std::int32_t n_targets;
  Link link;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t row = first_row(); row < n_rows; row += row_step()) {
      float* const values = out + row_major(row, 0, n_targets);
      for (std::int32_t k = 0; k < n_targets; ++k) values[k] = scores[row_major(row, k, n_targets)];
      apply_link(link, values, n_targets);
    }
  }
};

}  // namespace

RowsView DeviceRows::view(std::int32_t n_labels, bool reads_softmax, Buffer<float>& softmax) const {
  RowsView rows{scores_.data(), table_.labels(), table_.weights(), nullptr, n_rows(), n_targets(), n_labels};
  if (reads_softmax) rows.softmax = softmax.make(n_blocks(true) * device_.policy().n_threads * n_targets());
  return rows;
}

void DeviceRows::scores(std::span<float> out) { scores_.get(out.data(), out.size()); }

const float* DeviceRows::device_scores() {
  ++n_waits;
  device_.finish();
  return scores_.data();
}

void DeviceRows::values(Link link, float* out) {
  launch(ValueKernel{scores_.data(), out, n_rows(), n_targets(), link});
  ++n_waits;
  device_.finish();
}

}  // namespace pygbt::device
