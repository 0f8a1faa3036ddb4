// SPDX-License-Identifier: Apache-2.0
// Long calls that Ctrl-C ends, and that tell Python how far they are.
#pragma once

#include <pybind11/pybind11.h>

#include <cstdint>

#include "base/progress.h"

namespace pygbt::bindings {

// work(Progress&), without the GIL. tell: a callable of what is done, or None; what it raises, or a signal, ends the work.
template <class Work>
auto told(const pybind11::object& tell, const Work& work) {
  Progress progress([&tell](std::int64_t done) {
    const pybind11::gil_scoped_acquire acquire;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    if (!tell.is_none()) tell(done);
  });
  const pybind11::gil_scoped_release release;
  return progress.watch([&] { return work(progress); });
}

}  // namespace pygbt::bindings
