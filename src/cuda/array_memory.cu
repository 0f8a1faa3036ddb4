// SPDX-License-Identifier: Apache-2.0
#include "array_memory.h"

#include <map>
#include <memory>
#include <mutex>

namespace pygbt::device {

namespace {

std::mutex& queue_mutex() {
  static auto* const mutex = new std::mutex;
  return *mutex;
}

// The queue of all arrays of a device. Never destroyed: arrays may outlive whatever the end of the process destroys.
Device& array_device(int ordinal) {
  static auto* const devices = new std::map<int, std::unique_ptr<Device>>;
  auto& device = (*devices)[ordinal];
  if (device == nullptr) device = std::make_unique<Device>(ordinal);
  return *device;
}

Device& locked_device(int ordinal) {
  const std::lock_guard lock(queue_mutex());
  return array_device(ordinal);
}

}  // namespace

ArrayMemory::ArrayMemory(int ordinal, std::size_t n_bytes)
    : ordinal_(ordinal), device_(locked_device(ordinal)), bytes_(device_) {
  const std::lock_guard lock(queue_mutex());
  bytes_.make(n_bytes);
  device_.finish();  // any stream may use it
}

ArrayMemory::~ArrayMemory() {
  const std::lock_guard lock(queue_mutex());
  if (bytes_.data() != nullptr) device_.finish_all();
  bytes_ = Buffer<std::byte>();
}

void copy_to_host(int ordinal, void* to, const void* from, std::size_t n_bytes) {
  if (n_bytes == 0) return;
  const std::lock_guard lock(queue_mutex());
  array_device(ordinal).to_host(to, from, n_bytes);
}

void copy_to_device(int ordinal, void* to, const void* from, std::size_t n_bytes) {
  if (n_bytes == 0) return;
  const std::lock_guard lock(queue_mutex());
  Device& device = array_device(ordinal);
  device.to_device(to, from, n_bytes);
  device.finish();
}

void copy_on_device(int ordinal, void* to, const void* from, std::size_t n_bytes) {
  if (n_bytes == 0) return;
  const std::lock_guard lock(queue_mutex());
  Device& device = array_device(ordinal);
  device.copy(to, from, n_bytes);
  device.finish();
}

}  // namespace pygbt::device
