# SPDX-License-Identifier: Apache-2.0
"""The backend seam, operation by operation: naive = cpu on any number of threads, and both obey the laws of the sums.

The naive backend reads like the definition; NumPy and brute force over raw candidates stand behind it as oracles of
their own, so that an error shared by both backends would still show.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pygbt import _core

NO_RULES = {"reg_lambda": 0.5, "min_child_weight": 0.0}


# ------------------------------------------------------------------------------------------------------------- tools


def examples(n: int) -> Any:
    """The same n examples in every run."""
    return settings(max_examples=n, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def same(a: Any, b: Any) -> bool:
    """Equal values of equal types, floats bit for bit (no NaN occurs)."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and a == b


class Trio:
    """The naive backend, and the CPU backend on one and on three threads: every operation must answer alike."""

    def __init__(self, dataset: _core.Dataset, n_targets: int = 1) -> None:
        make = _core.probe.Backend
        self.naive = make("naive", dataset, n_targets)
        self.others = {n: make("cpu", dataset, n_targets, n_threads=n) for n in (1, 3)}

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any) -> Any:
            expected = getattr(self.naive, name)(*args)
            for n_threads, backend in self.others.items():
                answer = getattr(backend, name)(*args)
                assert same(expected, answer), f"{name}, {n_threads} threads: naive {expected}, cpu {answer}"
            return expected

        return call


@dataclass
class Column:
    values: np.ndarray  # float32 with NaN, or int32 codes with -1
    n_categories: int = 0

    def item(self) -> Any:
        return ("codes", self.values) if self.n_categories else self.values


@dataclass
class Problem:
    columns: list[Column]
    max_bin: int
    g: np.ndarray
    h: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    weights: np.ndarray | None = None
    request: dict[str, Any] = field(default_factory=dict)
    rules: dict[str, Any] = field(default_factory=dict)
    shared: bool = False
    bounds: tuple[float, float] | None = None

    def dataset(self) -> _core.Dataset:
        return make_dataset(self.columns, self.max_bin, self.labels, self.weights)


def make_dataset(
    columns: list[Column], max_bin: int = 256, labels: Any = None, weights: Any = None, first_row: int = 0
) -> _core.Dataset:
    return _core.Dataset(
        [column.item() for column in columns],
        [column.n_categories for column in columns],
        max_bin=max_bin,
        labels=labels,
        weights=weights,
        base_margin=None,
        group_sizes=None,
        reference=None,
        first_row=first_row,
        n_threads=1,
    )


def numeric(values: Any) -> Column:
    return Column(np.asarray(values, np.float32))


def codes(values: Any, n_categories: int) -> Column:
    return Column(np.asarray(values, np.int32), n_categories)


def offsets_of(dataset: _core.Dataset) -> np.ndarray:
    """First bin of each feature in a histogram, and the number of all bins."""
    return np.cumsum([0, *(dataset.cuts.n_bins(f) for f in range(dataset.n_features))])


def goes_left(split: dict[str, Any], bins: np.ndarray) -> np.ndarray:
    if split["categorical"]:
        words = np.asarray(split["left_bins"], np.uint32)
        return (words[bins >> 5] >> (bins & 31)) & 1 == 1
    return np.where(bins == 0, split["missing_left"], bins <= split["bin"])


def quantised(values: np.ndarray, counted: np.ndarray, bits: int, floor: bool) -> tuple[np.ndarray, float]:
    """Integers and scale of one target's float32 values, by the rule of DESIGN section 2, in NumPy."""
    most = float(np.abs(values[counted]).max(initial=0.0))
    scale = math.ldexp(1.0, bits - math.frexp(most)[1]) if most > 0 else 1.0
    limit = 2**bits - 1
    q = np.clip(np.rint(values.astype(np.float64) * scale), -limit, limit).astype(np.int64)
    return (np.where((values > 0) & (q == 0), 1, q) if floor else q), scale


