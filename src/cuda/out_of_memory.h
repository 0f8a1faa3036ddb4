// SPDX-License-Identifier: Apache-2.0
// The device has no memory left, or a table more than its budget. Python: MemoryError.
#pragma once

#include <cstddef>
#include <new>
#include <string>

namespace pygbt::device {

class OutOfMemory : public std::bad_alloc {
 public:
  OutOfMemory(std::size_t wanted, std::size_t free, std::size_t total)
      : message_("the device is out of memory: " + mebibytes(wanted) + " MiB wanted, " + mebibytes(free) + " of " +
                 mebibytes(total) + " MiB free; use fewer rows, features or bins, or device=\"cpu\"") {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  static std::string mebibytes(std::size_t bytes) { return std::to_string((bytes + (1u << 20) - 1) >> 20); }
  std::string message_;
};

class OverBudget : public std::bad_alloc {
 public:
  OverBudget(std::size_t budget, std::size_t needed)
      : message_("max_device_bytes=" + std::to_string(budget) +
                 " is too little: the bins of this table and the least " + "memory that makes them take " +
                 std::to_string(needed) +
                 " bytes of the device; allow as many, or use fewer rows or columns, max_bin=256 or less (a byte a " +
                 "bin), or device=\"cpu\"") {}
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

}  // namespace pygbt::device
