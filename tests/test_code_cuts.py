# SPDX-License-Identifier: Apache-2.0
"""Cuts of columns with few codes are judged by sums a code, all at once, and columns of two values are counted together
by their bits. Costs of one for every feature turn the first off, and rows that are counted turn both off: neither may
change a tree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pygbt
from pygbt import _core

N = 5200


def table(kind: str) -> np.ndarray:
    """Columns of two values in any number of words, of few and of many values."""
    rng = np.random.default_rng(len(kind))
    bits = (rng.random((N, 70)) < rng.random(70)).astype(np.float32)
    many = [rng.integers(0, most, N) for most in (3, 40, 300, 3000)] + [rng.normal(size=N)]
    if kind == "bits":
        return bits
    if kind == "numbers":
        return np.column_stack(many).astype(np.float32)
    return np.column_stack([bits[:, :5], *many, bits[:, 5:]]).astype(np.float32)


def response(X: np.ndarray, n_classes: int, weight: np.ndarray | None) -> Any:
    rng = np.random.default_rng(n_classes)
    number = X[:, 0] + 2 * X[:, -1] * X[:, 1] + rng.normal(size=N)
    if n_classes == 0:
        return _core.Response.targets(number.reshape(-1, 1), weight)
    ranks = np.argsort(np.argsort(number)) * n_classes // N
    return _core.Response.classes(ranks.astype(np.int32), n_classes, weight)


def trees(
    X: np.ndarray, y: Any, bins: int | None, bootstrap: bool, n_trees: int, **options: Any
) -> list[dict[str, Any]]:
    if bins is None:
        coded = _core.CodedTable(X, [0] * X.shape[1])
    else:
        coded = _core.CodedTable.of_bins(pygbt.Dataset(X, max_bin=bins).core)
    forest = _core.ForestTrainer(coded, y, options, bootstrap=bootstrap, n_threads=2)
    forest.grow(n_trees)
    model = forest.model()
    return [model.tree(i) for i in range(n_trees)]


def same(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> bool:
    return all(
        set(x) == set(y) and all(np.array_equal(x[name], y[name], equal_nan=True) for name in x)
        for x, y in zip(a, b, strict=True)
    )


@pytest.mark.parametrize("kind", ["mixed", "bits", "numbers"])
@pytest.mark.parametrize("n_classes", [0, 2, 9, 20])
@pytest.mark.parametrize("bins", [None, 256])
@pytest.mark.parametrize("n_trees", [1, 3])
def test_costs_of_one_change_nothing(kind: str, n_classes: int, bins: int | None, n_trees: int) -> None:
    X = table(kind)
    y = response(X, n_classes, None)
    options = {"criterion": "gini" if n_classes else "squared_error", "max_features": 4, "seed": 3, "min_bucket": 2.0}
    ones = np.ones(X.shape[1])
    plain = trees(X, y, bins, True, n_trees, **options)
    assert same(plain, trees(X, y, bins, True, n_trees, **options, feature_cost=ones))


@pytest.mark.parametrize("kind", ["mixed", "bits"])
@pytest.mark.parametrize("random_thresholds", [False, True])
@pytest.mark.parametrize("criterion", ["gini", "entropy", "squared_error"])
def test_counted_rows_are_weights_of_one(kind: str, random_thresholds: bool, criterion: str) -> None:
    X = table(kind)
    y = response(X, 0 if criterion == "squared_error" else 3, None)
    options = {"criterion": criterion, "max_features": 5, "random_thresholds": random_thresholds, "min_bucket": 3.0}
    by_weight = trees(X, y, None, False, 2, **options)
    assert same(by_weight, trees(X, y, None, False, 2, **options, count_rows=True))


@pytest.mark.parametrize("n_classes", [0, 5])
def test_heavy_rows_leave_narrow_sums(n_classes: int) -> None:
    X = table("mixed")
    weight = np.random.default_rng(0).integers(1, 60, N).astype(np.float64)  # most nodes pass 2^15, small ones do not
    y = response(X, n_classes, weight)
    options = {"criterion": "gini" if n_classes else "squared_error", "max_features": 6}
    ones = np.ones(X.shape[1])
    plain = trees(X, y, 256, False, 2, **options)
    assert same(plain, trees(X, y, 256, False, 2, **options, feature_cost=ones))
    assert plain[0]["count"].min() == 1