# ---------------------------------------------------------------------------------- random problems, the whole seam


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.sampled_from([1, 2, 17, 300, 300, 3000, 20000]))
    n_targets = draw(st.sampled_from([1, 1, 1, 3]))
    columns = []
    for _ in range(draw(st.sampled_from([1, 2, 5, 18]))):
        missing = draw(st.sampled_from([0.0, 0.0, 0.3, 1.0]))
        levels = draw(st.sampled_from([1, 2, 5, 40, 255, 700]))
        used = max(1, levels // draw(st.sampled_from([1, 1, 3])))
        values = rng.integers(0, used, n)
        gone = rng.random(n) < missing
        if draw(st.booleans()):
            columns.append(codes(np.where(gone, -1, values), levels))
        else:
            columns.append(numeric(np.where(gone, np.nan, values - 3.0)))
    style = draw(st.sampled_from(["ties", "smooth", "heavy"]))
    g = rng.normal(size=(n, n_targets))
    if style == "ties":
        g = np.rint(g)
    if style == "heavy":
        g *= np.where(rng.random((n, n_targets)) < 0.02, 1e20, 1.0)
    g += 2.0 * (np.nan_to_num(columns[0].values)[:, None] % 3 == 1)  # something to find
    h = np.ones((n, n_targets)) if style == "ties" else rng.random((n, n_targets)) * (rng.random((n, n_targets)) < 0.95)
    weights = None
    if draw(st.booleans()):
        weights = rng.integers(0, 4, n) * draw(st.sampled_from([1.0, 0.37]))
        weights[0] = 1.0
    width = draw(st.sampled_from([1, n_targets]))
    positive = st.sampled_from([0.0, 0.0, 0.7])
    rules = {
        "reg_lambda": draw(st.sampled_from([0.0, 1.0, 2.5])),
        "reg_alpha": draw(positive),
        "max_delta_step": draw(positive),
        "min_child_weight": draw(st.sampled_from([0.0, 1.0, 20.0])),
        "min_child_samples": draw(st.sampled_from([1, 1, 5])),
        "min_split_gain": draw(positive),
        "max_cat_to_onehot": draw(st.sampled_from([1, 4, 50])),
        "max_cat_threshold": draw(st.sampled_from([1, 5, 64])),
        "cat_smooth": draw(st.sampled_from([0.0, 10.0])),
        "cat_l2": draw(st.sampled_from([0.0, 10.0])),
    }
    if draw(st.booleans()):
        rules["monotone"] = [int(sign) for sign in rng.integers(-1, 2, len(columns))]
    return Problem(
        columns=columns,
        max_bin=draw(st.sampled_from([2, 16, 256, 1000])),
        g=g.astype(np.float32),
        h=h.astype(np.float32),
        labels=rng.integers(-3, 4, (n, n_targets)).astype(np.float32),
        scores=np.rint(rng.normal(size=(n, n_targets)) * 4).astype(np.float32) / 4,
        weights=weights,
        request={
            "first_target": draw(st.integers(0, n_targets - width)),
            "width": width,
            "seed": draw(st.integers(0, 2**63)),
            "iteration": draw(st.integers(0, 1000)),
            "subsample": draw(st.sampled_from([1.0, 1.0, 0.6, 0.01])),
            "wide": draw(st.booleans()),
            "count_rows": rules["min_child_samples"] > 1 or draw(st.booleans()),
        },
        rules=rules,
        shared=draw(st.booleans()),
        bounds=draw(st.sampled_from([None, None, (-0.3, 0.8)])),
    )


class Growth:
    """Three levels of a tree, grown by hand through the seam; the laws are asserted on the way."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.dataset = problem.dataset()
        self.bins = self.dataset.bins().astype(np.int64)
        self.offsets = offsets_of(self.dataset)
        self.width = problem.request["width"]
        self.trio = Trio(self.dataset, problem.g.shape[1])
        self.nodes: list[Any] = [None]
        self.open: list[dict[str, Any]] = []
        self.leaves: list[int] = []

    def check_histogram(self, node: int, sums: np.ndarray) -> None:
        cells = self.trio.histogram_of(node)
        for begin, end in itertools.pairwise(self.offsets):
            assert np.array_equal(cells[begin:end].sum(axis=0), sums)

    def start(self) -> None:
        p, trio = self.problem, self.trio
        trio.set_scores(p.scores)
        trio.set_gradients(p.g, p.h)
        for target in range(p.g.shape[1]):
            trio.totals(target)
        root = trio.begin_tree(p.request)
        assert root["count"] == len(trio.rows_of(0))
        trio.histograms([0])
        self.check_histogram(0, root["sums"])
        self.open = [{"node": 0, "sums": root["sums"], "count": root["count"]}]

    def queries(self) -> list[dict[str, Any]]:
        features = [f for f in range(len(self.problem.columns)) if f % 5 != 4]
        bounds = {}
        if self.problem.bounds:
            bounds = {"lower": [self.problem.bounds[0]] * self.width, "upper": [self.problem.bounds[1]] * self.width}
        return [{**node, "features": features, **bounds} for node in self.open]

    def level(self) -> None:
        trio = self.trio
        splits = trio.best_splits(self.problem.rules, self.queries(), self.problem.shared)
        self.leaves += [node["node"] for node, split in zip(self.open, splits, strict=True) if split is None]
        chosen = [(node, split) for node, split in zip(self.open, splits, strict=True) if split is not None]
        cuts = []
        for node, split in chosen:
            self.nodes[node["node"]] = (len(self.nodes), split)
            cuts.append((node["node"], len(self.nodes), split))
            self.nodes += [None, None]
        before = {node: trio.rows_of(node) for node, _, _ in cuts}
        left_counts = trio.partition(cuts)

        children, pairs = [], []
        for (parent, split), (node, left, _), n_left in zip(chosen, cuts, left_counts, strict=True):
            rows = before[node]
            to_left = goes_left(split, self.bins[rows, split["feature"]])
            assert np.array_equal(trio.rows_of(left), rows[to_left])
            assert np.array_equal(trio.rows_of(left + 1), rows[~to_left])
            assert n_left == to_left.sum()
            n_right = parent["count"] - n_left
            children.append({"node": left, "sums": split["left"], "count": n_left})
            children.append({"node": left + 1, "sums": parent["sums"] - split["left"], "count": n_right})
            built, derived = (left, left + 1) if n_left <= n_right else (left + 1, left)
            pairs.append((node, built, derived))
        trio.histograms([built for _, built, _ in pairs])
        trio.subtract(pairs)
        for child in children:
            self.check_histogram(child["node"], child["sums"])
        for _, _, derived in pairs:
            subtracted = trio.histogram_of(derived)
            trio.histograms([derived])
            assert np.array_equal(subtracted, trio.histogram_of(derived))
        self.open = children

    def finish(self) -> None:
        p, trio = self.problem, self.trio
        leaves = sorted(self.leaves + [node["node"] for node in self.open])
        trio.release(leaves)
        trio.leaf_sums(leaves)
        first = p.request["first_target"]
        for alpha in (0.5, 0.1, 0.937):
            trio.leaf_quantiles(leaves, first, alpha)
        values = (np.arange(len(leaves) * self.width, dtype=np.float32) + 1).reshape(-1, self.width) * np.float32(0.1)
        trio.add_scores(first, self.nodes, values, leaves)
        expected = p.scores.copy()  # every row walks the tree, drawn or not
        for row in range(len(expected)):
            node = 0
            while self.nodes[node] is not None:
                left, split = self.nodes[node]
                node = left + int(not goes_left(split, self.bins[row : row + 1, split["feature"]])[0])
            expected[row, first : first + self.width] += values[leaves.index(node)]
            if row == 300:
                break
        assert np.array_equal(trio.scores()[:301], expected[:301])


@examples(300)
@given(problem=problems())
def test_naive_is_cpu_on_every_operation(problem: Problem) -> None:
    growth = Growth(problem)
    growth.start()
    for _ in range(3):
        if growth.open:
            growth.level()
    growth.finish()


LOSSES = [
    ({"objective": "squared_error"}, 1),
    ({"objective": "absolute_error"}, 1),
    ({"objective": "huber", "huber_delta": 0.7}, 1),
    ({"objective": "quantile", "quantile_alpha": [0.1, 0.9]}, 2),
    ({"objective": "poisson"}, 1),
    ({"objective": "gamma"}, 1),
    ({"objective": "tweedie", "tweedie_power": 1.3}, 1),
    ({"objective": "logistic", "scale_pos_weight": 2.0}, 1),
    ({"objective": "one_vs_rest"}, 3),
    *(({"objective": "softmax", "softmax_hessian": h}, 3) for h in ("auto", "gershgorin", "diag", "k_factor", "soft")),
    ({"objective": "softmax", "soft_labels": True}, 4),
]


@pytest.mark.parametrize(("loss", "n_targets"), LOSSES, ids=lambda value: str(value))
def test_gradients_agree(loss: dict[str, Any], n_targets: int) -> None:
    """One row a bin, quantised to 30 bits: the histogram shows every row's gradient."""
    rng = np.random.default_rng(7)
    n = 9000  # more than one chunk of rows, and not a multiple of a vector
    if loss.get("soft_labels"):
        labels = rng.dirichlet(np.ones(n_targets), n).astype(np.float32)
    elif loss["objective"] in ("softmax", "one_vs_rest"):
        labels = rng.integers(0, n_targets, (n, 1)).astype(np.float32)
    else:
        labels = rng.random((n, 1)).astype(np.float32)
    trio = Trio(make_dataset([numeric(np.arange(n))], 2 * n, labels), n_targets)
    trio.set_scores((rng.normal(size=(n, n_targets)) * 3).astype(np.float32))
    trio.gradients({**loss, "n_targets": n_targets})
    for target in range(n_targets):
        trio.totals(target)
    trio.begin_tree({"width": n_targets, "wide": True})
    trio.histograms([0])
    cells = trio.histogram_of(0)
    assert (cells[1:, :, 1] > 0).all()  # each row counts
    assert len(np.unique(cells[1:, 0, 0])) > (2 if loss["objective"] not in ("absolute_error", "quantile") else 1)


# ------------------------------------------------------------------------------- the sums, against NumPy's integers


@examples(30)
@given(problem=problems())
def test_histograms_are_integer_sums(problem: Problem) -> None:
    dataset = problem.dataset()
    trio = Trio(dataset, problem.g.shape[1])
    trio.set_gradients(problem.g, problem.h)
    root = trio.begin_tree(problem.request)
    trio.histograms([0])
    cells, leaf_sums = trio.histogram_of(0), trio.leaf_sums([0])[0]
    weights = dataset.fixed_weights().astype(np.int64)
    counted, rows = weights > 0, trio.rows_of(0)
    room = 61 - (int(weights.sum()) - 1).bit_length()
    narrow = not problem.request["wide"]
    bins, offsets = dataset.bins().astype(np.int64)[rows], offsets_of(dataset)
    for k in range(problem.request["width"]):
        target = problem.request["first_target"] + k
        for side, values in enumerate((problem.g[:, target], problem.h[:, target])):
            bits = min(room, (16 if side else 15) if narrow else 30)
            q, scale = quantised(values, counted, bits, floor=side == 1)
            assert root["units"][k, side] == dataset.weight_unit / scale
            parts = (weights * q)[rows]
            assert root["sums"][k, side] == parts.sum()
            for f in range(dataset.n_features):
                expected = np.zeros(offsets[f + 1] - offsets[f], np.int64)
                np.add.at(expected, bins[:, f], parts)
                assert np.array_equal(cells[offsets[f] : offsets[f + 1], k, side], expected)
            q, scale = quantised(values, counted, min(room, 46), floor=side == 1)
            assert root["leaf_units"][k, side] == dataset.weight_unit / scale
            assert leaf_sums[k, side] == (weights * q)[rows].sum()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_one_hot_bin_of_extreme_gradients(sign: int, n_threads: int) -> None:
    """Runs of 65,536 equal rows of the largest g and h fill a packed cell to the last value that fits."""
    n = 2**19
    almost_one = np.float32(0.99999994)
    dataset = make_dataset([numeric(np.zeros(n)), numeric(np.arange(n) % 4)])
    backend = _core.probe.Backend("cpu", dataset, 1, n_threads)
    backend.set_gradients(np.full((n, 1), sign * almost_one), np.full((n, 1), almost_one))
    backend.begin_tree({})
    backend.histograms([0])
    cells = backend.histogram_of(0)[:, 0]
    whole = np.array([sign * (2**15 - 1), 2**16 - 1]) * n
    assert np.array_equal(cells, [[0, 0], whole, [0, 0], *[whole // 4] * 4])


def test_row_order_does_not_matter() -> None:
    rng = np.random.default_rng(3)
    n = 20000
    x, g = rng.integers(0, 50, (n, 3)).astype(np.float32), rng.normal(size=(n, 1)).astype(np.float32)
    weights = rng.integers(1, 5, n).astype(np.float64)
    order = rng.permutation(n)
    answers = []
    for rows in (np.arange(n), order):
        trio = Trio(make_dataset([numeric(x[rows, j]) for j in range(3)], weights=weights[rows]))
        trio.set_gradients(g[rows], np.abs(g[rows]))
        root = trio.begin_tree({})
        trio.histograms([0])
        query = {"node": 0, "sums": root["sums"], "count": root["count"], "features": [0, 1, 2]}
        answers.append((trio.totals(0), trio.histogram_of(0), trio.best_splits({}, [query], False)))
    assert same(answers[0], answers[1])


def test_weight_two_is_the_row_twice() -> None:
    rng = np.random.default_rng(4)
    n = 500
    x, g = rng.integers(0, 9, n), rng.normal(size=(n, 1)).astype(np.float32)
    weights = rng.integers(0, 4, n)
    twice = np.repeat(np.arange(n), weights)
    answers = []
    for rows, w in ((np.arange(n), weights.astype(np.float64)), (twice, None)):
        trio = Trio(make_dataset([numeric(x[rows])], weights=w))
        trio.set_gradients(g[rows], np.abs(g[rows]))
        root = trio.begin_tree({"wide": True})
        trio.histograms([0])
        answers.append(trio.histogram_of(0) * root["units"])
    assert np.array_equal(answers[0], answers[1])


# ------------------------------------------------------------------------------------------------------ row sampling


def test_sampling_depends_on_the_global_row_alone() -> None:
    n, begin = 5000, 1700
    x, ones = np.zeros(n), np.ones((n, 1), np.float32)
    drawn = {}
    for subsample in (0.2, 0.5, 1.0):
        request = {"seed": 11, "iteration": 3, "subsample": subsample}
        whole = Trio(make_dataset([numeric(x)]))
        whole.set_gradients(ones, ones)
        assert whole.begin_tree(request)["count"] == len(whole.rows_of(0))
        part = Trio(make_dataset([numeric(x[begin:])], first_row=begin))
        part.set_gradients(ones[begin:], ones[begin:])
        part.begin_tree(request)
        drawn[subsample] = whole.rows_of(0)
        assert np.array_equal(drawn[subsample][drawn[subsample] >= begin], part.rows_of(0) + begin)
        assert abs(len(drawn[subsample]) / n - subsample) < 0.03
    assert set(drawn[0.2]) < set(drawn[0.5]) < set(drawn[1.0])
    whole.begin_tree({"seed": 11, "iteration": 4, "subsample": 0.5})
    assert not np.array_equal(whole.rows_of(0), drawn[0.5])


def test_rows_without_weight_change_nothing() -> None:
    """Their gradients may be anything: neither scale nor sums see them."""
    trio = Trio(make_dataset([numeric([1, 2, 3, 4])], weights=np.array([1.0, 0.0, 2.0, 0.0])))
    trio.set_gradients(np.float32([[1], [1e30], [-3], [-1e30]]), np.float32([[1], [1e30], [1], [1e30]]))
    assert trio.totals(0) == {"max_g": 3.0, "max_h": 1.0, "mean_abs_g": 7 / 3, "mean_h": 1.0}
    root = trio.begin_tree({})
    assert np.array_equal(trio.rows_of(0), [0, 2])
    assert np.array_equal(root["sums"] * root["units"], [[-5.0, 3.0]])


# ------------------------------------------------------------------------------------- the search, against brute force


def best_of_one_node(
    columns: list[Column], g: np.ndarray, h: np.ndarray, rules: dict[str, Any], max_bin: int = 256
) -> tuple[dict[str, Any] | None, np.ndarray]:
    """The split of the root and the bins; gradients are small integers, so that quantising keeps them exactly."""
    dataset = make_dataset(columns, max_bin)
    trio = Trio(dataset)
    trio.set_gradients(g.reshape(-1, 1).astype(np.float32), h.reshape(-1, 1).astype(np.float32))
    root = trio.begin_tree({"wide": True, "count_rows": rules.get("min_child_samples", 1) > 1})
    trio.histograms([0])
    query = {"node": 0, "sums": root["sums"], "count": root["count"], "features": list(range(len(columns)))}
    split = trio.best_splits(rules, [query], False)[0]
    if split is not None:
        left = goes_left(split, dataset.bins().astype(np.int64)[:, split["feature"]])
        assert np.array_equal(split["left"] * root["units"], [[g[left].sum(), h[left].sum()]])
    return split, dataset.bins().astype(np.int64)


def gain_of_cut(left: np.ndarray, g: np.ndarray, h: np.ndarray, rules: dict[str, Any], l2: float = 0.0) -> float:
    """Loss removed (twice) by cutting the rows in two, from first principles; -inf where the rules forbid it."""
    lam, alpha = rules.get("reg_lambda", 1.0) + l2, rules.get("reg_alpha", 0.0)
    heavy, many = rules.get("min_child_weight", 1.0), rules.get("min_child_samples", 1)

    def gain(rows: np.ndarray) -> float:
        shrunk = max(abs(g[rows].sum()) - alpha, 0.0)
        return shrunk**2 / (h[rows].sum() + lam) if rows.any() else 0.0

    for rows in (left, ~left):
        if rows.sum() < many or h[rows].sum() < heavy:
            return -math.inf
    return gain(left) + gain(~left) - gain(left | True)


@examples(120)
@given(
    data=st.lists(
        st.tuples(
            st.one_of(st.integers(-2, 3).map(float), st.just(math.nan)),
            st.one_of(st.integers(0, 4).map(float), st.just(math.nan)),
            st.integers(-3, 3),
            st.integers(1, 3),
        ),
        min_size=1,
        max_size=10,
    ),
    lam=st.sampled_from([0.5, 1.0, 2.0]),
    alpha=st.sampled_from([0.0, 1.0]),
    heavy=st.sampled_from([0.0, 1.0, 3.0]),
    many=st.sampled_from([1, 2]),
)
def test_numeric_cuts_against_all_thresholds(data: list[Any], lam: float, alpha: float, heavy: float, many: int) -> None:
    x = np.array([row[:2] for row in data])
    g, h = np.array([row[2] for row in data], float), np.array([row[3] for row in data], float)
    rules = {"reg_lambda": lam, "reg_alpha": alpha, "min_child_weight": heavy, "min_child_samples": many}
    split, _ = best_of_one_node([numeric(x[:, 0]), numeric(x[:, 1])], g, h, rules)
    best = 0.0
    for j, missing_left in itertools.product(range(2), (False, True)):
        for threshold in [*np.unique(x[~np.isnan(x[:, j]), j]), math.inf]:
            left = np.where(np.isnan(x[:, j]), missing_left, x[:, j] <= threshold)
            best = max(best, gain_of_cut(left, g, h, rules))
    assert (split["gain"] if split else 0.0) == pytest.approx(best, abs=1e-9)


@examples(80)
@given(
    data=st.lists(st.tuples(st.integers(-1, 5), st.integers(-3, 3), st.integers(1, 3)), min_size=2, max_size=14),
    lam=st.sampled_from([0.5, 2.0]),
    onehot=st.booleans(),
    l2=st.sampled_from([0.0, 3.0]),
)
def test_categories_against_all_subsets(data: list[Any], lam: float, onehot: bool, l2: float) -> None:
    """The ordered search finds the best of all 2^c subsets (Fisher 1958); one-hot the best single category."""
    x, g, h = (np.array([row[i] for row in data]) for i in range(3))
    rules = {"reg_lambda": lam, "min_child_weight": 0.0, "cat_smooth": 0.0, "cat_l2": l2}
    rules["max_cat_to_onehot"] = 6 if onehot else 1
    split, bins = best_of_one_node([codes(x, 6)], g, h, rules)
    present = sorted(set(x[x >= 0]))
    best = 0.0
    for size in range(1, len(present) + 1):
        for chosen in itertools.combinations(present, size):
            for missing_left in (False, True):
                left = np.where(x < 0, missing_left, np.isin(x, chosen))
                if not onehot:
                    best = max(best, gain_of_cut(left, g, h, rules, l2))
                elif size == 1 and (len(present) > 1 or not missing_left):
                    best = max(best, gain_of_cut(left, g, h, rules))
    if onehot or not (x < 0).any():
        assert (split["gain"] if split else 0.0) == pytest.approx(best, abs=1e-9)
    else:  # missing rows join one side of an ordered prefix: as good as that at most
        assert (split["gain"] if split else 0.0) <= best + 1e-9
    if split:
        side = {bool(bit) for bit in goes_left(split, np.setdiff1d(np.arange(7), bins[bins > 0]))}
        assert side <= {split["missing_left"]}  # missing and unknown categories go together


@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("bin_count", [6, 250, 900])
def test_planted_numeric_cut_is_found(missing: bool, bin_count: int) -> None:
    rng = np.random.default_rng(bin_count)
    n, cut = 4000, bin_count // 3
    x = rng.integers(0, bin_count, (n, 4)).astype(np.float32)
    if missing:
        x[rng.random(n) < 0.2, 2] = np.nan
    x[:bin_count, 2] = np.arange(bin_count)  # value v in bin v + 1
    right = ~(x[:, 2] <= cut)  # NaN right
    g = np.where(right, 1.0, -1.0) * 4 + rng.integers(-1, 2, n)
    split, _ = best_of_one_node([numeric(x[:, j]) for j in range(4)], g, np.ones(n), NO_RULES, 1000)
    assert (split["feature"], split["bin"]) == (2, cut + 1)
    if missing:
        assert not split["missing_left"]


def test_planted_categories_are_found() -> None:
    rng = np.random.default_rng(0)
    n, chosen = 4000, [3, 11, 19, 27, 40]
    x = rng.integers(0, 50, n)
    g = np.where(np.isin(x, chosen), -4, 4) + rng.integers(-1, 2, n)
    split, _ = best_of_one_node([numeric(rng.normal(size=n)), codes(x, 60)], g.astype(float), np.ones(n), NO_RULES)
    left = np.flatnonzero(goes_left(split, np.arange(1, 51)))
    assert split["feature"] == 1
    assert left.tolist() == chosen or left.tolist() == sorted(set(range(50)) - set(chosen))


def test_ties_go_to_the_first_feature_bin_and_missing_left() -> None:
    x, g = np.float32([0, 0, 1, 1, 2, 2]), np.float32([1, 1, 0, 0, -1, -1])
    columns = [numeric(np.zeros(6)), numeric(x), numeric(x)]
    split, _ = best_of_one_node(columns, g, np.ones(6), NO_RULES)
    assert (split["feature"], split["bin"]) == (1, 1)  # bins 1 and 2 gain the same
    x = np.float32([0, 1, np.nan])
    split, _ = best_of_one_node([numeric(x)], np.float32([1, -1, 0]), np.ones(3), NO_RULES)
    assert split["missing_left"]  # a missing row without gradient: both sides gain the same


def test_missing_follow_the_heavier_child_where_there_are_none() -> None:
    for heavy_left in (False, True):
        h = np.array([9.0, 1.0]) if heavy_left else np.array([1.0, 9.0])
        split, _ = best_of_one_node([numeric([0, 1])], np.array([3.0, -3.0]), h, NO_RULES)
        assert split["missing_left"] is heavy_left
    split, _ = best_of_one_node([numeric([0, 1])], np.array([3.0, -3.0]), np.ones(2), NO_RULES)
    assert split["missing_left"]  # equal: left


def test_monotone_sign_forbids_the_wrong_direction() -> None:
    g = np.array([3.0, 3.0, -3.0, -3.0])  # value -g: rises with x
    for sign, found in ((1, True), (0, True), (-1, False)):
        split, _ = best_of_one_node([numeric([0, 1, 2, 3])], g, np.ones(4), {**NO_RULES, "monotone": [sign]})
        assert (split is not None) is found


def test_pure_node_is_not_cut() -> None:
    x = np.random.default_rng(1).normal(size=(500, 3))
    split, _ = best_of_one_node([numeric(x[:, j]) for j in range(3)], np.full(500, 3.0), np.ones(500), {"reg_lambda": 0.0})
    assert split is None


def test_shared_cut_is_the_best_sum_over_the_nodes() -> None:
    """Two nodes that each prefer their own feature; together they prefer the third."""
    x = np.array(list(itertools.product((0, 1), repeat=4)) * 4, np.float32)
    node = x[:, 0]
    g = np.where(node == 0, 5 * x[:, 1], 5 * x[:, 2]) + 4 * x[:, 3] - 3.0
    trio = Trio(make_dataset([numeric(x[:, j]) for j in range(4)]))
    trio.set_gradients(g.reshape(-1, 1).astype(np.float32), np.ones((len(x), 1), np.float32))
    root = trio.begin_tree({"wide": True})
    by_node = {"feature": 0, "bin": 1, "missing_left": True, "categorical": False, "left_bins": []}
    trio.partition([(0, 1, by_node)])
    trio.histograms([1, 2])
    queries = []
    for child in (1, 2):
        rows = trio.rows_of(child)
        sums = np.rint(np.array([[g[rows].sum(), len(rows)]]) / root["units"]).astype(np.int64)
        queries.append({"node": child, "sums": sums, "count": len(rows), "features": [1, 2, 3]})
    rules = {"reg_lambda": 0.0, "min_child_weight": 0.0}
    assert [split["feature"] for split in trio.best_splits(rules, queries, False)] == [1, 2]
    shared = trio.best_splits(rules, queries, True)
    assert [split["feature"] for split in shared] == [3, 3]
    for split, query in zip(shared, queries, strict=True):
        rows = trio.rows_of(query["node"])
        expected = gain_of_cut(x[rows, 3] <= 0, g[rows], np.ones(len(rows)), rules)
        assert split["gain"] == pytest.approx(expected, rel=1e-9)


# ------------------------------------------------------------------------------------------------------------ leaves


@examples(60)
@given(
    rows=st.lists(st.tuples(st.integers(-4, 4), st.integers(0, 3)), min_size=1, max_size=12),
    alpha=st.sampled_from([0.05, 0.1, 0.25, 0.5, 0.7, 0.9, 0.999]),
    scale=st.sampled_from([1.0, 0.25]),
)
def test_leaf_quantile_is_the_inverted_cdf(rows: list[tuple[int, int]], alpha: float, scale: float) -> None:
    residuals = np.array([row[0] for row in rows], np.float32)
    counts = np.array([row[1] for row in rows])
    if counts.sum() == 0:
        counts[0] = 1
    scores = np.arange(len(rows), dtype=np.float32).reshape(-1, 1)
    labels = residuals.reshape(-1, 1) + scores
    trio = Trio(make_dataset([numeric(np.zeros(len(rows)))], labels=labels, weights=counts * scale))
    trio.set_scores(scores)
    trio.set_gradients(np.zeros_like(scores), np.ones_like(scores))
    trio.begin_tree({})
    expected = np.quantile(np.repeat(residuals, counts), alpha, method="inverted_cdf")
    assert trio.leaf_quantiles([0], 0, alpha)[0] == expected


def test_a_backend_asked_for_by_an_unknown_name() -> None:
    with pytest.raises(NotImplementedError, match="device"):
        _core.probe.Backend("abacus", make_dataset([numeric([1.0])]), 1)
