# SPDX-License-Identifier: Apache-2.0
"""The best cut of a node, on every backend, against brute force over the raw values."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from backend_trio import Column, Trio, codes, examples, goes_left, make_dataset, numeric
from hypothesis import given
from hypothesis import strategies as st

NO_RULES = {"reg_lambda": 0.5, "min_child_weight": 0.0}


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
def test_numeric_cuts_against_all_thresholds(
    data: list[Any], lam: float, alpha: float, heavy: float, many: int
) -> None:
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
    """Rows all alike gain nothing but rounding, and that is no reason for a cut."""
    x = np.random.default_rng(1).normal(size=(500, 3)).astype(np.float32)
    dataset = make_dataset([numeric(x[:, j]) for j in range(3)])
    for g, h in ((0.7, 0.1), (-0.1, 0.9), (3.0, 1.0)):
        trio = Trio(dataset)
        trio.set_gradients(np.full((500, 1), g, np.float32), np.full((500, 1), h, np.float32))
        root = trio.begin_tree({"wide": True})
        trio.histograms([0])
        query = {"node": 0, "sums": root["sums"], "count": 500, "features": [0, 1, 2]}
        assert trio.best_splits({"reg_lambda": 0.0}, [query], False) == [None]


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


@pytest.mark.parametrize("missing", [0.0, 0.1])
@pytest.mark.parametrize("rules", [{}, {"reg_alpha": 0.5}, {"reg_lambda": 0.0, "min_child_weight": 0.0}])
def test_many_features_in_runs(missing: float, rules: dict[str, Any]) -> None:
    """More bins than one task takes: runs of features end inside a node and span nodes; equal columns tie."""
    rng = np.random.default_rng(5)
    n, n_features = 1500, 70
    x = rng.normal(size=(n, n_features)).astype(np.float32)
    x[rng.random((n, n_features)) < missing] = np.nan
    x[:, 30:60] = x[:, :30]
    dataset = make_dataset([numeric(x[:, j]) for j in range(n_features)])
    trio = Trio(dataset)
    g = rng.normal(size=(n, 1)) + np.nan_to_num(x[:, [17]]) + np.nan_to_num(x[:, [45]])
    trio.set_gradients(g.astype(np.float32), np.ones((n, 1), np.float32))
    root = trio.begin_tree({})
    trio.histograms([0])
    query = {"node": 0, "sums": root["sums"], "count": n, "features": list(range(n_features))}
    split = trio.best_splits(rules, [query], False)[0]
    assert split["feature"] in (15, 17)  # not their copies
    trio.partition([(0, 1, split)])
    trio.histograms([1, 2])
    queries = [
        {**query, "node": 1, "sums": split["left"], "count": len(trio.rows_of(1)), "features": list(range(1, 66))},
        {**query, "node": 2, "sums": root["sums"] - split["left"], "count": len(trio.rows_of(2))},
    ]
    assert None not in trio.best_splits(rules, queries, False)
