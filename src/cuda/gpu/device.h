// SPDX-License-Identifier: Apache-2.0
// What a kernel may use, on a GPU. emulated/device.h is the same on the host and says what each does.
#pragma once

#include <cstdint>

#define PYGBT_KERNEL __device__ __forceinline__
#define PYGBT_UNROLL _Pragma("unroll")
#define PYGBT_ROLL _Pragma("unroll 1")

namespace pygbt::device {

inline constexpr int kLanes = 32;

PYGBT_KERNEL int thread() { return static_cast<int>(threadIdx.x); }
PYGBT_KERNEL int n_threads() { return static_cast<int>(blockDim.x); }
PYGBT_KERNEL std::int64_t block() { return static_cast<std::int64_t>(blockIdx.x); }
PYGBT_KERNEL std::int64_t n_blocks() { return static_cast<std::int64_t>(gridDim.x); }

extern __shared__ std::uint64_t block_memory[];

template <class T>
PYGBT_KERNEL T* shared() {
  return reinterpret_cast<T*>(block_memory);
}

PYGBT_KERNEL void sync() { __syncthreads(); }
PYGBT_KERNEL void sync_warp() { __syncwarp(); }
PYGBT_KERNEL void publish() { __threadfence(); }

template <class T>
PYGBT_KERNEL T shuffle_xor(T value, int mask) {
  return __shfl_xor_sync(0xffffffffu, value, mask);
}
template <class T>
PYGBT_KERNEL T shuffle_up(T value, int by) {
  return __shfl_up_sync(0xffffffffu, value, static_cast<unsigned>(by));
}

template <class T>
PYGBT_KERNEL T shuffle(T value, int lane) {
  return __shfl_sync(0xffffffffu, value, lane);
}

PYGBT_KERNEL std::uint32_t ballot(bool condition) { return __ballot_sync(0xffffffffu, condition); }
PYGBT_KERNEL std::int32_t count_bits(std::uint32_t word) { return __popc(word); }

PYGBT_KERNEL void add(std::uint32_t* at, std::uint32_t value) { atomicAdd(at, value); }
PYGBT_KERNEL void add(std::uint64_t* at, std::uint64_t value) {
  atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
}
PYGBT_KERNEL void add(std::int64_t* at, std::int64_t value) {  // two's complement: the same addition
  atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
}
PYGBT_KERNEL void add_to_memory(std::int64_t* at, std::int64_t value) {
  asm volatile("red.global.add.u64 [%0], %1;" ::"l"(__cvta_generic_to_global(at)), "l"(value) : "memory");
}
PYGBT_KERNEL std::uint32_t fetch_add(std::uint32_t* at, std::uint32_t value) { return atomicAdd(at, value); }
PYGBT_KERNEL void set_bits(std::uint32_t* at, std::uint32_t bits) { atomicOr(at, bits); }
template <class T>
PYGBT_KERNEL T peek(const T* at) {
  return *static_cast<const volatile T*>(at);
}
// The compiler would make two sums and choose.
template <std::uint32_t kValue>
PYGBT_KERNEL void add_if(bool condition, std::uint32_t& to) {
  if (condition) asm("add.u32 %0, %0, %1;" : "+r"(to) : "n"(kValue));
}
PYGBT_KERNEL void raise_to(std::uint32_t* at, std::uint32_t value) { atomicMax(at, value); }
PYGBT_KERNEL void raise_to(std::uint64_t* at, std::uint64_t value) {
  atomicMax(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
}
PYGBT_KERNEL void lower_to(std::uint64_t* at, std::uint64_t value) {
  atomicMin(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
}

}  // namespace pygbt::device
