# SPDX-License-Identifier: Apache-2.0
"""Sub-trees of few cases are grown by loops of their own where no row lacks a number: a column that every row lacks
puts them back on the common ones and must change nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pygbt
from pygbt import _core


def trees(X: np.ndarray, y: np.ndarray, options: dict[str, Any], *, bins: bool) -> list[dict[str, Any]]:
    """Two trees on all rows."""
    if bins:
        table = _core.CodedTable.of_bins(pygbt.Dataset(X, max_bin=40).core)
    else:
        table = _core.CodedTable(X, [0] * X.shape[1])
    if y.dtype.kind == "i":
        response = _core.Response.classes(y.astype(np.int32), int(y.max()) + 1)
    else:
        response = _core.Response.targets(y.reshape(-1, 1))
    forest = _core.ForestTrainer(table, response, options, bootstrap=False, n_threads=1)
    forest.grow(2)
    model = forest.model()
    return [model.tree(i) for i in range(2)]


@pytest.mark.parametrize("bins", [False, True])
@pytest.mark.parametrize("random_thresholds", [False, True])
@pytest.mark.parametrize("least", [1, 3])
@pytest.mark.parametrize("criterion", ["gini", "entropy", "squared_error", "poisson"])
@pytest.mark.parametrize("n_features", [5, 40])
def test_a_column_that_all_rows_lack_changes_nothing(
    criterion: str, least: int, random_thresholds: bool, bins: bool, n_features: int
) -> None:
    rng = np.random.default_rng(n_features + least)
    X = rng.integers(0, 9, size=(300, n_features)).astype(np.float32)  # ties, and columns of two values
    X[:, 1] = X[:, 1] > 4
    X[:, 2] = rng.normal(size=len(X))
    if criterion in ("gini", "entropy"):
        y: np.ndarray = rng.integers(0, 3, size=len(X))
    else:
        y = np.round(np.abs(X[:, 0] + rng.normal(size=len(X))), 1)
        y = y if criterion == "squared_error" else np.round(y)
    options = {
        "criterion": criterion,
        "max_features": 0,
        "random_thresholds": random_thresholds,
        "min_bucket": least,
        "count_rows": True,
    }
    lacking = np.column_stack([X, np.full(len(X), np.nan, dtype=np.float32)])
    for few, common in zip(trees(X, y, options, bins=bins), trees(lacking, y, options, bins=bins), strict=True):
        assert len(few["left"]) > 30
        assert few.keys() == common.keys()
        for name in few:
            np.testing.assert_array_equal(few[name], common[name], err_msg=name)
