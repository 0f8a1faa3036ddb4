// SPDX-License-Identifier: Apache-2.0
#include "gpu/runtime.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "base/error.h"
#include "device.h"
#include "out_of_memory.h"

namespace pygbt::device {

namespace {

// Freed memory that the driver keeps for us: a table of some million rows, at most a 32nd of the device. What it gives
// back must be mapped again.
constexpr std::uint64_t kKeptMemory = std::uint64_t{1} << 31, kKeptShare = 32;

struct NothingKernel {
  PYGBT_KERNEL void operator()() const {}
};

// A fill that is recorded: some drivers refuse a memset node whose memory comes from cudaMallocAsync.
struct FillKernel {
  unsigned char* to;
  std::int64_t n;
  int byte;

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t i = block() * n_threads() + thread(); i < n; i += n_blocks() * n_threads())
      to[i] = static_cast<unsigned char>(byte);
  }
};

// Launch numbers by compute capability. Hopper: 227 KiB of shared memory a block, 132 processors on an H100 or H200.
Policy policy_of(const cudaDeviceProp& properties) {
  Policy policy;
  policy.n_blocks = std::int64_t{8} * properties.multiProcessorCount;
  policy.histogram_blocks = std::int64_t{1} * properties.multiProcessorCount;
  policy.leaf_blocks = std::int64_t{2} * properties.multiProcessorCount;
  policy.shared_bytes = properties.sharedMemPerBlockOptin;
  policy.few_rows = std::int64_t{32} * properties.multiProcessorCount;
  policy.group_bytes = std::min<std::size_t>(policy.group_bytes, policy.shared_bytes / 2);
  return policy;
}

}  // namespace

void check(cudaError_t status, const char* call) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // the error is told here
  if (status == cudaErrorMemoryAllocation) {
    std::size_t free = 0, total = 0;
    cudaMemGetInfo(&free, &total);
    throw OutOfMemory(0, free, total);
  }
  throw std::runtime_error(std::string("CUDA: ") + call + ": " + cudaGetErrorString(status));
}

Current::Current(int ordinal) {
  check(cudaGetDevice(&before_), "cudaGetDevice");
  check(cudaSetDevice(ordinal), "cudaSetDevice");
}

// A GPU that nobody has used is started by being made current, which may fail: no error of the launches that follow.
Current::~Current() {
  if (cudaSetDevice(before_) != cudaSuccess) cudaGetLastError();
}

Device::Device(int ordinal) : ordinal_(ordinal) {
  const int n = n_devices();
  require(ordinal >= 0 && ordinal < n, "device=\"cuda:" + std::to_string(ordinal) + "\": there are " +
                                           std::to_string(n) + " CUDA devices, numbered from 0");
  const Current current(ordinal);
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, ordinal), "cudaGetDeviceProperties");
  cudaFuncAttributes attributes;
  if (cudaFuncGetAttributes(&attributes, run_kernel<NothingKernel>) != cudaSuccess) {
    cudaGetLastError();
    throw Unsupported(std::string("device=\"cuda\": this build has no code for an ") + properties.name +
                      " (compute capability " + std::to_string(properties.major) + "." +
                      std::to_string(properties.minor) + "); build with PYGBT_CUDA_ARCHITECTURES=native there");
  }
  policy_ = policy_of(properties);
  if (std::getenv("PYGBT_CUDA_SMALL") != nullptr) make_small(policy_);
  cudaMemPool_t pool;
  check(cudaDeviceGetDefaultMemPool(&pool, ordinal), "cudaDeviceGetDefaultMemPool");
  std::uint64_t keep = std::min(kKeptMemory, std::uint64_t{properties.totalGlobalMem} / kKeptShare);
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep), "cudaMemPoolSetAttribute");
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
  const cudaError_t status = cudaMallocHost(reinterpret_cast<void**>(&staging_), kStaging);
  if (status != cudaSuccess) cudaStreamDestroy(stream_);
  check(status, "cudaMallocHost");
}

