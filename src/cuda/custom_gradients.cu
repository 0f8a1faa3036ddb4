// SPDX-License-Identifier: Apache-2.0
// Gradients of a custom objective, from wherever on the device they lie.
#include <bit>
#include <tuple>

#include "block.h"
#include "cuda_backend.h"
#include "device.h"
#include "math/layout.h"

namespace pygbt::device {

namespace {

enum Fault { kNotFinite, kNegative, kFaults };

// (row, target) of a strided matrix to [target][row], and what is wrong with it.
template <class T>
struct GivenKernel {
  const char* from;
  std::int64_t row_stride, column_stride;  // bytes
  float* to;
  std::uint32_t* faults;  // [kFaults], zero before
  std::int64_t n_rows;
  std::int32_t n_targets;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t at = first_row(); at < n_rows * n_targets; at += row_step()) {
      const std::int64_t row = at / n_targets;
      const auto target = static_cast<std::int32_t>(at % n_targets);
      const T* const value = reinterpret_cast<const T*>(from + row * row_stride + target * column_stride);
      const auto rounded = static_cast<float>(*value);
      if ((std::bit_cast<std::uint32_t>(rounded) & 0x7f800000u) == 0x7f800000u) raise_to(faults + kNotFinite, 1u);
      if (rounded < 0.0f) raise_to(faults + kNegative, 1u);
      to[target_major(target, row, n_rows)] = rounded;
    }
  }
};

}  // namespace

GradientFaults CudaBackend::set_device_gradients(const DeviceMatrix& g, const DeviceMatrix& h) {
  max_g_.assign(max_g_.size(), -1.0);
  max_h_.assign(max_h_.size(), -1.0);
  Buffer<std::uint32_t> faults(device_);
  faults.make_zero(2 * kFaults);
  const auto take = [&]<class T>(const DeviceMatrix& from, float* to, std::uint32_t* wrong, T) {
    launch_rows(n_rows_ * n_targets_, GivenKernel<T>{static_cast<const char*>(from.data), from.row_stride,
                                                     from.column_stride, to, wrong, n_rows_, n_targets_});
  };
  for (const auto& [from, to, wrong] :
       {std::tuple{g, g_.data(), faults.data()}, std::tuple{h, h_.data(), faults.data() + kFaults}}) {
    if (from.is_double)
      take(from, to, wrong, double{});
    else
      take(from, to, wrong, float{});
  }
  const std::vector<std::uint32_t> found = faults.get();  // waits: what was given may go
  return {found[kNotFinite] != 0, found[kFaults + kNotFinite] != 0, found[kFaults + kNegative] != 0};
}

}  // namespace pygbt::device
