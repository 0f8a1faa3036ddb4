// SPDX-License-Identifier: Apache-2.0
// A large array on its way to the device, chunk by chunk: while one chunk travels, the next one is laid into pinned
// memory, and kernels work on the one before. gpu/upload.h is the same for a GPU.
//
//   Upload upload(device, bytes);
//   std::byte* chunk = upload.next();  ... fill it ...
//   launch(Kernel{upload.send(n), ..});  // what send returned is good for kernels launched before the next send
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "buffer.h"

namespace pygbt::device {

class Upload {
 public:
  // Buffers of so many bytes.
  Upload(Device& device, std::size_t chunk_bytes);

  // On the host, free to be filled.
  std::byte* next();
  // The first bytes of it, on the device, for kernels that are launched from now on.
  const std::byte* send(std::size_t n_bytes);

 private:
  static constexpr int kGarbage = 0xA5;

  std::vector<std::uint64_t> host_[2];
  Buffer<std::uint64_t> there_[2];
  std::size_t at_ = 1;
};

}  // namespace pygbt::device
