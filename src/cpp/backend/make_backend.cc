// SPDX-License-Identifier: Apache-2.0
// Which backend a device has: the engine's own, or those of modules that have been loaded.
#include <map>
#include <mutex>

#include "backend/backend.h"
#include "backend/walker.h"
#include "base/error.h"
#include "data/device_bins.h"

namespace pygbt {

namespace {

struct Modules {
  std::mutex mutex;
  std::map<std::string, DeviceModule> by_device;
};

Modules& modules() {
  static Modules all;
  return all;
}

DeviceModule module_of(const std::string& device) {
  const std::lock_guard lock(modules().mutex);
  const auto found = modules().by_device.find(device);
  if (found == modules().by_device.end())
    throw Unsupported("device=\"" + device + "\" is not part of this build, or not loaded; use device=\"cpu\"");
  return found->second;
}

}  // namespace

void set_device_module(const std::string& device, const DeviceModule& module) {
  const std::lock_guard lock(modules().mutex);
  modules().by_device[device] = module;
}

std::unique_ptr<Backend> make_backend(const std::string& device, int ordinal) {
  if (device == "cpu") return make_cpu_backend();
  if (device == "naive") return make_naive_backend();
  return std::unique_ptr<Backend>(module_of(device).make_backend(ordinal));
}

std::unique_ptr<Walker> make_walker(const std::string& device, int ordinal) {
  return std::unique_ptr<Walker>(module_of(device).make_walker(ordinal));
}

std::unique_ptr<DeviceBinner> make_binner(const std::string& device, int ordinal) {
  return std::unique_ptr<DeviceBinner>(module_of(device).make_binner(ordinal));
}

}  // namespace pygbt
