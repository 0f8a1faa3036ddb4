// SPDX-License-Identifier: Apache-2.0
#include "base/pages.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace pygbt {

#if defined(__linux__)

void* map_small_pages(std::size_t bytes) {
  void* const mapped = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  return mapped;
}

void unmap_small_pages(void* memory, std::size_t bytes) { munmap(memory, bytes); }

#else

void* map_small_pages(std::size_t bytes) { return ::operator new(bytes); }

void unmap_small_pages(void* memory, std::size_t) { ::operator delete(memory); }

#endif

}  // namespace pygbt
