// SPDX-License-Identifier: Apache-2.0
// Several arrays in one transfer: a transfer costs more than the few bytes that a step needs or answers.
//
//   Parcel given(memory);                  Parcel results(memory);
//   const auto a = given.put(host_a);      const auto c = results.room<Cell>(n);
//   const auto b = given.put(host_b);      results.open();
//   given.send();                          ... a kernel writes to results.at(c) ...
//   ... given.at(a), given.at(b) ...       results.fetch();  results.host(c)
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "buffer.h"

namespace pygbt::device {

class Parcel {
 public:
  template <class T>
  struct Part {
    std::size_t offset = 0;
    std::size_t n = 0;
  };

  // memory: on the device, used again by the next parcel.
  explicit Parcel(Buffer<std::byte>& memory) : memory_(memory) {}

  template <class T>
  Part<T> room(std::size_t n) {
    static_assert(std::is_trivially_copyable_v<T> && alignof(T) <= kAlignment);
    const std::size_t offset = bytes_.size();
    bytes_.resize((offset + n * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment);
    return {offset, n};
  }
  template <class T>
  Part<T> put(const std::vector<T>& values) {
    const Part<T> part = room<T>(values.size());
    if (!values.empty()) std::memcpy(bytes_.data() + part.offset, values.data(), values.size() * sizeof(T));
    return part;
  }

  void send() { memory_.put(bytes_); }
  void open() {  // zeros
    memory_.make(bytes_.size());
    memory_.clear();
  }
  void fetch() { memory_.get(bytes_.data(), bytes_.size()); }

  // On the device, once sent or open.
  template <class T>
  T* at(Part<T> part) const {
    return reinterpret_cast<T*>(memory_.data() + part.offset);
  }
  template <class T>
  std::vector<T> host(Part<T> part) const {
    std::vector<T> values(part.n);
    if (part.n > 0) std::memcpy(values.data(), bytes_.data() + part.offset, part.n * sizeof(T));
    return values;
  }

 private:
  static constexpr std::size_t kAlignment = 16;

  Buffer<std::byte>& memory_;
  std::vector<std::byte> bytes_;
};

}  // namespace pygbt::device