Device::~Device() {
  int before = 0;
  cudaGetDevice(&before);
  cudaSetDevice(ordinal_);
  cudaStreamSynchronize(stream_);
  cudaFreeHost(staging_);
  cudaStreamDestroy(stream_);
  cudaSetDevice(before);
  cudaGetLastError();
}

Recording::~Recording() {
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
}

Device::Chain::Chain(Device& device) : device_(device) {
  check(cudaGraphCreate(&graph_, 0), "cudaGraphCreate");
  device_.chain_ = this;
}

Device::Chain::~Chain() {
  device_.chain_ = nullptr;
  cudaGraphDestroy(graph_);
}

void Device::Chain::add(void* kernel, std::int64_t n_blocks, int n_threads, std::size_t shared_bytes,
                        void** arguments) {
  cudaKernelNodeParams params{};
  params.func = kernel;
  params.gridDim = dim3(static_cast<unsigned>(n_blocks));
  params.blockDim = dim3(static_cast<unsigned>(n_threads));
  params.sharedMemBytes = static_cast<unsigned>(shared_bytes);
  params.kernelParams = arguments;
  cudaGraphNode_t node = nullptr;
  check(cudaGraphAddKernelNode(&node, graph_, &last_, last_ == nullptr ? 0 : 1, &params), "cudaGraphAddKernelNode");
  last_ = node;
}

void Device::Chain::end(Recording& recording) {
  const Current current(device_.ordinal_);
  cudaGraphExec_t graph = nullptr;
  check(cudaGraphInstantiate(&graph, graph_, 0), "cudaGraphInstantiate");
  recording.graph_ = graph;
}

void Device::unrecorded() const {
  if (chain_ != nullptr) throw std::logic_error("only launches and fills are recorded");
}

void Device::launch_recording(const Recording& recording) {
  const Current current(ordinal_);
  check(cudaGraphLaunch(recording.graph_, stream_), "cudaGraphLaunch");
}

Reports::~Reports() {
  for (const cudaEvent_t event : told_)
    if (event != nullptr) cudaEventDestroy(event);
  if (numbers_ != nullptr) cudaFreeHost(numbers_);
}

std::int32_t Device::report(Reports& reports, const std::int32_t* from) {
  unrecorded();
  const Current current(ordinal_);
  if (reports.numbers_ == nullptr) {
    check(cudaMallocHost(reinterpret_cast<void**>(&reports.numbers_), 2 * sizeof(std::int32_t)), "cudaMallocHost");
    for (cudaEvent_t& event : reports.told_)
      check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "cudaEventCreate");
  }
  const std::int64_t now = reports.n_ % 2;
  check(cudaMemcpyAsync(reports.numbers_ + now, from, sizeof *from, cudaMemcpyDeviceToHost, stream_),
        "cudaMemcpyAsync");
  check(cudaEventRecord(reports.told_[now], stream_), "cudaEventRecord");
  if (reports.n_++ == 0) return 1;
  check(cudaEventSynchronize(reports.told_[1 - now]), "cudaEventSynchronize");
  return reports.numbers_[1 - now];
}

void* Device::allocate(std::size_t bytes) {
  const Current current(ordinal_);
  void* memory = nullptr;
  const cudaError_t status = cudaMallocAsync(&memory, bytes, stream_);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    refuse(bytes);
  }
  check(status, "cudaMallocAsync");
  return memory;
}

void Device::release(void* memory) noexcept {
  int before = 0;
  cudaGetDevice(&before);
  cudaSetDevice(ordinal_);
  cudaFreeAsync(memory, stream_);
  cudaSetDevice(before);
  cudaGetLastError();
}

