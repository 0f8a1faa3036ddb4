// SPDX-License-Identifier: Apache-2.0
#include "emulated/recording.h"

#include <stdexcept>
#include <utility>

namespace pygbt::device {

void Recording::end() {
  if (++n_runs_ == 2) recorded_ = now_;
  if (n_runs_ <= 2 || now_ == recorded_) return;
  std::size_t i = 0;
  while (i < now_.size() && i < recorded_.size() && now_[i] == recorded_[i]) ++i;
  const std::string kernel = i < now_.size() ? now_[i].c_str() : "none";
  throw std::logic_error("launch " + std::to_string(i) + " (" + kernel +
                         ") is not the one that a GPU has recorded and repeats");
}

}  // namespace pygbt::device
