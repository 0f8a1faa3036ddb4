// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>

#include "comm/communicator.h"

namespace pygbt {

void Solo::agree(const std::string& error) {
  if (!error.empty()) throw std::runtime_error(error);
}

}  // namespace pygbt
