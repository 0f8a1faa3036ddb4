// SPDX-License-Identifier: Apache-2.0
// Arrays that Python sees: memory that it owns, copies between it and the host, and the work of other libraries, which
// have streams of their own; without CUDA's headers. Called by bind_arrays.cc.
//
// What is handed out is finished: whoever takes it needs to wait for nothing. Memory is given back when everything that
// has been queued on its device is done, whoever queued it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace pygbt::device {

class ArrayMemory {
 public:
  ArrayMemory(int ordinal, std::size_t n_bytes);
  ~ArrayMemory();
  ArrayMemory(const ArrayMemory&) = delete;
  ArrayMemory& operator=(const ArrayMemory&) = delete;

  int ordinal() const { return ordinal_; }
  std::size_t n_bytes() const { return n_bytes_; }
  void* data() const { return data_; }

 private:
  struct Held;
  int ordinal_;
  std::size_t n_bytes_;
  void* data_ = nullptr;
  std::unique_ptr<Held> held_;
};

// Return when the bytes are there.
void copy_to_host(int ordinal, void* to, const void* from, std::size_t n_bytes);
void copy_to_device(int ordinal, void* to, const void* from, std::size_t n_bytes);
void copy_on_device(int ordinal, void* to, const void* from, std::size_t n_bytes);

// See runtime.h.
int ordinal_of(const void* memory);
void wait_for_stream(int ordinal, std::uintptr_t stream);
void wait_for_all(int ordinal);

// A matrix on the device; strides in bytes.
struct MatrixView {
  const void* data = nullptr;
  std::int64_t row_stride = 0;
  std::int64_t column_stride = 0;
  std::int32_t n_columns = 0;
  std::int32_t item_bytes = 0;  // 1, 2, 4 or 8, to which all is aligned
};
// Some rows of it in C order.
void take_rows(int ordinal, const MatrixView& from, std::span<const std::int64_t> rows, void* to);

}  // namespace pygbt::device
