// SPDX-License-Identifier: Apache-2.0
// Typed errors of the core. The core never prints and never aborts; the bindings turn these into
// ValueError, RuntimeError, NotImplementedError and MemoryError (std::bad_alloc).
#pragma once

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

}  // namespace pygbt
