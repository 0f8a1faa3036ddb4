// SPDX-License-Identifier: Apache-2.0
// The memory layout of DLPack, versions 0 and 1, which libraries of arrays agree on, and its capsules. Called by
// bind_arrays.cc.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>
#include <vector>

namespace pygbt::dlpack {

inline constexpr std::int32_t kCuda = 2;  // device type

struct Device {
  std::int32_t type;
  std::int32_t id;
};

struct DataType {
  std::uint8_t code;  // 0 int, 1 uint, 2 float, 4 bfloat, 5 complex, 6 bool
  std::uint8_t bits;
  std::uint16_t lanes;
};

struct Tensor {
  void* data;
  Device device;
  std::int32_t n_dimensions;
  DataType dtype;
  std::int64_t* shape;
  std::int64_t* strides;  // in elements; nullptr = C order
  std::uint64_t byte_offset;
};

struct Managed {  // "dltensor"
  Tensor tensor;
  void* context;
  void (*deleter)(Managed*);
};

struct ManagedVersioned {  // "dltensor_versioned"
  std::uint32_t major;
  std::uint32_t minor;
  void* context;
  void (*deleter)(ManagedVersioned*);
  std::uint64_t flags;
  Tensor tensor;
};

// A capsule of memory of a CUDA device that keeps `owner` alive for as long as somebody uses it.
pybind11::capsule make_capsule(std::uintptr_t pointer, std::int32_t ordinal, DataType dtype,
                               std::vector<std::int64_t> shape, std::vector<std::int64_t> strides,
                               pybind11::object owner, bool versioned);

// What a capsule of either kind holds. It stays the capsule's: keep the capsule. Throws InvalidArgument for anything
// else, and for major versions above 1.
const Tensor& read_capsule(const pybind11::capsule& capsule);

}  // namespace pygbt::dlpack
