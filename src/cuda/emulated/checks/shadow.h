// SPDX-License-Identifier: Apache-2.0
// What is known of each byte of the device's memory and of a block's shared memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "emulated/checks/touches.h"

namespace pygbt::device::checks {

// Zeros that take no memory before they are touched.
class Pages {
 public:
  explicit Pages(std::size_t bytes);
  ~Pages();
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  template <class T>
  T* as() const {
    return static_cast<T*>(at_);
  }

 private:
  void* at_;
  std::size_t bytes_;
};

// So many bytes that begin at one address.
struct Region {
  explicit Region(Bytes memory)
      : begin(reinterpret_cast<std::uintptr_t>(memory.begin)),
        n(memory.n),
        touches(memory.n * sizeof(Touches)),
        known(memory.n) {}

  bool holds(std::uintptr_t at) const { return at - begin < n; }
  Touches& touches_of(std::uintptr_t at) const { return touches.as<Touches>()[at - begin]; }
  char* known_of(std::uintptr_t at) const { return known.as<char>() + (at - begin); }
  // Where nothing was ever written of `size` bytes, `size` if there is no such place. Copies of structs take their gaps with them: of
  // more than a word at once only whole words count.
  std::size_t gap_in(std::uintptr_t at, std::size_t size) const;

  std::uintptr_t begin;
  std::size_t n;
  Pages touches;
  Pages known;  // 1: something was written there
};

// The memory of the device, used by any thread of the host.
class DeviceShadow {
 public:
  void add(Bytes memory);
  void remove(const void* memory);
  // The region of an address, null if there is none. Kept as long as somebody holds it.
  std::shared_ptr<Region> find(std::uintptr_t at) const;
  // Rises whenever a region goes.
  std::uint64_t n_removed() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::uintptr_t, std::shared_ptr<Region>> regions_;  // by first address
  std::atomic<std::uint64_t> n_removed_{0};
};

}  // namespace pygbt::device::checks
