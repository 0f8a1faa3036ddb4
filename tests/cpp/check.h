// SPDX-License-Identifier: Apache-2.0
// The C++ tests' own frame: TEST(name) registers a case, CHECK(...) records a failure and goes on, CHECK_EQ shows both
// sides, CHECK_THROWS(Type, statement) wants that exception. main.cc runs the cases, all or those whose name contains
// a given word.
#pragma once

#include <functional>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace pygbt::testing {

struct Case {
  std::string name;
  std::function<void()> body;
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

// Failures of the case that runs now.
inline int& failures() {
  static int count = 0;
  return count;
}

inline bool add_case(std::string name, std::function<void()> body) {
  cases().push_back({std::move(name), std::move(body)});
  return true;
}

inline void report(const char* file, int line, const std::string& what) {
  ++failures();
  std::cerr << file << ":" << line << ": " << what << "\n";
}

template <class A, class B>
void check_equal(const A& a, const B& b, const char* text, const char* file, int line) {
  if (a == b) return;
  report(file, line, std::string(text) + " differ");
  if constexpr (requires { std::cerr << a << b; }) std::cerr << "  left  " << a << "\n  right " << b << "\n";
}

}  // namespace pygbt::testing

#define TEST(name)                                                                                \
  static void test_##name();                                                                      \
  [[maybe_unused]] static const bool added_##name = pygbt::testing::add_case(#name, test_##name); \
  static void test_##name()

#define CHECK(...) ((__VA_ARGS__) ? void() : pygbt::testing::report(__FILE__, __LINE__, "not true: " #__VA_ARGS__))

#define CHECK_EQ(a, b) pygbt::testing::check_equal((a), (b), #a " and " #b, __FILE__, __LINE__)

#define CHECK_THROWS(Type, ...)                                                                  \
  do {                                                                                           \
    bool caught = false;                                                                         \
    try {                                                                                        \
      __VA_ARGS__;                                                                               \
    } catch (const Type&) {                                                                      \
      caught = true;                                                                             \
    }                                                                                            \
    if (!caught) pygbt::testing::report(__FILE__, __LINE__, "no " #Type " from: " #__VA_ARGS__); \
  } while (false)
