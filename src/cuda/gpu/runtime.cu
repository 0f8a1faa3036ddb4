// SPDX-License-Identifier: Apache-2.0
#include "gpu/runtime.h"

#include <algorithm>
#include <string>

#include "base/error.h"
#include "out_of_memory.h"

namespace pygbt::device {

namespace {

// Launch numbers by compute capability. Hopper: 227 KiB of shared memory a block, 132 processors on an H100 or H200.
Policy policy_of(const cudaDeviceProp& properties) {
  Policy policy;
  policy.n_blocks = std::int64_t{8} * properties.multiProcessorCount;
  policy.histogram_blocks = std::int64_t{4} * properties.multiProcessorCount;  // 3 run at once where cells fill 64 KiB
  policy.shared_bytes = properties.sharedMemPerBlockOptin;
  policy.group_bytes = std::min<std::size_t>(policy.group_bytes, policy.shared_bytes / 2);
  return policy;
}

}  // namespace

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // the error is told here
  throw Unsupported(std::string("CUDA: ") + call + ": " + cudaGetErrorString(status));
}

Device::Device(int ordinal) : ordinal_(ordinal) {
  const int n = n_devices();
  require(ordinal >= 0 && ordinal < n, "device=\"cuda:" + std::to_string(ordinal) + "\": there are " +
                                           std::to_string(n) + " CUDA devices, numbered from 0");
  use();
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties");
  policy_ = policy_of(properties);
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
}

Device::~Device() {
  cudaSetDevice(ordinal_);
  cudaStreamSynchronize(stream_);
  cudaStreamDestroy(stream_);
}

void Device::use() const { check(cudaSetDevice(ordinal_), "cudaSetDevice"); }

void* Device::allocate(std::size_t bytes) {
  use();
  void* memory = nullptr;
  const cudaError_t status = cudaMallocAsync(&memory, bytes, stream_);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw OutOfMemory(bytes, free, total);
  }
  check(status, "cudaMallocAsync");
  return memory;
}

void Device::release(void* memory) noexcept {
  cudaSetDevice(ordinal_);
  cudaFreeAsync(memory, stream_);
}

void Device::to_device(void* to, const void* from, std::size_t bytes) {
  use();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync");
}

void Device::to_host(void* to, const void* from, std::size_t bytes) {
  use();
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
}

void Device::fill(void* to, int byte, std::size_t bytes) {
  use();
  check(cudaMemsetAsync(to, byte, bytes, stream_), "cudaMemsetAsync");
}

int n_devices() {
  int n = 0;
  const cudaError_t status = cudaGetDeviceCount(&n);
  cudaGetLastError();
  if (status == cudaErrorNoDevice) return 0;
  if (status == cudaErrorInsufficientDriver)
    throw Unsupported(
        "device=\"cuda\": there is no NVIDIA driver, or it is older than this build needs; use "
        "device=\"cpu\", which gives the same model");
  check(status, "cudaGetDeviceCount");
  return n;
}

std::string device_name(int ordinal) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties");
  return properties.name;
}

}  // namespace pygbt::device
