// SPDX-License-Identifier: Apache-2.0
// _core.probe.Backend: the operations of a backend one by one, on NumPy arrays, so that tests can hold one backend
// against another. Node ids and shapes are the caller's duty, as they are the grow loop's.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/error.h"
#include "bindings/arrays.h"
#include "comm/communicator.h"
#include "data/dataset.h"
#include "params/params.h"

namespace py = pybind11;

namespace {

using namespace pygbt;
using Integers = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;

// Cells [n][width] as an int64 array (n, width, 2) of (g, h).
py::array_t<std::int64_t> cells_array(const std::vector<Cell>& cells, std::size_t width) {
  std::vector<std::int64_t> flat;
  for (const Cell& cell : cells) {
    flat.push_back(cell.g);
    flat.push_back(cell.h);
  }
  return bindings::to_array(std::move(flat),
                            {static_cast<py::ssize_t>(cells.size() / width), static_cast<py::ssize_t>(width), 2});
}

std::vector<Cell> read_cells(const Integers& array) {
  require(array.size() % 2 == 0, "sums must hold (g, h) pairs");
  std::vector<Cell> cells(static_cast<std::size_t>(array.size() / 2));
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i] = {array.data()[2 * i], array.data()[2 * i + 1]};
  return cells;
}

py::array_t<double> units_array(const std::vector<CellUnits>& units) {
  std::vector<double> flat;
  for (const CellUnits& unit : units) {
    flat.push_back(unit.g);
    flat.push_back(unit.h);
  }
  return bindings::to_array(std::move(flat), {static_cast<py::ssize_t>(units.size()), 2});
}

// dict[key] into `field`, which keeps its default where the key is absent. Unknown keys are errors of the test.
class Fields {
 public:
  explicit Fields(const py::dict& dict) : dict_(dict) {}
  template <class T>
  Fields& read(const char* key, T& field) {
    if (dict_.contains(key)) {
      field = dict_[key].cast<T>();
      ++n_read_;
    }
    return *this;
  }
  void done() const { require(n_read_ == dict_.size(), "unknown key in " + std::string(py::repr(dict_))); }

 private:
  py::dict dict_;
  std::size_t n_read_ = 0;
};

SplitRules read_rules(const py::dict& dict) {
  SplitRules rules;
  std::vector<int> monotone;
  Fields(dict)
      .read("reg_lambda", rules.reg_lambda)
      .read("reg_alpha", rules.reg_alpha)
      .read("max_delta_step", rules.max_delta_step)
      .read("min_child_weight", rules.min_child_weight)
      .read("min_child_samples", rules.min_child_samples)
      .read("min_split_gain", rules.min_split_gain)
      .read("max_cat_to_onehot", rules.max_cat_to_onehot)
      .read("max_cat_threshold", rules.max_cat_threshold)
      .read("cat_smooth", rules.cat_smooth)
      .read("cat_l2", rules.cat_l2)
      .read("min_category_hessian", rules.min_category_hessian)
      .read("monotone", monotone)
      .done();
  for (const int sign : monotone) rules.monotone.push_back(static_cast<std::int8_t>(sign));
  return rules;
}

LossSpec read_loss(const py::dict& dict) {
  LossSpec loss;
  std::string objective = "squared_error", hessian = "auto";
  Fields(dict)
      .read("objective", objective)
      .read("softmax_hessian", hessian)
      .read("n_targets", loss.n_targets)
      .read("soft_labels", loss.soft_labels)
      .read("huber_delta", loss.huber_delta)
      .read("tweedie_power", loss.tweedie_power)
      .read("scale_pos_weight", loss.scale_pos_weight)
      .read("quantile_alpha", loss.quantile_alpha)
      .done();
  const auto known_objective = parse_enum<Objective>(objective);
  const auto known_hessian = parse_enum<SoftmaxHessian>(hessian);
  require(known_objective && known_hessian, "unknown objective or softmax_hessian");
  loss.objective = *known_objective;
  loss.hessian = *known_hessian;
  return loss;
}

// What a SplitQuery points into.
struct QueryData {
  NodeId node = 0;
  std::int64_t count = 0;
  std::vector<Cell> sums;
  std::vector<FeatureId> features;
  std::vector<double> lower, upper;

  SplitQuery query() const { return {node, sums, count, features, lower, upper}; }
};

QueryData read_query(const py::dict& dict) {
  QueryData data;
  Integers sums;
  Fields(dict)
      .read("node", data.node)
      .read("count", data.count)
      .read("sums", sums)
      .read("features", data.features)
      .read("lower", data.lower)
      .read("upper", data.upper)
      .done();
  data.sums = read_cells(sums);
  return data;
}

py::object split_dict(const Split& split) {
  if (!split.valid()) return py::none();
  py::dict out;
  out["gain"] = split.gain;
  out["feature"] = split.feature;
  out["bin"] = split.bin;
  out["missing_left"] = split.missing_left;
  out["categorical"] = split.categorical;
  out["left_bins"] = split.left_bins;
  out["left"] = cells_array(split.left, split.left.size())[py::int_(0)];
  return out;
}

