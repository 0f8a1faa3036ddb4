// SPDX-License-Identifier: Apache-2.0
// Vectors of working memory that goes back to the system as soon as it is given up: what an allocator keeps for later
// counts as used. New elements are not cleared, and pages that nobody writes to take no memory.
#pragma once

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>
#include <vector>

namespace pygbt {

// Whole pages; throws std::bad_alloc.
void* map_small_pages(std::size_t bytes);
void unmap_small_pages(void* memory, std::size_t bytes);

template <class T>
struct PageAllocator {
  using value_type = T;

  PageAllocator() = default;
  template <class U>
  PageAllocator(const PageAllocator<U>&) {}

  T* allocate(std::size_t n) {
    const std::size_t bytes = n * sizeof(T);
    return static_cast<T*>(bytes < kLeastMapped ? ::operator new(bytes) : map_small_pages(bytes));
  }
  void deallocate(T* memory, std::size_t n) {
    const std::size_t bytes = n * sizeof(T);
    if (bytes < kLeastMapped)
      ::operator delete(memory);
    else
      unmap_small_pages(memory, bytes);
  }

  // resize(n) leaves new elements as they are.
  template <class U>
  void construct(U* at) {
    static_assert(std::is_trivially_copyable_v<U>);
    if constexpr (std::is_trivially_default_constructible_v<U>) ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Args>
  void construct(U* at, Args&&... args) {
    ::new (static_cast<void*>(at)) U(std::forward<Args>(args)...);
  }

  friend bool operator==(const PageAllocator&, const PageAllocator&) { return true; }

 private:
  static constexpr std::size_t kLeastMapped = std::size_t{1} << 16;
};

template <class T>
using PageVector = std::vector<T, PageAllocator<T>>;

}  // namespace pygbt
