// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <mutex>

#include "backend/backend.h"
#include "base/error.h"

namespace pygbt {

namespace {

struct Factories {
  std::mutex mutex;
  std::map<std::string, BackendFactory> by_device;
};

Factories& factories() {
  static Factories all;
  return all;
}

}  // namespace

void set_backend_factory(const std::string& device, BackendFactory factory) {
  const std::lock_guard lock(factories().mutex);
  factories().by_device[device] = factory;
}

std::unique_ptr<Backend> make_backend(const std::string& device, int ordinal) {
  if (device == "cpu") return make_cpu_backend();
  if (device == "naive") return make_naive_backend();
  BackendFactory factory = nullptr;
  {
    const std::lock_guard lock(factories().mutex);
    const auto found = factories().by_device.find(device);
    if (found != factories().by_device.end()) factory = found->second;
  }
  if (factory == nullptr)
    throw Unsupported("device=\"" + device + "\" is not part of this build, or not loaded; use device=\"cpu\"");
  return std::unique_ptr<Backend>(factory(ordinal));
}

}  // namespace pygbt
