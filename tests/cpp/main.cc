// SPDX-License-Identifier: Apache-2.0
// pygbt_tests [word...]: runs the cases whose name contains one of the words, all without words.
#include <algorithm>
#include <exception>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "check.h"

int main(int argc, char** argv) {
  using namespace pygbt::testing;
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  int passed = 0, failed = 0;
  for (const Case& test : cases()) {
    const auto named = [&](std::string_view word) { return test.name.find(word) != std::string::npos; };
    if (!words.empty() && std::none_of(words.begin(), words.end(), named)) continue;
    failures() = 0;
    try {
      test.body();
    } catch (const std::exception& error) {
      report(test.name.c_str(), 0, std::string("threw ") + error.what());
    }
    (failures() == 0 ? passed : failed) += 1;
    if (failures() > 0) std::cerr << "FAILED " << test.name << "\n";
  }
  std::cout << passed << " passed, " << failed << " failed\n";
  if (passed + failed == 0) std::cerr << "no test has such a name\n";
  return failed == 0 && passed > 0 ? 0 : 1;
}
