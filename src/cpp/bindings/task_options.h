// SPDX-License-Identifier: Apache-2.0
// Tasks and their sharing from Python dictionaries; unknown keys are errors.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "boost/sharing.h"
#include "math/softmax.h"
#include "params/params.h"

namespace pygbt::bindings {

// Takes the entries of a dictionary one by one.
class Options {
 public:
  Options(const pybind11::dict& given, std::string what) : given_(given), what_(std::move(what)) {}

  template <class T>
  void take(const char* key, T& field) {
    known_.insert(key);
    if (given_.contains(key)) field = pybind11::cast<T>(given_[key]);
  }
  template <class Enum>
  void take_name(const char* key, Enum& field) {
    std::string name;
    take(key, name);
    if (name.empty()) return;
    const auto names = enum_names(Enum{});
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] != name) continue;
      field = static_cast<Enum>(i);
      return;
    }
    throw InvalidArgument(what_ + ": " + key + " '" + name + "' is not known");
  }
  void finish() const {
    for (const auto& item : given_) {
      const auto key = pybind11::cast<std::string>(item.first);
      require(known_.contains(key), what_ + ": there is no option '" + key + "'");
    }
  }

 private:
  const pybind11::dict& given_;
  std::string what_;
  std::set<std::string> known_;
};

inline std::vector<TaskLoss> read_tasks(const std::vector<pybind11::dict>& given) {
  std::vector<TaskLoss> tasks;
  std::int32_t target = 0, label = 0;
  for (const pybind11::dict& of : given) {
    Options options(of, "task " + std::to_string(tasks.size()));
    TaskLoss task;
    SoftmaxHessian hessian = SoftmaxHessian::kAuto;
    options.take_name("objective", task.objective);
    options.take_name("hessian", hessian);
    options.take_name("match", task.match);
    options.take("n_targets", task.n_targets);
    options.take("n_labels", task.n_labels);
    options.take("weight", task.weight);
    options.take("alpha", task.alpha);
    options.take("temperature", task.temperature);
    options.take("bound", task.bound);
    options.take("scale_t2", task.scale_t2);
    options.take("huber_delta", task.huber_delta);
    options.take("tweedie_power", task.tweedie_power);
    options.take("scale_pos_weight", task.scale_pos_weight);
    options.take("quantile_level", task.quantile_level);
    options.finish();
    const std::string name = "task " + std::to_string(tasks.size());
    require(task.objective != Objective::kCustom && task.objective != Objective::kTasks,
            name + ": objective must be a loss");
    require(task.n_targets >= 1 && (task.n_labels == 1 || task.n_labels == task.n_targets),
            name + ": n_labels must be 1 or n_targets");
    const bool entire = task.objective == Objective::kEntireSpace;
    require(!entire || (task.n_targets == 2 && task.n_labels == 2), name + ": entire_space has two targets and labels");
    require(task.objective != Objective::kSoftmax || task.n_targets >= 2, name + ": softmax needs two classes or more");
    const bool by_class = task.objective == Objective::kSoftmax || task.objective == Objective::kOneVsRest;
    require(by_class || entire || task.n_labels == task.n_targets, name + ": needs a label column a target");
    require(task.weight > 0.0f && task.weight < 1e30f, name + ": weight must be positive and finite");
    require(task.alpha >= 0.0f && task.alpha <= 1.0f, name + ": alpha must lie between 0 and 1");
    require(task.temperature > 0.0f && task.temperature < 1e6f, name + ": temperature must be positive");
    require(task.quantile_level > 0.0 && task.quantile_level < 1.0, name + ": quantile_level must lie in (0, 1)");
    require(task.huber_delta > 0.0f && task.scale_pos_weight > 0.0f && task.bound >= 0.0f &&
                task.tweedie_power > 1.0f && task.tweedie_power < 2.0f,
            name + ": huber_delta, scale_pos_weight, bound or tweedie_power is out of range");
    task.hessian = resolve_hessian(hessian);
    task.first_target = target;
    task.first_label = label;
    target += task.n_targets;
    label += task.n_labels;
    tasks.push_back(task);
  }
  return tasks;
}

inline Sharing read_sharing(const pybind11::dict& given) {
  Options options(given, "sharing");
  Sharing sharing;
  std::string share = "tree", kind = "random_projection";
  options.take("share", share);
  options.take("stem_depth", sharing.stem_depth);
  options.take("own_reg_lambda", sharing.own_reg_lambda);
  options.take("balance", sharing.balance);
  options.take("sketch", sharing.sketch);
  options.take("sketch_kind", kind);
  options.take("feature_penalty", sharing.feature_penalty);
  options.take("report", sharing.report);
  options.finish();
  require(share == "tree" || share == "none" || share == "stem" || share == "residual",
          "share must be 'tree', 'none', 'stem' or 'residual', got '" + share + "'");
  sharing.share = share == "tree"   ? Share::kTree
                  : share == "none" ? Share::kNone
                  : share == "stem" ? Share::kStem
                                    : Share::kResidual;
  require(kind == "random_projection" || kind == "top_outputs",
          "sketch_kind must be 'random_projection' or 'top_outputs', got '" + kind + "'");
  sharing.sketch_kind = kind == "top_outputs" ? SketchKind::kTopOutputs : SketchKind::kRandomProjection;
  require(sharing.sketch >= 0, "sketch must be at least 0");
  require(sharing.feature_penalty >= 0.0, "feature_penalty must be at least 0");
  require(!sharing.own_reg_lambda || *sharing.own_reg_lambda >= 0.0, "own_reg_lambda must be at least 0");
  return sharing;
}

}  // namespace pygbt::bindings
