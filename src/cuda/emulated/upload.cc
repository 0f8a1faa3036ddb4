// SPDX-License-Identifier: Apache-2.0
#include "emulated/upload.h"

#include <cstring>

namespace pygbt::device {

Upload::Upload(Device& device, std::size_t chunk_bytes) {
  for (std::size_t i = 0; i < 2; ++i) {
    host_[i].resize((chunk_bytes + 7) / 8);
    there_[i] = Buffer<std::uint64_t>(device);
    there_[i].make(host_[i].size());
  }
}

std::byte* Upload::next() {
  at_ = 1 - at_;
  std::memset(host_[at_].data(), kGarbage, host_[at_].size() * 8);
  return reinterpret_cast<std::byte*>(host_[at_].data());
}

const std::byte* Upload::send(std::size_t n_bytes) {
  std::memset(there_[1 - at_].data(), kGarbage, host_[at_].size() * 8);  // nobody may read it any longer
  checks::forgotten({there_[1 - at_].data(), host_[at_].size() * 8});
  std::memcpy(there_[at_].data(), host_[at_].data(), n_bytes);
  checks::written({there_[at_].data(), n_bytes});
  return reinterpret_cast<const std::byte*>(there_[at_].data());
}

}  // namespace pygbt::device
