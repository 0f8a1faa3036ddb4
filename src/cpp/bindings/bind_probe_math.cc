// SPDX-License-Identifier: Apache-2.0
// pygbt._core.probe, scalar mathematics: exp and log, losses, links, base scores, metrics, random bits on arrays, so
// that the tests can hold each against an oracle. Nothing in the package calls it.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/error.h"
#include "base/rng.h"
#include "boost/base_score.h"
#include "boost/exact_sum.h"
#include "boost/labels.h"
#include "boost/metric.h"
#include "comm/thread_comm.h"
#include "math/explog.h"
#include "math/links.h"
#include "math/log.h"
#include "math/losses.h"
#include "math/softmax.h"
#include "math/weighted_quantile.h"

namespace py = pybind11;

namespace {

using namespace pygbt;

template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;
using Weights = std::optional<Array<std::uint32_t>>;

template <class E>
E enum_from(const std::string& name) {
  const auto names = enum_names(E{});
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return static_cast<E>(i);
  }
  throw InvalidArgument("unknown name '" + name + "'");
}

// {"objective": ..., and any other field of LossSpec}
LossSpec spec_from(const py::dict& fields) {
  LossSpec spec;
  for (const auto& [key, value] : fields) {
    const auto name = key.cast<std::string>();
    if (name == "objective") {
      spec.objective = enum_from<Objective>(value.cast<std::string>());
    } else if (name == "softmax_hessian") {
      spec.hessian = enum_from<SoftmaxHessian>(value.cast<std::string>());
    } else if (name == "n_targets") {
      spec.n_targets = value.cast<std::int32_t>();
    } else if (name == "soft_labels") {
      spec.soft_labels = value.cast<bool>();
    } else if (name == "huber_delta") {
      spec.huber_delta = value.cast<float>();
    } else if (name == "tweedie_power") {
      spec.tweedie_power = value.cast<float>();
    } else if (name == "scale_pos_weight") {
      spec.scale_pos_weight = value.cast<float>();
    } else if (name == "quantile_alpha") {
      spec.quantile_alpha = value.cast<std::vector<double>>();
    } else {
      throw InvalidArgument("unknown field '" + name + "'");
    }
  }
  return spec;
}

// A table without features: labels (n, L) and fixed-point weights, rows [begin, end).
Dataset label_table(const Array<float>& labels, const Weights& weights, std::int64_t begin, std::int64_t end) {
  Dataset data;
  data.cuts = std::make_shared<Cuts>();
  data.n_rows = end - begin;
  data.first_row = begin;
  data.n_labels = static_cast<std::int32_t>(labels.shape(1));
  data.labels.assign(labels.data() + begin * labels.shape(1), labels.data() + end * labels.shape(1));
  if (weights) data.weights.assign(weights->data() + begin, weights->data() + end);
  for (std::int64_t row = 0; row < data.n_rows; ++row) data.total_weight += data.weight(row);
  return data;
}

// f(data, rows begin, communicator) on n_workers equal parts of the rows, each on its own thread; worker 0's answer.
template <class F>
auto on_workers(const Array<float>& labels, const Weights& weights, int n_workers, F&& f) {
  const std::int64_t n = labels.shape(0);
  using Result = decltype(f(std::declval<const Dataset&>(), std::int64_t{0}, std::declval<Communicator&>()));
  std::vector<Dataset> parts;
  for (int w = 0; w < n_workers; ++w)
    parts.push_back(label_table(labels, weights, n * w / n_workers, n * (w + 1) / n_workers));
  py::gil_scoped_release release;
  if (n_workers == 1) {
    Solo solo;
    return f(parts[0], std::int64_t{0}, static_cast<Communicator&>(solo));
  }
  auto group = std::make_shared<ThreadGroup>(n_workers);
  std::vector<std::optional<Result>> results(static_cast<std::size_t>(n_workers));
  std::vector<std::exception_ptr> errors(static_cast<std::size_t>(n_workers));
  {
    std::vector<std::jthread> threads;
    for (int w = 0; w < n_workers; ++w) {
      threads.emplace_back([&, w] {
        const auto i = static_cast<std::size_t>(w);
        try {
          ThreadComm comm(group, w);
          results[i] = f(parts[i], parts[i].first_row, static_cast<Communicator&>(comm));
        } catch (...) {
          errors[i] = std::current_exception();
        }
      });
    }
  }
  if (errors[0]) std::rethrow_exception(errors[0]);
  return *results[0];
}

