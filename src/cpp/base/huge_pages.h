// SPDX-License-Identifier: Apache-2.0
// Memory of large arrays that are read out of order: on 2 MiB pages where the system has them, so that a gather by row
// costs a cache miss and not a page walk as well. It is mapped afresh: what an allocator gives out again may lie on
// small pages already. New elements are not cleared: the first thread to write them does it. A few readable bytes
// follow the last element, for vector loads that reach over it.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace pygbt {

inline constexpr std::size_t kHugePage = std::size_t{1} << 21;

// At least a huge page, aligned to one; throws std::bad_alloc.
void* map_pages(std::size_t bytes);
void unmap_pages(void* memory, std::size_t bytes);

template <class T>
struct HugePageAllocator {
  using value_type = T;

  HugePageAllocator() = default;
  template <class U>
  HugePageAllocator(const HugePageAllocator<U>&) {}

  T* allocate(std::size_t n) {
    const std::size_t bytes = n * sizeof(T) + kSlack;
    return static_cast<T*>(bytes < kHugePage ? ::operator new(bytes, kCacheLine) : map_pages(bytes));
  }
  void deallocate(T* memory, std::size_t n) {
    const std::size_t bytes = n * sizeof(T) + kSlack;
    if (bytes < kHugePage)
      ::operator delete(memory, kCacheLine);
    else
      unmap_pages(memory, bytes);
  }

  // resize(n) leaves new elements as they are.
  template <class U>
  void construct(U* at) {
    static_assert(std::is_trivially_default_constructible_v<U>);
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(std::forward<Args>(args)...);
  }

  friend bool operator==(const HugePageAllocator&, const HugePageAllocator&) { return true; }

 private:
  static constexpr std::align_val_t kCacheLine{64};
  static constexpr std::size_t kSlack = 64;
};

// A vector for trivial types whose resize does not clear.
template <class T>
using HugeVector = std::vector<T, HugePageAllocator<T>>;

}  // namespace pygbt
