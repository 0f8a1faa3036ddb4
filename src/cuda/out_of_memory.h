// SPDX-License-Identifier: Apache-2.0
// The device has no memory left. Python: MemoryError.
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

}  // namespace pygbt::device
