// SPDX-License-Identifier: Apache-2.0
// A GPU: its memory, its queue (one stream of its own) and its launch numbers. Every call makes the GPU current for as
// long as it takes, so that several may be in use; every CUDA call is checked.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>

#include "memory_use.h"
#include "policy.h"

namespace pygbt::device {

// Throws std::runtime_error, or OutOfMemory, with the call and what CUDA says of it.
void check(cudaError_t status, const char* call);

// Makes a GPU current, and the one before again at the end: the caller's other libraries have their own.
class Current {
 public:
  explicit Current(int ordinal);
  ~Current();
  Current(const Current&) = delete;
  Current& operator=(const Current&) = delete;

 private:
  int before_ = 0;
};

#ifdef __CUDACC__
template <class Kernel>
__global__ void __launch_bounds__(most_threads<Kernel>(), least_blocks<Kernel>())
    run_kernel(const __grid_constant__ Kernel kernel) {
  kernel();
}
#endif

// Launches that are made again and again with the same arguments: a graph, once it is known which.
class Recording {
 public:
  Recording() = default;
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;
  ~Recording();

 private:
  friend class Device;
  bool ran_ = false;
  cudaGraphExec_t graph_ = nullptr;
};

// Numbers that the device tells while it goes on with what is queued.
class Reports {
 public:
  Reports() = default;
  Reports(const Reports&) = delete;
  Reports& operator=(const Reports&) = delete;
  ~Reports();

 private:
  friend class Device;
  std::int32_t* numbers_ = nullptr;  // pinned [2]
  cudaEvent_t told_[2] = {nullptr, nullptr};
  std::int64_t n_ = 0;
};

class Device {
 public:
  explicit Device(int ordinal);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const Policy& policy() const { return policy_; }
  MemoryUse& memory() { return memory_; }

  void* allocate(std::size_t bytes);
  void release(void* memory) noexcept;

  void to_device(void* to, const void* from, std::size_t bytes);
  void to_host(void* to, const void* from, std::size_t bytes);
  void copy(void* to, const void* from, std::size_t bytes);
  void fill(void* to, int byte, std::size_t bytes);

  // Calls launches(): the first time, which makes the memory they need, and the second, which records them. Later what was
  // recorded is launched at once: nothing in it may depend on what the host knows by then. Launches and fills only. Where
  // there is no graph to be had they are launched as they are.
  template <class Launches>
  void replay(Recording& recording, Launches&& launches) {
    if (recording.graph_ == nullptr && recording.ran_) {
      try {
        Chain chain(*this);
        launches();
        chain.end(recording);
      } catch (const std::runtime_error&) {  // what else is wrong with them shows below
      } catch (const std::bad_alloc&) {
      }
    }
    if (recording.graph_ != nullptr)
      launch_recording(recording);
    else
      launches();
    recording.ran_ = true;
  }

  // Queues the report of *from, and waits for the report before it; 1 where there was none.
  std::int32_t report(Reports& reports, const std::int32_t* from);
  void forget(Reports& reports) { reports.n_ = 0; }

  void* allocate_host(std::size_t bytes);
  void release_host(void* memory) noexcept;
  void send(void* to, const void* from, std::size_t bytes);
  void receive(void* to, const void* from, std::size_t bytes);

  bool sort_pairs(std::uint32_t* keys, std::uint32_t* spare_keys, std::uint64_t* values, std::uint64_t* spare_values,
                  std::int64_t n);

  void finish();
  void finish_all();
  std::size_t free_bytes() const;
  [[noreturn]] void refuse(std::size_t bytes) const;

  int ordinal() const { return ordinal_; }
  cudaStream_t stream() const { return stream_; }

#ifdef __CUDACC__  // the bindings are C++
  template <class Kernel>
  void launch(std::int64_t n_blocks, int n_threads, const Kernel& kernel, std::size_t shared_bytes = 0) {
    if (n_blocks == 0) return;
    const Current current(ordinal_);
    if (shared_bytes > kUsualShared)  // always the most: the limit is the kernel's, and other threads launch it, too
      check(cudaFuncSetAttribute(run_kernel<Kernel>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 static_cast<int>(policy_.shared_bytes)),
            "cudaFuncSetAttribute");
    static_assert(sizeof(Kernel) <= 4096, "nodes of graphs may have no more arguments everywhere");
    if (chain_ != nullptr) {
      void* arguments[] = {const_cast<Kernel*>(&kernel)};
      chain_->add(reinterpret_cast<void*>(&run_kernel<Kernel>), n_blocks, n_threads, shared_bytes, arguments);
      return;
    }
    run_kernel<Kernel>
        <<<static_cast<unsigned>(n_blocks), static_cast<unsigned>(n_threads), shared_bytes, stream_>>>(kernel);
    check(cudaGetLastError(), "launch");
  }
#endif

 private:
  static constexpr std::size_t kUsualShared = 48 << 10;  // more must be asked for
  static constexpr std::size_t kStaging = 4 << 20;

  // A graph under way: each launch after the one before. It is not captured from the stream, because whoever waits for
  // the whole device meanwhile, another library in another thread, say, would spoil a capture, and be refused.
  class Chain {
   public:
    explicit Chain(Device& device);
    ~Chain();
    Chain(const Chain&) = delete;
    Chain& operator=(const Chain&) = delete;
    void add(void* kernel, std::int64_t n_blocks, int n_threads, std::size_t shared_bytes, void** arguments);
    void end(Recording& recording);

   private:
    Device& device_;
    cudaGraph_t graph_ = nullptr;
    cudaGraphNode_t last_ = nullptr;
  };

  void unrecorded() const;  // throws where launches are being recorded
  void launch_recording(const Recording& recording);

  int ordinal_;
  cudaStream_t stream_ = nullptr;
  char* staging_ = nullptr;  // pinned: what is on its way to the GPU
  std::size_t staged_ = 0;   // bytes of it in use
  Chain* chain_ = nullptr;   // that launches are recorded in
  Policy policy_;
  MemoryUse memory_;
};

int n_devices();
int ordinal_of(const void* memory);
void wait_for_stream(int ordinal, std::uintptr_t stream);
void wait_for_all(int ordinal);
std::string device_name(int ordinal);

}  // namespace pygbt::device
