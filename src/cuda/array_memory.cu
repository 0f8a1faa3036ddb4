// SPDX-License-Identifier: Apache-2.0
#include "array_memory.h"

#include <map>
#include <memory>
#include <mutex>

#include "block.h"
#include "buffer.h"
#include "device.h"
#include "runtime.h"
#include "units.h"

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

template <class Item>
struct TakeRowsKernel {
  MatrixView from;
  const std::int64_t* rows;
  std::int64_t n_rows;
  Item* to;  // [row][column]

  PYGBT_KERNEL void operator()() const {
    for (std::int64_t at = first_row(); at < n_rows * from.n_columns; at += row_step()) {
      const std::int64_t row = rows[at / from.n_columns], column = at % from.n_columns;
      to[at] = *reinterpret_cast<const Item*>(static_cast<const char*>(from.data) + row * from.row_stride +
                                              column * from.column_stride);
    }
  }
};

}  // namespace

struct ArrayMemory::Held {
  explicit Held(Device& of) : device(of), bytes(of) {}
  Device& device;
  Buffer<std::byte> bytes;
};

ArrayMemory::ArrayMemory(int ordinal, std::size_t n_bytes) : ordinal_(ordinal), n_bytes_(n_bytes) {
  const std::lock_guard lock(queue_mutex());
  held_ = std::make_unique<Held>(array_device(ordinal));
  data_ = held_->bytes.make(n_bytes);
  held_->device.finish();  // any stream may use it
}

ArrayMemory::~ArrayMemory() {
  const std::lock_guard lock(queue_mutex());
  try {
    if (data_ != nullptr) held_->device.finish_all();
  } catch (...) {  // the device is in no state to use the memory
  }
  held_.reset();
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

void take_rows(int ordinal, const MatrixView& from, std::span<const std::int64_t> rows, void* to) {
  const std::lock_guard lock(queue_mutex());
  Device& device = array_device(ordinal);
  Buffer<std::int64_t> there(device);
  there.put(rows);
  const auto n_rows = static_cast<std::int64_t>(rows.size());
  const auto run = [&]<class Item>(Item) {
    device.launch(blocks_for(device.policy(), n_rows * from.n_columns), device.policy().n_threads,
                  TakeRowsKernel<Item>{from, there.data(), n_rows, static_cast<Item*>(to)});
  };
  switch (from.item_bytes) {
    case 1:
      run(std::uint8_t{});
      break;
    case 2:
      run(std::uint16_t{});
      break;
    case 4:
      run(std::uint32_t{});
      break;
    default:
      run(std::uint64_t{});
  }
  device.finish();
}

}  // namespace pygbt::device