template <class T, class F>
py::array_t<T> map_array(const Array<T>& x, F&& f) {
  py::array_t<T> out(x.size());
  const T* in = x.data();
  T* to = out.mutable_data();
  for (py::ssize_t i = 0; i < x.size(); ++i) to[i] = f(in[i]);
  return out.reshape(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
}

std::pair<py::array_t<float>, py::array_t<float>> gradients(const py::dict& loss, const Array<float>& scores,
                                                            const Array<float>& labels) {
  const LossSpec spec = spec_from(loss);
  const auto n_targets = static_cast<std::int32_t>(scores.shape(1));
  const auto n_labels = static_cast<std::int32_t>(labels.shape(1));
  py::array_t<float> g({scores.shape(0), scores.shape(1)}), h({scores.shape(0), scores.shape(1)});
  for (py::ssize_t row = 0; row < scores.shape(0); ++row) {
    const float* z = scores.data() + row * n_targets;
    const float* y = labels.data() + row * n_labels;
    float* g_row = g.mutable_data() + row * n_targets;
    float* h_row = h.mutable_data() + row * n_targets;
    if (spec.objective == Objective::kSoftmax) {
      softmax_gradient(z, y, n_labels > 1, n_targets, resolve_hessian(spec.hessian), g_row, h_row, 1);
      continue;
    }
    for (std::int32_t k = 0; k < n_targets; ++k) {
      const float label = elementwise_label(y, n_labels, k, one_hot_labels(spec, n_labels));
      const GradHess cell = visit_loss(spec, k, [&](auto f) { return f.gradient(z[k], label); });
      g_row[k] = cell.g;
      h_row[k] = cell.h;
    }
  }
  return {g, h};
}

// Unweighted loss of each row, summed over targets, at float64 scores.
py::array_t<double> losses(const py::dict& loss, const Array<double>& scores, const Array<float>& labels) {
  const LossSpec spec = spec_from(loss);
  const auto n_targets = static_cast<std::int32_t>(scores.shape(1));
  const auto n_labels = static_cast<std::int32_t>(labels.shape(1));
  py::array_t<double> out(scores.shape(0));
  for (py::ssize_t row = 0; row < scores.shape(0); ++row) {
    const double* z = scores.data() + row * n_targets;
    const float* y = labels.data() + row * n_labels;
    double sum = 0.0;
    if (spec.objective == Objective::kSoftmax) {
      sum = softmax_loss(z, y, n_labels > 1, n_targets);
    } else {
      for (std::int32_t k = 0; k < n_targets; ++k) {
        const auto label = static_cast<double>(elementwise_label(y, n_labels, k, one_hot_labels(spec, n_labels)));
        sum += visit_loss(spec, k, [&](auto f) { return f.loss(z[k], label); });
      }
    }
    out.mutable_data()[row] = sum;
  }
  return out;
}

py::array_t<float> link_values(const py::dict& loss, const Array<float>& margins) {
  const Link link = link_of(spec_from(loss).objective);
  const auto n_targets = static_cast<std::int32_t>(margins.shape(1));
  py::array_t<float> out({margins.shape(0), margins.shape(1)});
  std::copy(margins.data(), margins.data() + margins.size(), out.mutable_data());
  for (py::ssize_t row = 0; row < margins.shape(0); ++row)
    apply_link(link, out.mutable_data() + row * n_targets, n_targets);
  return out;
}

std::tuple<std::int32_t, bool> label_facts(const py::dict& loss, const Array<float>& labels, const Weights& weights,
                                           std::int32_t n_classes, int n_workers) {
  const LossSpec given = spec_from(loss);
  const LossSpec spec =
      on_workers(labels, weights, n_workers, [&](const Dataset& data, std::int64_t, Communicator& comm) {
        return resolve_labels(given, n_classes, data, comm);
      });
  return {spec.n_targets, spec.soft_labels};
}

py::array_t<float> base_score(const py::dict& loss, const Array<float>& labels, const Weights& weights,
                              std::optional<double> user, std::int32_t n_classes, int n_threads, int n_workers) {
  const LossSpec given = spec_from(loss);
  const std::vector<float> margins =
      on_workers(labels, weights, n_workers, [&](const Dataset& data, std::int64_t, Communicator& comm) {
        const LossSpec spec = resolve_labels(given, n_classes, data, comm);
        return base_scores(spec, data, user, comm, n_threads);
      });
  return py::array_t<float>(static_cast<py::ssize_t>(margins.size()), margins.data());
}

double metric(const std::string& name, const py::dict& loss, const Array<float>& margins, const Array<float>& labels,
              const Weights& weights, int n_threads, int n_workers, const std::string& device) {
  LossSpec spec = spec_from(loss);
  spec.n_targets = static_cast<std::int32_t>(margins.shape(1));
  if (device != "cpu") {
    const Dataset data = label_table(labels, weights, 0, labels.shape(0));
    const py::gil_scoped_release release;
    const auto backend = make_backend(device);
    auto* const rows = backend->add_evaluation_set(data, {margins.data(), static_cast<std::size_t>(margins.size())});
    require(rows != nullptr, "device='" + device + "' keeps no scores");
    Solo solo;
    check_metric_labels(name, spec, data, solo);
    return metric_value(name, spec, *rows, data, solo, n_threads);
  }
  const float* first = margins.data();
  const std::int64_t width = margins.shape(1);
  return on_workers(labels, weights, n_workers, [&](const Dataset& data, std::int64_t begin, Communicator& comm) {
    const auto count = static_cast<std::size_t>(data.n_rows * width);
    return evaluate_metric(name, spec, std::span<const float>(first + begin * width, count), data, comm, n_threads);
  });
}

double exact_sum(const Array<double>& values, const Weights& weights) {
  ExactSum sum;
  for (py::ssize_t i = 0; i < values.size(); ++i) sum.add(values.data()[i], weights ? weights->data()[i] : 1u);
  return sum.value();
}

}  // namespace

