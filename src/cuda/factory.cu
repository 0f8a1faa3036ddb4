// SPDX-License-Identifier: Apache-2.0
#include "factory.h"

#include "buffer.h"
#include "cuda_backend.h"
#include "queue.h"
#include "runtime.h"

namespace pygbt::device {

Backend* make_cuda_backend(int ordinal) { return new CudaBackend(ordinal); }

std::vector<std::string> device_names() {
  std::vector<std::string> names;
  for (int ordinal = 0; ordinal < n_devices(); ++ordinal) names.push_back(device_name(ordinal));
  return names;
}

std::int64_t free_bytes(int ordinal) { return static_cast<std::int64_t>(QueueLease(ordinal)->device.free_bytes()); }
std::int64_t allocated_bytes() { return bytes_in_use; }
std::int64_t take_peak_bytes() { return peak_bytes.exchange(bytes_in_use); }
std::int64_t waits() { return n_waits; }

}  // namespace pygbt::device
