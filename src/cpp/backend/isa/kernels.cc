// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set with PYGBT_ISA_NAMESPACE set (CMakeLists.txt). Everything but table() has internal
// linkage, so code for one level can never be linked in for another.
#include <bit>
#include <utility>

#include "backend/kernels.h"
#include "backend/split_kernels.h"
#include "base/rng.h"
#include "math/impurity.h"
#include "math/quantise.h"
#include "math/route.h"
#include "math/sketch.h"
#include "math/softmax.h"
#include "math/task_loss.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace pygbt::PYGBT_ISA_NAMESPACE {

namespace {

#include "backend/isa/draws.inc"
#include "backend/isa/gradients.inc"
#include "backend/isa/histogram_cells.inc"
#include "backend/isa/histogram_packed.inc"
#include "backend/isa/histogram_sparse.inc"
#include "backend/isa/task_gradients.inc"

#include "backend/isa/histogram_lanes.inc"
#include "backend/isa/keys.inc"
#include "backend/isa/leaves.inc"
#include "backend/isa/route.inc"

#include "backend/isa/partition.inc"
#include "backend/isa/quantise.inc"
#include "backend/isa/sort.inc"
#include "backend/isa/split.inc"
#include "backend/isa/split_targets.inc"

#include "backend/isa/cuts.inc"

#include "backend/isa/categories.inc"

}  // namespace

Kernels table();
Kernels table() {
  Kernels k{};
  k.losses = {loss_loop<SquaredError>, loss_loop<AbsoluteError>, loss_loop<Huber>,   loss_loop<Quantile>,
              loss_loop<Poisson>,      loss_loop<Gamma>,         loss_loop<Tweedie>, loss_loop<LogisticLoss>};
  k.softmax = softmax_rows;
  k.tasks = task_rows;
  k.sketch = sketch_rows;
  k.histogram_packed = histogram_packed;
  k.histogram_packed_at[0] = histogram_packed_at<std::uint8_t>;
  k.histogram_packed_at[1] = histogram_packed_at<std::uint16_t>;
  k.sparse_packed = sparse_packed;
  k.sparse_cells[0] = sparse_cells<NarrowGradient>;
  k.sparse_cells[1] = sparse_cells<WideGradient>;
  k.pack_lanes[0] = pack_lanes<4>;
  k.pack_lanes[1] = pack_lanes<8>;
  k.pack_targets[0] = pack_targets<4>;
  k.pack_targets[1] = pack_targets<8>;
  k.histogram_lanes[0][0] = histogram_lanes<std::uint8_t, 4>;
  k.histogram_lanes[0][1] = histogram_lanes<std::uint8_t, 8>;
  k.histogram_lanes[1][0] = histogram_lanes<std::uint16_t, 4>;
  k.histogram_lanes[1][1] = histogram_lanes<std::uint16_t, 8>;
  k.sparse_lanes[0] = sparse_lanes<4>;
  k.sparse_lanes[1] = sparse_lanes<8>;
  k.histogram_cells[0][0] = histogram_cells<std::uint8_t, NarrowGradient>;
  k.histogram_cells[0][1] = histogram_cells<std::uint8_t, WideGradient>;
  k.histogram_cells[1][0] = histogram_cells<std::uint16_t, NarrowGradient>;
  k.histogram_cells[1][1] = histogram_cells<std::uint16_t, WideGradient>;
  k.extremes = extremes;
  k.sum_by_mark[0] = sum_by_mark<std::uint8_t>;
  k.sum_by_mark[1] = sum_by_mark<std::uint16_t>;
  k.sum_by_mark[2] = sum_by_mark<std::uint32_t>;
  k.add_by_mark[0] = add_by_mark<std::uint8_t>;
  k.add_by_mark[1] = add_by_mark<std::uint16_t>;
  k.add_by_mark[2] = add_by_mark<std::uint32_t>;
  k.mark_rows[0] = mark_rows<std::uint8_t>;
  k.mark_rows[1] = mark_rows<std::uint16_t>;
  k.mark_rows[2] = mark_rows<std::uint32_t>;
  k.route = route;
  k.scatter4 = scatter<std::uint32_t>;
  k.scatter8 = scatter<std::uint64_t>;
  k.quantise_narrow = quantise_rows<NarrowGradient, std::int16_t, std::uint16_t>;
  k.quantise_wide = quantise_rows<WideGradient, std::int32_t, std::int32_t>;
  k.interleave = interleave;
  k.split.scan_cuts[0][0] = scan_cuts<WideSums, ScanKind::kQuick>;
  k.split.scan_cuts[0][1] = scan_cuts<WideSums, ScanKind::kExact>;
  k.split.scan_cuts[1][0] = scan_cuts<PackedSums, ScanKind::kQuick>;
  k.split.scan_cuts[1][1] = scan_cuts<PackedSums, ScanKind::kExact>;
  k.split.add_cuts[0] = add_cuts<WideSums>;
  k.split.add_cuts[1] = add_cuts<PackedSums>;
  k.split.scan_targets = scan_targets;
  k.split.scan_categories[0] = scan_categories<WideSums>;
  k.split.scan_categories[1] = scan_categories<PackedSums>;
  k.keys = {bins_of_keys, cells_of_keys, keep_keys};
  k.cuts.count_classes[0][0] = count_classes<std::uint8_t, 1>;
  k.cuts.count_classes[0][1] = count_classes<std::uint8_t, 2>;
  k.cuts.count_classes[1][0] = count_classes<std::uint16_t, 1>;
  k.cuts.count_classes[1][1] = count_classes<std::uint16_t, 2>;
  k.cuts.count_values[0] = count_values<std::uint8_t>;
  k.cuts.count_values[1] = count_values<std::uint16_t>;
  k.cuts.class_cuts[0][0] = class_cuts<std::uint8_t, 1>;
  k.cuts.class_cuts[0][1] = class_cuts<std::uint8_t, 2>;
  k.cuts.class_cuts[1][0] = class_cuts<std::uint16_t, 1>;
  k.cuts.class_cuts[1][1] = class_cuts<std::uint16_t, 2>;
  k.cuts.value_cuts[0] = value_cuts<std::uint8_t>;
  k.cuts.value_cuts[1] = value_cuts<std::uint16_t>;
  k.cuts.count_joint[0] = count_joint<1>;
  k.cuts.count_joint[1] = count_joint<2>;
  k.cuts.fold_joint[0] = fold_joint<1>;
  k.cuts.fold_joint[1] = fold_joint<2>;
  k.cuts.joint_bits[0] = joint_bits<ClassCase>;
  k.cuts.joint_bits[1] = joint_bits<ValueCase>;
  k.cuts.best_class_cut = best_class_cut;
  k.cuts.best_value_cut = best_value_cut;
  k.sort_few = sort_few;
  k.draw_ahead = draw_ahead;
  k.draw_all = draw_all;
  return k;
}

}  // namespace pygbt::PYGBT_ISA_NAMESPACE
