// SPDX-License-Identifier: Apache-2.0
// Typed errors of the core. The core never prints and never aborts; the bindings turn these into
// ValueError, RuntimeError, NotImplementedError and MemoryError (std::bad_alloc).
#pragma once

#include <charconv>
#include <stdexcept>
#include <string>

namespace pygbt {

// The caller's argument is wrong: the message names the argument and the remedy. Python: ValueError.
struct InvalidArgument : std::invalid_argument {
  using std::invalid_argument::invalid_argument;
};

// The model file or its arrays are damaged. Python: pygbt.ModelFileError (a ValueError).
struct CorruptModel : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// This build or backend cannot do it. Python: NotImplementedError.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline void require(bool condition, const std::string& message) {
  if (!condition) throw InvalidArgument(message);
}

// A number in a message, six digits. Not by a stream: those look up the locale, which fails in a process with a second
// C++ runtime (a core that a compiler linked statically, in a Python whose packages brought another).
inline std::string number(double value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::general, 6).ptr};
}

}  // namespace pygbt
