// SPDX-License-Identifier: Apache-2.0
// Memory of a device, owned; the device outlives it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "runtime.h"

namespace pygbt::device {

inline std::atomic<std::int64_t> n_waits{0};  // times that the host waited for what a buffer holds

template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Device& device) : device_(&device) {}
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  ~Buffer() { give_back(); }

  void swap(Buffer& other) noexcept {
    std::swap(device_, other.device_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

  // `n` elements, whatever they are: what was there is lost when the memory grows.
  T* make(std::size_t n) {
    if (n > capacity_) {
      give_back();
      device_->memory().admit(n * sizeof(T));
      data_ = static_cast<T*>(device_->allocate(n * sizeof(T)));
      capacity_ = n;
      device_->memory().add(bytes());
    }
    size_ = n;
    return data_;
  }
  T* make(std::int64_t n) { return make(static_cast<std::size_t>(n)); }
  T* make_zero(std::size_t n) {
    make(n);
    clear();
    return data_;
  }
  void clear() {
    if (size_ > 0) device_->fill(data_, 0, size_ * sizeof(T));
  }

  // From the host.
  T* put(std::span<const T> values) {
    make(values.size());
    if (!values.empty()) device_->to_device(data_, values.data(), values.size() * sizeof(T));
    return data_;
  }
  T* put(const std::vector<T>& values) { return put(std::span<const T>(values)); }

  // To the host: the first n elements.
  void get(T* out, std::size_t n) const {
    if (n == 0) return;
    ++n_waits;
    device_->to_host(out, data_, n * sizeof(T));
  }
  std::vector<T> get() const {
    std::vector<T> values(size_);
    get(values.data(), size_);
    return values;
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::size_t bytes() const { return capacity_ * sizeof(T); }
  void give_back() {
    if (data_ == nullptr) return;
    device_->memory().subtract(bytes());
    device_->release(std::exchange(data_, nullptr));
    size_ = capacity_ = 0;
  }

  Device* device_ = nullptr;
  T* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace pygbt::device
