// SPDX-License-Identifier: Apache-2.0
// Arrays that Python sees: memory that it owns, copies between it and the host, and the work of other libraries, which
// have streams of their own. Called by bind_arrays.cc.
//
// What is handed out is finished: whoever takes it needs to wait for nothing. Memory is given back when everything that
// has been queued on its device is done, whoever queued it.
#pragma once

#include <cstddef>
#include <cstdint>

#include "buffer.h"

namespace pygbt::device {

class ArrayMemory {
 public:
  ArrayMemory(int ordinal, std::size_t n_bytes);
  ~ArrayMemory();
  ArrayMemory(const ArrayMemory&) = delete;
  ArrayMemory& operator=(const ArrayMemory&) = delete;

  int ordinal() const { return ordinal_; }
  std::size_t n_bytes() const { return bytes_.size(); }
  void* data() { return bytes_.data(); }

 private:
  int ordinal_;
  Device& device_;
  Buffer<std::byte> bytes_;
};

// Return when the bytes are there.
void copy_to_host(int ordinal, void* to, const void* from, std::size_t n_bytes);
void copy_to_device(int ordinal, void* to, const void* from, std::size_t n_bytes);
void copy_on_device(int ordinal, void* to, const void* from, std::size_t n_bytes);

}  // namespace pygbt::device
