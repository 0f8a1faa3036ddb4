// SPDX-License-Identifier: Apache-2.0
// Launches that are made again and again: a GPU records the second run of them and then repeats it, whatever the host has
// in mind by then. The emulator makes them anew and holds each run against the second one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <typeinfo>
#include <vector>

namespace pygbt::device {

class Recording {
 public:
  void begin() { now_.clear(); }
  // The next launch of this run, or fill of memory: all that it is made of.
  template <class Kernel>
  void add(std::int64_t n_blocks, int n_threads, std::size_t shared_bytes, const Kernel& kernel) {
    Kernel members;
    std::memcpy(static_cast<void*>(&members), &kernel, sizeof kernel);
    __builtin_clear_padding(&members);
    const std::int64_t numbers[] = {n_blocks, n_threads, static_cast<std::int64_t>(shared_bytes)};
    std::string launch = typeid(Kernel).name();
    launch.append(reinterpret_cast<const char*>(numbers), sizeof numbers);
    launch.append(reinterpret_cast<const char*>(&members), sizeof members);
    now_.push_back(std::move(launch));
  }
  // Throws std::logic_error if this run is not the recorded one.
  void end();

  // Whether it is a run that a GPU records or repeats: nothing but launches and fills may happen.
  bool repeats() const { return n_runs_ > 0; }

 private:
  int n_runs_ = 0;
  std::vector<std::string> recorded_, now_;
};

}  // namespace pygbt::device
