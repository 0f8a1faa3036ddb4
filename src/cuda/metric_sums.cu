// SPDX-License-Identifier: Apache-2.0
// Exact sums of what rows contribute to a metric.
#include <algorithm>

#include "block.h"
#include "device.h"
#include "device_rows.h"
#include "limb_sums.h"

namespace pygbt::device {

namespace {

template <class Term>
struct SumKernel {
  Term term;
  RowsView rows;
  std::int64_t* out;  // [LimbSums::kWords], zero before

  PYGBT_KERNEL void operator()() const {
    const LimbSums sums{shared<std::int64_t>()};
    sums.clear();
    for (std::int64_t first = block() * n_threads(); first < rows.n_rows; first += row_step()) {  // by whole warps
      const std::int64_t row = first + thread();
      const std::uint32_t weight = row < rows.n_rows ? rows.weight(row) : 0u;
      sums.add_piece(weight == 0 ? ExactPiece{} : exact_piece(contribution(term, rows.at(row)), weight));
    }
    sums.flush(out);
  }
};

}  // namespace

ExactLimbs DeviceRows::sum(const MetricTermSpec& spec) {
  Buffer<float> softmax(device_);
  Buffer<double> levels(device_);
  Buffer<std::int64_t> out(device_);
  const RowsView rows = view(spec.shape.n_labels, reads_softmax(spec), softmax);
  const double* const given = spec.term == MetricTerm::kPinball ? levels.put(spec.levels) : nullptr;
  out.make_zero(LimbSums::kWords);
  visit_term(spec, given, [&]<class Term>(const Term& term) {
    launch(SumKernel<Term>{term, rows, out.data()}, rows.softmax != nullptr,
           LimbSums::shared_bytes(device_.policy().n_threads));
  });
  const std::vector<std::int64_t> words = out.get();
  ExactLimbs sum;
  std::copy_n(words.begin(), kExactLimbs, sum.limbs.begin());
  sum.not_finite = words[LimbSums::kNotFinite];
  return sum;
}

}  // namespace pygbt::device
