// SPDX-License-Identifier: Apache-2.0
// Rows of split nodes to their children, all nodes of a step in at most two dispatches: route (which side, how many),
// then scatter where a node has several runs. Children live in the other row buffer at the place of their parent, so
// nothing is copied back; the rows of final cuts get the marks of their leaves instead:
//
//   buffer a   ... [ parent: rows in order            ] ...
//   buffer b   ... [ left child      | right child    ] ...
#include <algorithm>
#include <limits>

#include "backend/cpu_backend.h"
#include "backend/isa_dispatch.h"
#include "base/error.h"
#include "base/pool.h"

namespace pygbt {

namespace {

constexpr std::int64_t kRunRows = 32768;
constexpr std::int64_t kSerialRows = 8192;  // fewer rows are not worth a dispatch
constexpr std::int64_t kSideRows = 16;  // rows of a word of sides

struct Run {
  std::size_t cut;
  std::int64_t begin, end;  // rows of the node
  std::size_t sides;        // first word of its sides
  std::int64_t n_left = 0;
};

}  // namespace

void CpuBackend::partition(std::span<const NodeCut> cuts, std::span<std::int64_t> out_left_counts) {
  std::vector<Run> runs;
  std::int64_t total = 0;
  std::size_t n_words = 0;
  NodeId last = 0;
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const std::int64_t count = rows_at(cuts[i].node).count;
    const std::int64_t pieces = std::max<std::int64_t>(1, (count + kRunRows - 1) / kRunRows);
    for (std::int64_t p = 0; p < pieces; ++p) {
      const std::int64_t begin = count * p / pieces, end = count * (p + 1) / pieces;
      runs.push_back({i, begin, end, n_words});
      n_words += static_cast<std::size_t>((end - begin + kSideRows - 1) / kSideRows);
    }
    total += count;
    last = std::max(last, cuts[i].left + 1);
  }
  if (sides_.size() < n_words) sides_.resize(n_words);
  if (nodes_.size() <= static_cast<std::size_t>(last)) nodes_.resize(static_cast<std::size_t>(last) + 1);
  for (auto& rows : rows_) rows.resize(static_cast<std::size_t>(n_rows_));
  if (in_order_)
    for (auto& buffer : gradients_) buffer.resize(static_cast<std::size_t>(n_rows_ * gradient_bytes()));
  const int n_threads = total < kSerialRows ? 1 : n_threads_;
  const auto n_runs = static_cast<std::int64_t>(runs.size());
  const auto scatter = [&](const Run& run, std::int64_t left, std::int64_t right) {
    const NodeRows& node = rows_at(cuts[run.cut].node);
    left += node.begin;
    right += node.begin;
    ScatterTask task;
    task.sides = sides_.data() + run.sides;
    task.n = run.end - run.begin;
    task.first_row = static_cast<RowId>(node.begin + run.begin);
    task.from = node.consecutive ? nullptr : rows(node) + run.begin;
    task.left = rows_[1 - node.buffer].data() + left;
    task.right = rows_[1 - node.buffer].data() + right;
    kernels().scatter4(task);
    if (!in_order_) return;
    const std::int64_t bytes = gradient_bytes();
    task.from = gradients(node, run.begin);
    task.left = gradients_[1 - node.buffer].data() + left * bytes;
    task.right = gradients_[1 - node.buffer].data() + right * bytes;
    wide_ ? kernels().scatter8(task) : kernels().scatter4(task);
  };
  const auto mark = [&](const Run& run) {
    const NodeRows& node = rows_at(cuts[run.cut].node);
    MarkTask task;
    task.sides = sides_.data() + run.sides;
    task.rows = node.consecutive ? nullptr : rows(node) + run.begin;
    task.first_row = static_cast<RowId>(node.begin + run.begin);
    task.n = run.end - run.begin;
    task.left = static_cast<std::uint32_t>(cuts[run.cut].left) + 1;
    task.right = task.left + 1;
    task.marks = marks_.data();
    kernels().mark_rows[mark_type_](task);
  };

  bool again = false;  // some node has several runs: where they go is known when all are routed
  for (std::size_t r = 1; r < runs.size(); ++r) again = again || (runs[r].begin > 0 && !cuts[runs[r].cut].final);
  parallel_for(n_threads, n_runs, [&](std::int64_t r, int) {
    Run& run = runs[static_cast<std::size_t>(r)];
    const NodeCut& cut = cuts[run.cut];
    const NodeRows& node = rows_at(cut.node);
    const BinColumn column = data_->column(cut.split->feature);
    PartitionTask task;
    task.column = column.data;
    task.two_byte = column.two_byte;
    task.bin = cut.split->bin;
    task.missing_left = cut.split->missing_left;
    task.gatherable = n_rows_ <= std::numeric_limits<std::int32_t>::max();
    if (cut.split->categorical) {
      task.left_bins = cut.split->left_bins.data();
      task.left_words = static_cast<std::int32_t>(cut.split->left_bins.size());
    }
    if (node.consecutive)
      task.first_row = static_cast<RowId>(node.begin + run.begin);
    else
      task.rows = rows(node) + run.begin;
    task.n = run.end - run.begin;
    run.n_left = kernels().route(task, sides_.data() + run.sides);
    if (cut.final)
      mark(run);
    else if (task.n == node.count)
      scatter(run, 0, run.n_left);
  });

  // Runs of a node are consecutive: where each run's left and right rows go.
  std::vector<std::int64_t> left_at(runs.size()), right_at(runs.size()), n_left(cuts.size(), 0);
  for (std::size_t r = 0; r < runs.size(); ++r) {
    left_at[r] = n_left[runs[r].cut];
    n_left[runs[r].cut] += runs[r].n_left;
  }
  for (std::size_t r = 0; r < runs.size(); ++r) right_at[r] = n_left[runs[r].cut] + runs[r].begin - left_at[r];
  if (again) {
    parallel_for(n_threads, n_runs, [&](std::int64_t r, int) {
      const auto at = static_cast<std::size_t>(r);
      const Run& run = runs[at];
      if (!cuts[run.cut].final && run.end - run.begin < rows_at(cuts[run.cut].node).count)
        scatter(run, left_at[at], right_at[at]);
    });
  }

  for (std::size_t i = 0; i < cuts.size(); ++i) {
    const NodeRows node = rows_at(cuts[i].node);
    const int buffer = 1 - node.buffer;
    const bool final = cuts[i].final;
    rows_at(cuts[i].left) = {node.begin, n_left[i], buffer, false, final};
    rows_at(cuts[i].left + 1) = {node.begin + n_left[i], node.count - n_left[i], buffer, false, final};
    out_left_counts[i] = n_left[i];
  }
  comm_->allreduce_sum(out_left_counts);
}

}  // namespace pygbt