void bind_probe_math(py::module_& probe) {
  using namespace py::literals;
  probe.def("exp_f32", [](const Array<float>& x) { return map_array(x, [](float v) { return exp_f32(v); }); });
  probe.def("exp_f64", [](const Array<double>& x) { return map_array(x, [](double v) { return exp_f64(v); }); });
  probe.def("log_f64", [](const Array<double>& x) { return map_array(x, [](double v) { return log_f64(v); }); });
  probe.def("log2_of", [](const Array<double>& x) { return map_array(x, [](double v) { return log2_of(v); }); });
  probe.def("sigmoid_f32", [](const Array<float>& x) { return map_array(x, [](float v) { return sigmoid_f32(v); }); });
  probe.def("gradients", &gradients, "loss"_a, "scores"_a, "labels"_a);
  probe.def("losses", &losses, "loss"_a, "scores"_a, "labels"_a);
  probe.def("link_values", &link_values, "loss"_a, "margins"_a);
  probe.def("resolve_labels", &label_facts, "loss"_a, "labels"_a, "weights"_a = py::none(), "n_classes"_a = 0,
            "n_workers"_a = 1);
  probe.def(
      "check_labels",
      [](const py::dict& loss, const Array<float>& labels) {
        check_labels(spec_from(loss), label_table(labels, std::nullopt, 0, labels.shape(0)));
      },
      "loss"_a, "labels"_a);
  probe.def("base_score", &base_score, "loss"_a, "labels"_a, "weights"_a = py::none(), "user"_a = py::none(),
            "n_classes"_a = 0, "n_threads"_a = 1, "n_workers"_a = 1);
  probe.def("metric", &metric, "name"_a, "loss"_a, "margins"_a, "labels"_a, "weights"_a = py::none(), "n_threads"_a = 1,
            "n_workers"_a = 1, "device"_a = "cpu");
  probe.def("metric_names", &metric_names);
  probe.def("metric_larger_is_better", &metric_larger_is_better);
  probe.def("default_metric", [](const py::dict& loss) { return default_metric(spec_from(loss)); });
  probe.def("check_metric", [](const std::string& name, const py::dict& loss) { check_metric(name, spec_from(loss)); });
  probe.def("exact_sum", &exact_sum, "values"_a, "weights"_a = py::none());
  probe.def("quantile_rank",
            [](double alpha, std::uint64_t total) { return quantile_rank(quantile_level(alpha), total); });
  probe.def("philox", [](const std::array<std::uint32_t, 4>& c, const std::array<std::uint32_t, 2>& k) {
    const Philox out = philox4x32(c[0], c[1], c[2], c[3], k[0], k[1]);
    return std::array<std::uint32_t, 4>{out.x[0], out.x[1], out.x[2], out.x[3]};
  });
  probe.def("random_bits",
            [](std::uint64_t seed, std::uint32_t purpose, std::uint32_t iteration, std::uint64_t id,
               std::uint32_t sub) { return random_bits(seed, static_cast<Draw>(purpose), iteration, id, sub); });
}