// Few bytes go by way of pinned memory, so that nothing waits; for many the wait does not count.
void Device::to_device(void* to, const void* from, std::size_t bytes) {
  unrecorded();
  const Current current(ordinal_);
  if (bytes > kStaging / 4) {
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync");
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    return;
  }
  if (staged_ + bytes > kStaging) {  // the copies before this one still read it
    check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
    staged_ = 0;
  }
  std::memcpy(staging_ + staged_, from, bytes);
  check(cudaMemcpyAsync(to, staging_ + staged_, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync");
  staged_ += bytes;
}

void Device::to_host(void* to, const void* from, std::size_t bytes) {
  unrecorded();
  const Current current(ordinal_);
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync");
  check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  staged_ = 0;
}

void Device::copy(void* to, const void* from, std::size_t bytes) {
  unrecorded();
  const Current current(ordinal_);
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream_), "cudaMemcpyAsync");
}

void* Device::allocate_host(std::size_t bytes) {
  const Current current(ordinal_);
  void* memory = nullptr;
  check(cudaMallocHost(&memory, bytes), "cudaMallocHost");
  return memory;
}

void Device::release_host(void* memory) noexcept {
  cudaFreeHost(memory);
  cudaGetLastError();
}

void Device::send(void* to, const void* from, std::size_t bytes) {
  unrecorded();
  const Current current(ordinal_);
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream_), "cudaMemcpyAsync");
}

void Device::receive(void* to, const void* from, std::size_t bytes) {
  unrecorded();
  const Current current(ordinal_);
  check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, stream_), "cudaMemcpyAsync");
}

void Device::fill(void* to, int byte, std::size_t bytes) {
  const Current current(ordinal_);
  if (chain_ != nullptr) {
    const auto n = static_cast<std::int64_t>(bytes);
    const std::int64_t blocks = std::min(policy_.n_blocks, (n + policy_.n_threads - 1) / policy_.n_threads);
    return launch(blocks, policy_.n_threads, FillKernel{static_cast<unsigned char*>(to), n, byte});
  }
  check(cudaMemsetAsync(to, byte, bytes, stream_), "cudaMemsetAsync");
}

void Device::finish() {
  const Current current(ordinal_);
  check(cudaStreamSynchronize(stream_), "cudaStreamSynchronize");
  staged_ = 0;
}

// What the driver keeps of freed memory is free, too.
std::size_t Device::free_bytes() const {
  const Current current(ordinal_);
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  cudaMemPool_t pool;
  check(cudaDeviceGetDefaultMemPool(&pool, ordinal_), "cudaDeviceGetDefaultMemPool");
  std::uint64_t reserved = 0, used = 0;
  check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrReservedMemCurrent, &reserved), "cudaMemPoolGetAttribute");
  check(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used), "cudaMemPoolGetAttribute");
  return free + static_cast<std::size_t>(reserved - std::min(reserved, used));
}

void Device::refuse(std::size_t bytes) const {
  const Current current(ordinal_);
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  throw OutOfMemory(bytes, free_bytes(), total);
}

void Device::finish_all() {
  wait_for_all(ordinal_);
  staged_ = 0;
}

int ordinal_of(const void* memory) {
  cudaPointerAttributes attributes{};
  const cudaError_t status = cudaPointerGetAttributes(&attributes, memory);
  cudaGetLastError();
  require(
      status == cudaSuccess && (attributes.type == cudaMemoryTypeDevice || attributes.type == cudaMemoryTypeManaged),
      "the array does not lie in the memory of a CUDA device of this process");
  return attributes.device;
}

// 1 and 2 are CUDA's own handles of the default streams.
void wait_for_stream(int ordinal, std::uintptr_t stream) {
  const Current current(ordinal);
  check(cudaStreamSynchronize(reinterpret_cast<cudaStream_t>(stream)), "cudaStreamSynchronize");
}

void wait_for_all(int ordinal) {
  const Current current(ordinal);
  check(cudaDeviceSynchronize(), "cudaDeviceSynchronize");
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
