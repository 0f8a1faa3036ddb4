// SPDX-License-Identifier: Apache-2.0
// emulated/upload.h says what it is. Here: two pinned buffers, which outlive the upload (they take milliseconds to
// make), two on the GPU, a stream of its own for the copies, and events that order it with the stream of the kernels.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "buffer.h"

namespace pygbt::device {

class Upload {
 public:
  Upload(Device& device, std::size_t chunk_bytes);
  ~Upload();
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;

  std::byte* next();
  const std::byte* send(std::size_t n_bytes);

 private:
  struct Slot {
    std::byte* pinned = nullptr;
    Buffer<std::byte> there;
    cudaEvent_t arrived = nullptr;  // the copy is done
    cudaEvent_t read = nullptr;     // the kernels that read it are done
  };

  void close() noexcept;

  Device& device_;
  std::size_t chunk_bytes_;
  cudaStream_t copies_ = nullptr;
  Slot slots_[2];
  std::size_t at_ = 1;
  bool sent_ = false;  // the slot `at_`
};

}  // namespace pygbt::device
