// SPDX-License-Identifier: Apache-2.0
#include "base/huge_pages.h"

#include <cstdint>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace pygbt {

#if defined(__linux__)

namespace {

std::size_t whole_pages(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (bytes + page - 1) / page * page;
}

}  // namespace

// A huge page too much, of which what lies before and behind the aligned part is given back.
void* map_pages(std::size_t bytes) {
  const std::size_t size = whole_pages(bytes);
  void* const mapped = mmap(nullptr, size + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  char* const first = static_cast<char*>(mapped);
  const std::size_t before = (kHugePage - reinterpret_cast<std::uintptr_t>(first) % kHugePage) % kHugePage;
  if (before > 0) munmap(first, before);
  munmap(first + before + size, kHugePage - before);
  madvise(first + before, size / kHugePage * kHugePage, MADV_HUGEPAGE);  // advice: small pages work as well
  return first + before;
}

void unmap_pages(void* memory, std::size_t bytes) { munmap(memory, whole_pages(bytes)); }

#else

void* map_pages(std::size_t bytes) { return ::operator new(bytes, std::align_val_t{kHugePage}); }

void unmap_pages(void* memory, std::size_t) { ::operator delete(memory, std::align_val_t{kHugePage}); }

#endif

}  // namespace pygbt
