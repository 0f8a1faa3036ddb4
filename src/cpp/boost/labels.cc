// SPDX-License-Identifier: Apache-2.0
#include "boost/labels.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <stdexcept>
#include <vector>

#include "base/error.h"
#include "boost/queries.h"
#include "math/links.h"

namespace pygbt {
namespace {

[[noreturn]] void bad_label(const LossSpec& spec, std::int64_t row, double value, const std::string& rule) {
  throw InvalidArgument("label: " + objective_name(spec.objective) + " needs " + rule + "; row " + std::to_string(row) +
                        " holds " + number(value));
}

// First cell that `good` refuses; cells without label are left out.
template <class Good>
void check_cells(const LossSpec& spec, const Dataset& data, Good&& good, const std::string& rule) {
  for (std::int64_t row = 0; row < data.n_rows; ++row) {
    const float* labels = data.labels.data() + row * data.n_labels;
    for (std::int32_t k = 0; k < data.n_labels; ++k) {
      if (!std::isnan(labels[k]) && !good(labels[k])) bad_label(spec, row, static_cast<double>(labels[k]), rule);
    }
  }
}

void check_class_ids(const LossSpec& spec, const Dataset& data, std::int32_t n_classes) {
  const std::string range =
      n_classes == kMostClasses ? std::string("0, 1, 2, ... below 65536") : "0 .. " + std::to_string(n_classes - 1);
  check_cells(
      spec, data, [&](float y) { return y >= 0.0f && y < static_cast<float>(n_classes) && y == std::floor(y); },
      "class numbers " + range + " (or an array of shape (n, K))");
}

void check_probability_rows(const LossSpec& spec, const Dataset& data) {
  const std::string rule = "probabilities in [0, 1] where labels have shape (n, K)";
  check_cells(spec, data, [](float y) { return y >= 0.0f && y <= 1.0f; }, rule);
  for (std::int64_t row = 0; row < data.n_rows; ++row) {
    const float* labels = data.labels.data() + row * data.n_labels;
    const auto missing = std::count_if(labels, labels + data.n_labels, [](float y) { return std::isnan(y); });
    if (missing == data.n_labels) continue;
    if (missing > 0)
      throw InvalidArgument("label: softmax needs all probabilities of a row, or NaN for all; row " +
                            std::to_string(row) + " has both");
    double sum = 0.0;
    for (std::int32_t k = 0; k < data.n_labels; ++k) sum += static_cast<double>(labels[k]);
    if (!(std::fabs(sum - 1.0) <= kProbabilitySumTolerance)) {
      throw InvalidArgument("label: softmax needs rows of probabilities that sum to 1; row " + std::to_string(row) +
                            " sums to " + number(sum) + " (divide each row by its sum)");
    }
  }
}

// The values the objective can learn from, whatever K is.
void check_values(const LossSpec& spec, const Dataset& data, std::int32_t n_classes) {
  switch (spec.objective) {
    case Objective::kPoisson:
    case Objective::kTweedie:
      check_cells(spec, data, [](float y) { return y >= 0.0f && y <= kLargestLabel; }, "values >= 0");
      break;
    case Objective::kGamma:
      check_cells(spec, data, [](float y) { return y > 0.0f && y <= kLargestLabel; }, "values > 0");
      break;
    case Objective::kLogistic:
      check_cells(
          spec, data, [](float y) { return y >= 0.0f && y <= 1.0f; }, "labels in [0, 1] (0 and 1, or probabilities)");
      break;
    case Objective::kSoftmax:
      if (data.n_labels == 1) {
        check_class_ids(spec, data, n_classes);
      } else {
        check_probability_rows(spec, data);
      }
      break;
    case Objective::kOneVsRest:
      if (data.n_labels == 1) {
        check_class_ids(spec, data, n_classes);
      } else {
        check_cells(spec, data, [](float y) { return y >= 0.0f && y <= 1.0f; }, "labels in [0, 1]");
      }
      break;
    case Objective::kCustom:
      break;
    case Objective::kLambdarank:
    case Objective::kRankPairwise:
    case Objective::kRankXendcg:
      check_relevance(spec, data);
      break;
    default:
      check_cells(
          spec, data, [](float y) { return std::fabs(y) <= kLargestLabel; },
          "labels of magnitude at most 1e30 (rescale them)");
  }
}

std::int32_t largest_class(const Dataset& data, Communicator& comm) {
  float largest = 0.0f;
  for (const float y : data.labels) largest = std::max(largest, y);
  double all = static_cast<double>(largest);
  comm.allreduce_max(std::span<double>(&all, 1));
  return static_cast<std::int32_t>(all);
}

std::int32_t count_targets(const LossSpec& spec, std::int32_t n_classes, const Dataset& data, Communicator& comm) {
  const std::string name = objective_name(spec.objective);
  const std::int32_t levels = static_cast<std::int32_t>(spec.quantile_alpha.size());
  const std::int32_t n_columns = data.n_labels > 0 ? data.n_labels : data.n_teacher;
  switch (spec.objective) {
    case Objective::kSoftmax:
    case Objective::kOneVsRest: {
      if (data.n_labels == 0) {
        require(n_classes == 0 || n_classes == data.n_teacher, "n_classes is " + std::to_string(n_classes) +
                                                                   " but teacher has " +
                                                                   std::to_string(data.n_teacher) + " columns");
        return data.n_teacher;
      }
      if (data.n_labels > 1) {
        require(n_classes == 0 || n_classes == data.n_labels, "n_classes is " + std::to_string(n_classes) +
                                                                  " but label has " + std::to_string(data.n_labels) +
                                                                  " columns");
        return data.n_labels;
      }
      const std::int32_t k = n_classes > 0        ? n_classes
                             : data.n_teacher > 0 ? data.n_teacher
                                                  : largest_class(data, comm) + 1;
      require(k >= 2, "label: " + name + " needs at least two classes, all rows are of class 0");
      return k;
    }
    case Objective::kQuantile:
      require(levels == 1 || data.n_labels <= 1,
              "label: quantile with several quantile_alpha levels needs one label column, not " +
                  std::to_string(data.n_labels));
      return levels > 1 ? levels : n_columns;
    case Objective::kCustom:
      return n_classes > 1 && data.n_labels == 1 ? n_classes : data.n_labels;
    case Objective::kLogistic:
      require(n_classes <= 2, "n_classes: logistic has two classes; use objective='softmax' for more");
      return n_columns;
    default:
      require(n_classes <= 1, "n_classes belongs to softmax and one_vs_rest; the objective is " + name);
      return n_columns;
  }
}

// Among the weighted rows of all workers, for each target: labels that are positive, and such as are below 1, as far as
// the objective needs them.
void check_presence(const LossSpec& spec, const Dataset& data, Communicator& comm) {
  if (data.n_teacher > 0) return;  // it may speak of what the labels lack
  const auto k_targets = static_cast<std::size_t>(spec.n_targets);
  const bool ids = has_class_ids(spec, data);
  const auto n_columns = static_cast<std::size_t>(data.n_labels);
  if (!ids && spec.objective != Objective::kSoftmax && spec.objective != Objective::kLogistic &&
      link_of(spec.objective) != Link::kExp)
    return;
  std::vector<std::int64_t> positive(ids ? k_targets : n_columns), below_one(positive.size());
  std::size_t wanted = positive.size() + (ids ? 0 : n_columns);  // not seen yet
  const auto see = [&](std::int64_t& seen, bool here) {
    if (!here || seen != 0) return;
    seen = 1;
    --wanted;
  };
  for (std::int64_t row = 0; row < data.n_rows && wanted > 0; ++row) {
    if (data.weight(row) == 0) continue;
    const float* labels = data.labels.data() + row * data.n_labels;
    if (ids) {
      if (std::isnan(labels[0])) continue;
      see(positive[static_cast<std::size_t>(labels[0])], true);
      continue;
    }
    for (std::size_t k = 0; k < n_columns; ++k) {
      see(positive[k], labels[k] > 0.0f);
      see(below_one[k], labels[k] < 1.0f);
    }
  }
  comm.allreduce_sum(positive);
  comm.allreduce_sum(below_one);
  const std::string name = objective_name(spec.objective);
  if (ids || spec.objective == Objective::kSoftmax) {
    const auto seen = std::count_if(positive.begin(), positive.end(), [](std::int64_t n) { return n > 0; });
    require(seen >= 2, "label: " + name + " needs at least two classes, all rows of positive weight are of one class");
  }
  if (spec.objective == Objective::kLogistic && data.n_labels == 1) {
    require(positive[0] > 0 && below_one[0] > 0,
            "label: logistic needs two classes, all rows of positive weight hold " +
                std::string(positive[0] > 0 ? "1" : "0"));
  }
  if (link_of(spec.objective) == Link::kExp) {
    for (std::size_t k = 0; k < n_columns; ++k) {
      require(positive[k] > 0, "label: " + name + " needs a label above 0, column " + std::to_string(k) +
                                   " has none of positive weight");
    }
  }
}

// Labels of every task by the rules of its objective; NaN is none.
void check_task_labels(const LossSpec& spec, const Dataset& data) {
  std::int32_t n_labels = 0;
  for (const TaskLoss& task : spec.tasks) n_labels = std::max(n_labels, task.first_label + task.n_labels);
  require(data.n_labels == n_labels,
          "label has " + std::to_string(data.n_labels) + " columns, the tasks need " + std::to_string(n_labels));
  for (std::size_t t = 0; t < spec.tasks.size(); ++t) {
    const TaskLoss& task = spec.tasks[t];
    LossSpec alone;
    alone.objective = task.objective == Objective::kEntireSpace ? Objective::kLogistic : task.objective;
    alone.n_targets = task.n_targets;
    Dataset labels;
    labels.n_rows = data.n_rows;
    labels.n_labels = task.n_labels;
    for (std::int64_t row = 0; row < data.n_rows; ++row) {
      const auto first = data.labels.begin() + row * data.n_labels + task.first_label;
      labels.labels.insert(labels.labels.end(), first, first + task.n_labels);
    }
    try {
      check_values(alone, labels, task.n_targets);
    } catch (const InvalidArgument& e) {
      throw InvalidArgument("task " + std::to_string(t) + ": " + e.what());
    }
  }
}

LossSpec resolve_tasks(LossSpec spec, const Dataset& data, Communicator& comm) {
  std::string error;
  try {
    require(!spec.tasks.empty(), "objective \"tasks\" needs at least one task");
    spec.n_targets = 0;
    for (const TaskLoss& task : spec.tasks) spec.n_targets += task.n_targets;
    check_task_labels(spec, data);
  } catch (const InvalidArgument& e) {
    error = e.what();
  }
  agree_on_argument(comm, error);
  require(data.n_margins == 0 || data.n_margins == spec.n_targets, "base_margin has " + std::to_string(data.n_margins) +
                                                                       " columns but the tasks have " +
                                                                       std::to_string(spec.n_targets) + " targets");
  return spec;
}

void check_margin_columns(const LossSpec& spec, const Dataset& data) {
  require(data.n_margins == 0 || data.n_margins == spec.n_targets, "base_margin has " + std::to_string(data.n_margins) +
                                                                       " columns but the model has " +
                                                                       std::to_string(spec.n_targets) + " outputs");
}

}  // namespace

std::string objective_name(Objective objective) {
  return std::string(kObjectiveNames[static_cast<std::size_t>(objective)]);
}

bool has_class_ids(const LossSpec& spec, const Dataset& data) {
  return data.n_labels == 1 && (spec.objective == Objective::kSoftmax || spec.objective == Objective::kOneVsRest);
}

void agree_on_argument(Communicator& comm, const std::string& error) {
  if (comm.size() > 1) {
    try {
      comm.agree(error);
    } catch (const std::runtime_error& e) {
      throw InvalidArgument(e.what());
    }
  }
  require(error.empty(), error);
}

LossSpec resolve_labels(LossSpec spec, std::int32_t n_classes, const Dataset& data, Communicator& comm) {
  if (spec.objective == Objective::kTasks) return resolve_tasks(std::move(spec), data, comm);
  std::string error;
  try {
    require(data.n_labels + data.n_teacher > 0, "label: training needs labels, the Dataset has none");
    require(n_classes <= kMostClasses, "n_classes: at most " + std::to_string(kMostClasses) + " classes");
    const std::int32_t most =
        data.n_teacher > 0 && spec.objective != Objective::kLogistic ? data.n_teacher : kMostClasses;
    check_values(spec, data, n_classes > 0 ? n_classes : most);
  } catch (const InvalidArgument& e) {
    error = e.what();
  }
  agree_on_argument(comm, error);
  spec.n_targets = count_targets(spec, n_classes, data, comm);
  spec.soft_labels = spec.objective == Objective::kSoftmax && data.n_labels > 1;
  check_margin_columns(spec, data);
  check_presence(spec, data, comm);
  return spec;
}

void check_labels(const LossSpec& spec, const Dataset& data) {
  const std::string name = objective_name(spec.objective);
  const std::string targets = std::to_string(spec.n_targets);
  check_margin_columns(spec, data);
  if (spec.objective == Objective::kTasks) return check_task_labels(spec, data);
  require(data.n_labels > 0, "label: this Dataset has no labels");
  const bool one_label_for_all =
      data.n_labels == 1 && (has_class_ids(spec, data) || spec.objective == Objective::kCustom ||
                             (spec.objective == Objective::kQuantile && spec.quantile_alpha.size() > 1));
  require(one_label_for_all || data.n_labels == spec.n_targets,
          "label has " + std::to_string(data.n_labels) + " columns but " + name + " was set up for " + targets);
  check_values(spec, data, spec.n_targets);
}

}  // namespace pygbt
