// SPDX-License-Identifier: Apache-2.0
// What the compiler calls before loads and stores (-fsanitize=thread, whose own library is not linked), and copies of
// memory (-fno-builtin, -Wl,--wrap), which it leaves to the library.
#include "emulated/checks/hooks.h"

#include <cstdint>

using pygbt::device::checks::access;
using pygbt::device::checks::aligned_access;

#define PYGBT_ACCESS(n)                                                                          \
  void __tsan_read##n(void* at) { aligned_access(at, n, false, __builtin_return_address(0)); }   \
  void __tsan_write##n(void* at) { aligned_access(at, n, true, __builtin_return_address(0)); }   \
  void __tsan_unaligned_read##n(void* at) { access(at, n, false, __builtin_return_address(0)); } \
  void __tsan_unaligned_write##n(void* at) { access(at, n, true, __builtin_return_address(0)); }

// Counters of the host, in the same files: no kernel has such atomic operations.
#define PYGBT_COUNTER(bits)                                                                                \
  using Counter##bits = volatile std::uint##bits##_t;                                                      \
  std::uint##bits##_t __tsan_atomic##bits##_load(Counter##bits* at, int) {                                 \
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                                          \
  }                                                                                                        \
  void __tsan_atomic##bits##_store(Counter##bits* at, std::uint##bits##_t value, int) {                    \
    __atomic_store_n(at, value, __ATOMIC_SEQ_CST);                                                         \
  }                                                                                                        \
  std::uint##bits##_t __tsan_atomic##bits##_exchange(Counter##bits* at, std::uint##bits##_t value, int) {  \
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);                                               \
  }                                                                                                        \
  std::uint##bits##_t __tsan_atomic##bits##_fetch_add(Counter##bits* at, std::uint##bits##_t value, int) { \
    return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);                                                \
  }                                                                                                        \
  std::uint##bits##_t __tsan_atomic##bits##_fetch_sub(Counter##bits* at, std::uint##bits##_t value, int) { \
    return __atomic_fetch_sub(at, value, __ATOMIC_SEQ_CST);                                                \
  }                                                                                                        \
  int __tsan_atomic##bits##_compare_exchange_weak(Counter##bits* at, std::uint##bits##_t* expected,        \
                                                  std::uint##bits##_t value, int, int) {                   \
    return __atomic_compare_exchange_n(at, expected, value, true, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);     \
  }                                                                                                        \
  int __tsan_atomic##bits##_compare_exchange_strong(Counter##bits* at, std::uint##bits##_t* expected,      \
                                                    std::uint##bits##_t value, int, int) {                 \
    return __atomic_compare_exchange_n(at, expected, value, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);    \
  }

extern "C" {

void __tsan_init() {}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}

PYGBT_ACCESS(1)
PYGBT_ACCESS(2)
PYGBT_ACCESS(4)
PYGBT_ACCESS(8)
PYGBT_ACCESS(16)
PYGBT_COUNTER(8)
PYGBT_COUNTER(16)
PYGBT_COUNTER(32)
PYGBT_COUNTER(64)

void __tsan_read_range(void* at, std::size_t n) { access(at, n, false, __builtin_return_address(0)); }
void __tsan_write_range(void* at, std::size_t n) { access(at, n, true, __builtin_return_address(0)); }

void* __real_memcpy(void* to, const void* from, std::size_t n);
void* __real_memmove(void* to, const void* from, std::size_t n);
void* __real_memset(void* to, int byte, std::size_t n);

void* __wrap_memcpy(void* to, const void* from, std::size_t n) {
  access(from, n, false, __builtin_return_address(0));
  access(to, n, true, __builtin_return_address(0));
  return __real_memcpy(to, from, n);
}
void* __wrap_memmove(void* to, const void* from, std::size_t n) {
  access(from, n, false, __builtin_return_address(0));
  access(to, n, true, __builtin_return_address(0));
  return __real_memmove(to, from, n);
}
void* __wrap_memset(void* to, int byte, std::size_t n) {
  access(to, n, true, __builtin_return_address(0));
  return __real_memset(to, byte, n);
}

}  // extern "C"
