# SPDX-License-Identifier: Apache-2.0
"""The backend seam, operation by operation: naive = cpu on any number of threads = cuda (emulated), and all obey the
laws of the sums.

The naive backend reads like the definition; NumPy stands behind it as an oracle of its own, so that an error shared by
all backends would still show. The search for cuts has its laws in test_cut_search.py.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from backend_trio import (
    Problem,
    Trio,
    examples,
    goes_left,
    make_dataset,
    numeric,
    offsets_of,
    problems,
    quantised,
    same,
)
from hypothesis import given
from hypothesis import strategies as st

from pygbt import _core


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
        weight = self.dataset.fixed_weights()[trio.rows_of(0)].astype(np.int64).sum() * self.dataset.weight_unit
        assert root["weight"] == weight
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


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_gradients_of_a_training_that_diverged(wide: bool, weighted: bool) -> None:
    """NaN does not count as the largest, and becomes the same integer everywhere, wherever its row lies."""
    rng = np.random.default_rng(4)
    n = 20_000
    X, g = rng.standard_normal((n, 3)).astype(np.float32), rng.standard_normal((n, 1)).astype(np.float32)
    h = np.abs(rng.standard_normal((n, 1))).astype(np.float32) + 0.1
    for odd in (np.nan, -np.nan, np.inf, -np.inf):
        for at in (0, 7, 4096, 19_999):
            g[at], h[(at + 3) % n] = odd, abs(odd)
        weights = rng.integers(0, 3, n).astype(float) if weighted else None
        trio = Trio(make_dataset([numeric(x) for x in X.T], 32, weights=weights))
        trio.set_gradients(g, h)
        trio.totals(0)
        root = trio.begin_tree({"width": 1, "wide": wide})
        assert np.isfinite(root["units"]).all()
        trio.histograms([0])
        trio.histogram_of(0)
        trio.leaf_sums([0])


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
    assert trio.totals(0) == {"max_g": 3.0, "max_h": 1.0, "spread_g": 2 / 3, "mean_h": 1.0}
    root = trio.begin_tree({})
    assert np.array_equal(trio.rows_of(0), [0, 2])
    assert np.array_equal(root["sums"] * root["units"], [[-5.0, 3.0]])


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


def test_leaf_quantile_of_negative_zero_is_zero() -> None:
    """-0.0 and 0.0 are one value, so which rows hold which cannot show in the model's bytes."""
    zeros = np.zeros((2, 1), np.float32)
    trio = Trio(make_dataset([numeric([0, 0])], labels=-zeros))
    trio.set_scores(zeros)
    trio.set_gradients(zeros, zeros + 1)
    trio.begin_tree({})
    assert not np.signbit(trio.leaf_quantiles([0], 0, 0.5)[0])


def test_a_backend_asked_for_by_an_unknown_name() -> None:
    with pytest.raises(NotImplementedError, match="device"):
        _core.probe.Backend("abacus", make_dataset([numeric([1.0])]), 1)
