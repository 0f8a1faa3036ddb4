// SPDX-License-Identifier: Apache-2.0
// What the module needs of the backend, without CUDA's headers. Called by bind.cc.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "backend/backend.h"
#include "backend/walker.h"
#include "data/device_bins.h"

namespace pygbt::device {

// The caller owns them.
Backend* make_cuda_backend(int ordinal);
Walker* make_cuda_walker(int ordinal);
DeviceBinner* make_cuda_binner(int ordinal);

// Devices of this machine, and their names by ordinal. Throw Unsupported where there is no driver.
int n_devices();
std::vector<std::string> device_names();

// Updates a second of histogram cells in shared memory; skewed: nearly all to one bin of a feature.
struct AtomicsRate {
  std::string kind;
  bool skewed = false;
  double updates_per_second = 0.0;
};
std::vector<AtomicsRate> probe_atomics(int ordinal, std::int64_t updates_of_a_thread);

// Seconds that the stages of making bins took since the last call; from now on they are timed, or not.
std::map<std::string, double> time_stages(bool timed);

std::int64_t free_bytes(int ordinal);  // of a device, for all processes
std::int64_t allocated_bytes();  // in all buffers of the process
// The most that they held since the last call; from now on it is counted anew.
std::int64_t take_peak_bytes();
std::int64_t waits();            // times that the process waited for a device

}  // namespace pygbt::device
