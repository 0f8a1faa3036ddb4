# SPDX-License-Identifier: Apache-2.0
"""Columns that a tree of CART reads where they lie: the tree of the table of codes, whatever the layout."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pygbt import _core

MANY = 66_000  # rows; more different values than codes of two bytes

LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "rows": np.ascontiguousarray,
    "columns": np.asfortranarray,
    "every second row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "backwards": lambda X: np.ascontiguousarray(X[::-1, ::-1])[::-1, ::-1],
}


def table(n: int, missing: bool, seed: int) -> np.ndarray:
    """Float32 columns: of n values, of few, of two, of one, of zeros of both signs, missing throughout."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 7)).astype(np.float32)
    X[:, 1] = np.round(X[:, 1] * 4)
    X[:, 2] = np.where(X[:, 2] > 0.3, 2.5, -1.0)
    X[:, 3] = 7.0
    X[:, 4] = np.where(X[:, 4] > 0, -0.0, np.where(X[:, 4] > -1, 0.0, -3.0))
    if missing:
        X[rng.random(X.shape) < 0.1] = np.nan
        X[:, 5] = np.nan
    return X


def grown(X: np.ndarray, response: Any, in_place: bool, **options: Any) -> dict[str, Any]:
    coded = _core.CodedTable(X, [0] * X.shape[1], 2, in_place)
    return dict(_core.grow_cart(coded, response, {"min_split": 2.0, "min_bucket": 1.0, **options}, 2).to_arrays())


@pytest.mark.parametrize(("layout", "n"), [*((layout, 300) for layout in LAYOUTS), ("rows", MANY), ("backwards", MANY)])
@pytest.mark.parametrize("missing", [None, "direction", "surrogate"])
def test_the_same_tree(layout: str, n: int, missing: str | None) -> None:
    X = table(n, missing is not None, n)
    rng = np.random.default_rng(1)
    signal = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 2]) * np.nan_to_num(X[:, 1]) + rng.normal(size=n)
    options = {"missing": missing or "direction", "max_depth": 6 if n == MANY else 30, "max_competitors": 2}
    X = LAYOUTS[layout](X)
    kinds = {
        "gini": _core.Response.classes(np.digitize(signal, [-1, 1]).astype(np.int32), 3),
        "squared_error": _core.Response.targets(signal.reshape(-1, 1)),
    }
    for criterion, response in kinds.items():
        kept = grown(X, response, True, criterion=criterion, **options)
        coded = grown(X, response, False, criterion=criterion, **options)
        assert kept.keys() == coded.keys()
        for name, values in coded.items():
            np.testing.assert_array_equal(kept[name], values, err_msg=name)


@pytest.mark.parametrize("in_place", [False, True])
def test_root_of_many_values_by_hand(in_place: bool) -> None:
    rng = np.random.default_rng(2)
    # Many equal leading digits, and few: both ways to sort.
    X = np.column_stack([rng.normal(size=MANY) * 10.0 ** rng.integers(-9, 9, MANY), 1 + rng.random(MANY)])
    X = X.astype(np.float32)
    y = (rng.random(MANY) < 0.3 + 0.3 * (X[:, 1] > 1.618) + 0.1 * (X[:, 0] > 0)).astype(np.int32)
    tree = grown(X, _core.Response.classes(y, 2), in_place, criterion="gini", max_depth=1)
    best = []
    for column in X.T:
        order = np.argsort(column, kind="stable")
        ones, rows = np.cumsum(y[order])[:-1].astype(np.float64), np.arange(1, MANY, dtype=np.float64)
        impurity = [2 * one * (size - one) / size for one, size in ((ones, rows), (y.sum() - ones, MANY - rows))]
        gain = np.where(np.diff(column[order]) > 0, -(impurity[0] + impurity[1]), -np.inf)
        at = int(np.argmax(gain))
        best.append((gain[at], column[order][at], column[order][at + 1]))
    feature = int(np.argmax([gain for gain, _, _ in best]))
    assert tree["question_feature"][0] == feature
    assert (tree["question_lower"][0], tree["question_upper"][0]) == best[feature][1:]


@pytest.mark.parametrize("n", [50, MANY])
@pytest.mark.parametrize("in_place", [False, True])
def test_infinite_values_are_refused(n: int, in_place: bool) -> None:
    X = table(n, False, 3)
    X[n // 2, 0] = -np.inf
    with pytest.raises(ValueError, match="column 0 holds infinite values"):
        _core.CodedTable(X, [0] * X.shape[1], 2, in_place)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int16])
def test_codes_are_ranks(dtype: type) -> None:
    rng = np.random.default_rng(4)
    for n, spread in ((40, 5), (5000, 3000), (MANY, 10**6)):
        x = rng.integers(-spread, spread, n).clip(*((-30000, 30000) if dtype is np.int16 else (None, None)))
        values, ranks = np.unique(x.astype(dtype), return_inverse=True)
        coded = _core.CodedTable(x.astype(dtype).reshape(-1, 1), [0])
        np.testing.assert_array_equal(coded.codes(0), ranks + 1)
        np.testing.assert_array_equal(coded.values(0), values)
