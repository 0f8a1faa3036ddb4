// SPDX-License-Identifier: Apache-2.0
// A GPU: its memory, its queue (one stream of its own) and its launch numbers. Every call makes the GPU current first,
// so that several may be in use; every CUDA call is checked.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "policy.h"

namespace pygbt::device {

// Throws Unsupported, or OutOfMemory, with the call and what CUDA says of it.
void check(cudaError_t status, const char* call);

template <class Kernel>
__global__ void run_kernel(const __grid_constant__ Kernel kernel) {
  kernel();
}

class Device {
 public:
  explicit Device(int ordinal);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Policy& policy() const { return policy_; }

  void* allocate(std::size_t bytes);
  void release(void* memory) noexcept;

  void to_device(void* to, const void* from, std::size_t bytes);
  void to_host(void* to, const void* from, std::size_t bytes);
  void fill(void* to, int byte, std::size_t bytes);

  template <class Kernel>
  void launch(std::int64_t n_blocks, int n_threads, const Kernel& kernel, std::size_t shared_bytes = 0) {
    if (n_blocks == 0) return;
    use();
    if (shared_bytes > kUsualShared)
      check(cudaFuncSetAttribute(run_kernel<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(shared_bytes)),
            "cudaFuncSetAttribute");
    run_kernel<Kernel>
        <<<static_cast<unsigned>(n_blocks), static_cast<unsigned>(n_threads), shared_bytes, stream_>>>(kernel);
    check(cudaGetLastError(), "launch");
  }

 private:
  static constexpr std::size_t kUsualShared = 48 << 10;  // more must be asked for

  void use() const;

  int ordinal_;
  cudaStream_t stream_ = nullptr;
  Policy policy_;
};

int n_devices();
std::string device_name(int ordinal);

}  // namespace pygbt::device
