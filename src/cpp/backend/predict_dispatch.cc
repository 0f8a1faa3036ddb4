// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "backend/isa_dispatch.h"
#include "backend/predict_kernels.h"

namespace pygbt {

#if defined(__x86_64__)
namespace isa_v2 {
PredictKernels predict_table();
}
namespace isa_v3 {
PredictKernels predict_table();
}
namespace isa_v4 {
PredictKernels predict_table();
}
#else
namespace isa_portable {
PredictKernels predict_table();
}
#endif

namespace {

PredictKernels table_of(const std::string& level) {
#if defined(__x86_64__)
  if (level == "v4") return isa_v4::predict_table();
  if (level == "v3") return isa_v3::predict_table();
  return isa_v2::predict_table();
#else
  static_cast<void>(level);
  return isa_portable::predict_table();
#endif
}

}  // namespace

const PredictKernels& predict_kernels() {
  static const PredictKernels chosen = table_of(active_isa());
  return chosen;
}

}  // namespace pygbt