// Only what a partition looks at; other keys of split_dict are ignored.
Split read_split(const py::dict& dict) {
  Split split;
  split.feature = dict["feature"].cast<FeatureId>();
  split.bin = dict["bin"].cast<Bin>();
  split.missing_left = dict["missing_left"].cast<bool>();
  split.categorical = dict["categorical"].cast<bool>();
  split.left_bins = dict["left_bins"].cast<std::vector<std::uint32_t>>();
  return split;
}

// nodes: a list of None (leaf, in leaf order) or (left, split dictionary).
BinnedTree read_tree(std::int32_t target, const py::list& nodes, const Floats& leaf_value) {
  require(leaf_value.ndim() == 2, "leaf_value must have shape (n_leaves, width)");
  BinnedTree tree;
  tree.target = target;
  tree.width = static_cast<std::int32_t>(leaf_value.shape(1));
  tree.leaf_value.assign(leaf_value.data(), leaf_value.data() + leaf_value.size());
  std::int32_t n_leaves = 0;
  for (const py::handle item : nodes) {
    BinnedNode& node = tree.nodes.emplace_back();
    if (item.is_none()) {
      node.left = ~n_leaves++;
      continue;
    }
    const auto [left, dict] = item.cast<std::pair<std::int32_t, py::dict>>();
    const Split split = read_split(dict);
    node.left = left;
    node.feature = split.feature;
    node.bin = split.bin;
    node.missing_left = split.missing_left;
    if (split.categorical) {
      node.cat_begin = static_cast<std::int32_t>(tree.cat_bits.size());
      node.cat_words = static_cast<std::int32_t>(split.left_bins.size());
      tree.cat_bits.insert(tree.cat_bits.end(), split.left_bins.begin(), split.left_bins.end());
    }
  }
  require(n_leaves == tree.n_leaves() && leaf_value.shape(0) == n_leaves, "leaf_value must have one row a leaf");
  return tree;
}

class ProbeBackend {
 public:
  ProbeBackend(const std::string& device, py::object dataset, std::int32_t n_targets, int n_threads)
      : dataset_(std::move(dataset)), n_targets_(n_targets), backend_(make_backend(device)) {
    const auto& data = dataset_.cast<const Dataset&>();
    const py::gil_scoped_release release;
    backend_->load(data, n_targets, comm_, n_threads);
  }

  void set_scores(const Floats& scores) { backend_->set_scores(span(scores)); }

  py::array_t<float> scores() const {
    const std::span<const float> scores = backend_->scores();
    return bindings::to_array(std::vector<float>(scores.begin(), scores.end()),
                              {static_cast<py::ssize_t>(scores.size()) / n_targets_, n_targets_});
  }

  void gradients(const py::dict& loss) {
    const LossSpec spec = read_loss(loss);
    const py::gil_scoped_release release;
    backend_->gradients(spec);
  }

  void set_gradients(const Floats& g, const Floats& h) { backend_->set_gradients(span(g), span(h)); }

  py::dict totals(std::int32_t target) {
    const LossTotals totals = backend_->totals(target);
    py::dict out;
    out["max_g"] = totals.max_g;
    out["max_h"] = totals.max_h;
    out["spread_g"] = totals.spread_g;
    out["mean_h"] = totals.mean_h;
    return out;
  }

  py::dict begin_tree(const py::dict& dict) {
    TreeRequest request;
    Fields(dict)
        .read("first_target", request.first_target)
        .read("width", request.width)
        .read("seed", request.seed)
        .read("iteration", request.iteration)
        .read("subsample", request.subsample)
        .read("wide", request.wide)
        .read("count_rows", request.count_rows)
        .read("max_nodes", request.max_nodes)
        .read("trees_after", request.trees_after)
        .done();
    require(request.first_target >= 0 && request.width >= 1 && request.first_target + request.width <= n_targets_,
            "first_target and width must lie within n_targets");
    width_ = static_cast<std::size_t>(request.width);
    RootStats root;
    {
      const py::gil_scoped_release release;
      root = backend_->begin_tree(request);
    }
    py::dict out;
    out["sums"] = cells_array(root.sums, width_)[py::int_(0)];
    out["count"] = root.count;
    out["weight"] = root.weight;
    out["units"] = units_array(root.units);
    out["leaf_units"] = units_array(root.leaf_units);
    return out;
  }

  void histograms(const std::vector<NodeId>& nodes) {
    const py::gil_scoped_release release;
    backend_->histograms(nodes);
  }

  void subtract(const std::vector<std::array<NodeId, 3>>& triples) {
    std::vector<SiblingPair> pairs;
    for (const auto& [parent, built, derived] : triples) pairs.push_back({parent, built, derived});
    const py::gil_scoped_release release;
    backend_->subtract(pairs);
  }

  void release(const std::vector<NodeId>& nodes) { backend_->release(nodes); }

