// SPDX-License-Identifier: Apache-2.0
// The roots of a round's trees: they grow on the same rows, so the first of them adds up the gradients of all in one
// pass over the bins, and the others find their histogram made.
#include <utility>
#include <vector>

#include "backend/cpu_backend.h"

namespace pygbt {

namespace {
// So few trees are faster one by one: a pass over all takes as long as two or three of one target, and where rows are
// drawn it gathers the gradients of each target by itself.
constexpr std::int32_t kFewestTrees = 3;
constexpr std::int32_t kFewestTreesDrawn = 6;
}  // namespace

// Makes the histograms of the roots of this tree and those that follow it in the round, unless that has been done. The
// gradients are not yet taken by the tree.
void CpuBackend::make_round_roots() {
  if (request_.width != 1 || !packable_ || same_round(request_)) return;
  forget_round();
  const std::int32_t n = request_.trees_after + 1;
  if (n < (rows_at(0).consecutive ? kFewestTrees : kFewestTreesDrawn) || !keeps_narrow()) return;
  std::vector<const NarrowGradient*> gradients;
  for (std::int32_t k = 0; k < n; ++k) gradients.push_back(narrow_target(request_.first_target + k).rows());
  round_ = request_;
  std::vector<Histogram*> out;
  for (std::int32_t k = 0; k < n; ++k) {
    round_roots_.push_back(take_spare(packs(0)));
    out.push_back(round_roots_.back().get());
  }
  root_histograms(gradients, out);
}

bool CpuBackend::same_round(const TreeRequest& request) const {
  const auto k = static_cast<std::size_t>(request.first_target - round_.first_target);
  return k < round_roots_.size() && request.seed == round_.seed && request.iteration == round_.iteration &&
         request.subsample == round_.subsample && request.count_rows == round_.count_rows;
}

// The root's histogram of the tree at hand, if it was made with those of its round.
bool CpuBackend::take_round_root() {
  if (request_.width != 1 || !packable_ || !same_round(request_)) return false;
  auto& root = round_roots_[static_cast<std::size_t>(request_.first_target - round_.first_target)];
  if (root == nullptr) return false;
  if (histograms_.empty()) histograms_.resize(1);
  if (histograms_[0]) spare_.push_back(std::move(histograms_[0]));
  histograms_[0] = std::move(root);
  return true;
}

void CpuBackend::forget_round() {
  for (auto& root : round_roots_)
    if (root) spare_.push_back(std::move(root));
  round_roots_.clear();
}

}  // namespace pygbt
