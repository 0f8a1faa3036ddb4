// SPDX-License-Identifier: Apache-2.0
// Large arrays begin on a huge page and may be read a little past their end, however often memory comes and goes.
#include "base/huge_pages.h"

#include <cstdint>
#include <numeric>
#include <vector>

#include "check.h"

using pygbt::HugeVector;

TEST(huge_vectors_keep_their_elements_and_begin_on_a_page) {
  for (int round = 0; round < 3; ++round) {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{4096}, pygbt::kHugePage - 64, pygbt::kHugePage - 63,
                                    pygbt::kHugePage, 3 * pygbt::kHugePage + 5}) {
      HugeVector<std::uint8_t> bytes_of(bytes);
      const auto address = reinterpret_cast<std::uintptr_t>(bytes_of.data());
      CHECK_EQ(address % (bytes + 64 < pygbt::kHugePage ? 64 : pygbt::kHugePage), 0u);
      std::iota(bytes_of.begin(), bytes_of.end(), static_cast<std::uint8_t>(round));
      const HugeVector<std::uint8_t> copy = bytes_of;
      bytes_of.resize(2 * bytes);  // moves
      std::size_t wrong = 0;
      for (std::size_t i = 0; i < bytes; ++i)
        wrong +=
            bytes_of[i] != static_cast<std::uint8_t>(static_cast<std::size_t>(round) + i) || copy[i] != bytes_of[i];
      CHECK_EQ(wrong, 0u);
    }
  }
}

TEST(huge_vectors_have_readable_slack) {
  for (const std::size_t n : {std::size_t{100}, pygbt::kHugePage / 4}) {
    const HugeVector<std::uint32_t> words(n, 7u);
    std::uint32_t last[2];
    __builtin_memcpy(last, reinterpret_cast<const char*>(words.data() + n) - 4, 4);
    CHECK_EQ(last[0], 7u);
    const volatile char* const past = reinterpret_cast<const char*>(words.data() + n);
    for (int i = 0; i < 64; ++i) (void)past[i];
  }
}
