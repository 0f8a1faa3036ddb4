// SPDX-License-Identifier: Apache-2.0
// pygbt._core.probe, ranking: gradients and metrics of one query on arrays, for the tests.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "boost/queries.h"
#include "math/query_metrics.h"
#include "math/rank_loss.h"
#include "params/params.h"

namespace py = pybind11;

namespace {

using namespace pygbt;
template <class T>
using Array = py::array_t<T, py::array::c_style | py::array::forcecast>;
template <class T>
using Maybe = std::optional<Array<T>>;

template <class T>
const T* data_of(const Maybe<T>& array) {
  return array ? array->data() : nullptr;
}

QueryRows query_of(const Array<float>& scores, const Maybe<float>& labels, const Maybe<float>& teacher,
                   const Maybe<std::uint32_t>& weights, std::uint64_t first_row) {
  QueryRows query;
  query.scores = scores.data();
  query.labels = data_of(labels);
  query.teacher = data_of(teacher);
  query.weights = data_of(weights);
  query.first_row = first_row;
  query.n = static_cast<std::int32_t>(scores.size());
  return query;
}

std::pair<py::array_t<float>, py::array_t<float>> gradient(const Params& params, const Array<float>& scores,
                                                           const Maybe<float>& labels, const Maybe<float>& teacher,
                                                           const Maybe<std::uint32_t>& weights, float alpha,
                                                           float temperature, std::uint32_t iteration,
                                                           std::uint64_t first_row) {
  RankSpec spec = rank_spec(params);
  spec.iteration = iteration;
  const QueryRows query = query_of(scores, labels, teacher, weights, first_row);
  std::vector<std::uint64_t> memory(static_cast<std::size_t>(query.n) * RankScratch::kBytes / sizeof(std::uint64_t));
  py::array_t<float> g(scores.size()), h(scores.size());
  rank_gradient(params.objective, spec, query, RankMix{alpha, temperature}, RankScratch::of(memory.data(), query.n),
                g.mutable_data(), h.mutable_data());
  return {g, h};
}

std::pair<double, std::uint32_t> metric(const std::string& name, const std::string& gain, std::int32_t first,
                                        const Array<float>& scores, const Array<float>& labels,
                                        const Maybe<std::uint32_t>& weights) {
  const auto known_gain = parse_enum<LambdarankGain>(gain);
  require(known_gain.has_value() && (name == "ndcg" || name == "map" || name == "mrr"), "unknown metric or gain");
  const QueryMetric kind =
      name == "ndcg" ? QueryMetric::kNdcg : (name == "map" ? QueryMetric::kMap : QueryMetric::kMrr);
  std::vector<std::uint64_t> keys(static_cast<std::size_t>(scores.size()));
  const QueryValue found =
      query_value(kind, *known_gain, first, query_of(scores, labels, std::nullopt, weights, 0), keys.data());
  return {found.value, found.weight};
}

}  // namespace

void bind_probe_rank(py::module_& probe) {
  using namespace py::literals;
  probe.def("rank_gradient", &gradient, "params"_a, "scores"_a, "labels"_a = py::none(), "teacher"_a = py::none(),
            "weights"_a = py::none(), "alpha"_a = 0.5f, "temperature"_a = 1.0f, "iteration"_a = 0, "first_row"_a = 0);
  probe.def("query_metric", &metric, "name"_a, "gain"_a, "first"_a, "scores"_a, "labels"_a, "weights"_a = py::none());
}