  py::array_t<std::int64_t> histogram_of(NodeId node) const {
    return cells_array(backend_->histogram_of(node), width_);
  }

  std::vector<std::vector<FeatureId>> histogram_slots() const { return backend_->histogram_slots(); }

  py::list best_splits(const py::dict& rules_dict, const py::list& dicts, bool shared) {
    const SplitRules rules = read_rules(rules_dict);
    std::vector<QueryData> data;
    for (const py::handle dict : dicts) data.push_back(read_query(py::reinterpret_borrow<py::dict>(dict)));
    std::vector<SplitQuery> queries;
    for (const QueryData& query : data) queries.push_back(query.query());
    std::vector<Split> splits(queries.size());
    {
      const py::gil_scoped_release release;
      backend_->best_splits(rules, queries, shared, splits);
    }
    py::list out;
    for (const Split& split : splits) out.append(split_dict(split));
    return out;
  }

  std::vector<std::int64_t> partition(const py::list& triples) {
    std::vector<Split> splits;
    std::vector<NodeCut> cuts;
    for (const py::handle item : triples) {
      const auto [node, left, split] = item.cast<std::tuple<NodeId, NodeId, py::dict>>();
      splits.push_back(read_split(split));
      cuts.push_back({node, left, nullptr});
    }
    for (std::size_t i = 0; i < cuts.size(); ++i) cuts[i].split = &splits[i];
    std::vector<std::int64_t> left_counts(cuts.size());
    const py::gil_scoped_release release;
    backend_->partition(cuts, left_counts);
    return left_counts;
  }

  py::array_t<RowId> rows_of(NodeId node) const { return bindings::to_array(backend_->rows_of(node)); }

  py::array_t<std::int64_t> leaf_sums(const std::vector<NodeId>& leaves) {
    std::vector<Cell> out(leaves.size() * width_);
    {
      const py::gil_scoped_release release;
      backend_->leaf_sums(leaves, out);
    }
    return cells_array(out, width_);
  }

  py::array_t<float> leaf_quantiles(const std::vector<NodeId>& leaves, std::int32_t target, double alpha) {
    std::vector<float> out(leaves.size());
    backend_->leaf_quantiles(leaves, target, alpha, out);
    return bindings::to_array(std::move(out));
  }

  void add_scores(std::int32_t target, const py::list& nodes, const Floats& leaf_value,
                  const std::vector<NodeId>& leaf_nodes) {
    const BinnedTree tree = read_tree(target, nodes, leaf_value);
    const py::gil_scoped_release release;
    backend_->add_scores(tree, leaf_nodes);
  }

 private:
  static std::span<const float> span(const Floats& array) {
    return {array.data(), static_cast<std::size_t>(array.size())};
  }

  py::object dataset_;  // outlives the backend
  std::int32_t n_targets_;
  std::size_t width_ = 1;  // of the tree being grown
  Solo comm_;
  std::unique_ptr<Backend> backend_;
};

}  // namespace

void bind_probe_backend(py::module_& probe) {
  py::class_<ProbeBackend>(probe, "Backend", "The operations of a backend (device \"cpu\" or \"naive\"), for tests.")
      .def(py::init<const std::string&, py::object, std::int32_t, int>(), py::arg("device"), py::arg("dataset"),
           py::arg("n_targets") = 1, py::arg("n_threads") = 1)
      .def("set_scores", &ProbeBackend::set_scores, py::arg("scores"))
      .def("scores", &ProbeBackend::scores)
      .def("gradients", &ProbeBackend::gradients, py::arg("loss"))
      .def("set_gradients", &ProbeBackend::set_gradients, py::arg("g"), py::arg("h"))
      .def("totals", &ProbeBackend::totals, py::arg("target"))
      .def("begin_tree", &ProbeBackend::begin_tree, py::arg("request"))
      .def("histograms", &ProbeBackend::histograms, py::arg("nodes"))
      .def("subtract", &ProbeBackend::subtract, py::arg("parent_built_derived"))
      .def("release", &ProbeBackend::release, py::arg("nodes"))
      .def("histogram_of", &ProbeBackend::histogram_of, py::arg("node"))
      .def("histogram_slots", &ProbeBackend::histogram_slots)
      .def("best_splits", &ProbeBackend::best_splits, py::arg("rules"), py::arg("queries"), py::arg("shared") = false)
      .def("partition", &ProbeBackend::partition, py::arg("node_left_split"))
      .def("rows_of", &ProbeBackend::rows_of, py::arg("node"))
      .def("leaf_sums", &ProbeBackend::leaf_sums, py::arg("leaves"))
      .def("leaf_quantiles", &ProbeBackend::leaf_quantiles, py::arg("leaves"), py::arg("target"), py::arg("alpha"))
      .def("add_scores", &ProbeBackend::add_scores, py::arg("target"), py::arg("nodes"), py::arg("leaf_value"),
           py::arg("leaf_nodes"));
}
