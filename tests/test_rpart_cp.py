# SPDX-License-Identifier: Apache-2.0
"""rpart's cp tables, to every printed digit: nested trees, cross-validated errors, surrogates, and levels that
folds lack.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

from pygbt.tree import CARTClassifier, CARTRegressor, CostComplexityPath, cost_complexity_path

pytestmark = pytest.mark.shared_data

RELIABILITY = ["Much worse", "worse", "average", "better", "Much better"]


def frame(shared_data: Path, name: str) -> Any:
    import datasets

    return datasets.frame(name)


def digits(numbers: str) -> tuple[np.ndarray, np.ndarray]:
    """Printed numbers, and half a unit of their last digit."""
    words = numbers.split()
    half = [0.5 * 10.0 ** -len(word.partition(".")[2]) for word in words]
    return np.array([float(word) for word in words]), np.array(half)


def assert_printed(path: CostComplexityPath, n_splits: list[int], **columns: str) -> None:
    assert path.n_splits.tolist() == n_splits
    assert path.n_leaves.tolist() == [n + 1 for n in n_splits]
    table = path.table()
    for name, printed in columns.items():
        expected, half = digits(printed)
        off = np.abs(table[name] - expected)
        assert (off <= half + 1e-9).all(), f"{name}: {table[name]} is not {printed}"


def test_mileage_by_weight(shared_data: Path) -> None:
    data = frame(shared_data, "car_test_frame")
    path = cost_complexity_path(CARTRegressor(), data[["Weight"]], data["Mileage"], folds=None)
    assert_printed(path, [0, 1, 2, 3], cp=".59534912 .13452819 .01282843 .01", rel_error="1 .4046509 .2701227 .2572943")
    assert path.estimator.tree_.risk[0] == pytest.approx(1354.583, abs=5e-4)


@pytest.mark.parametrize(
    ("options", "n_splits", "cp", "rel_error"),
    [
        ({}, [0, 1, 4], ".17647 .01961 .01", "1 .82353 .76471"),
        ({"priors": [0.65, 0.35]}, [0, 1, 2], ".30200 .20234 .01", "1 .69800 .49567"),
        ({"losses": [[0, 4], [3, 0]]}, [0, 1], ".01961 .01", "1 .98039"),
    ],
)
def test_kyphosis(shared_data: Path, options: dict[str, Any], n_splits: list[int], cp: str, rel_error: str) -> None:
    data = frame(shared_data, "kyphosis")
    X, y = data[["Age", "Number", "Start"]], data["Kyphosis"]
    assert_printed(
        cost_complexity_path(CARTClassifier(**options), X, y, folds=None), n_splits, cp=cp, rel_error=rel_error
    )


def test_reliability_of_cars(shared_data: Path) -> None:
    data = frame(shared_data, "cu_summary")
    y = data["Reliability"].map(dict(zip(RELIABILITY, range(5), strict=True))).astype("Int64")
    X = data[["Price", "Country", "Mileage", "Type"]]
    path = cost_complexity_path(CARTClassifier(), X, y, folds=np.arange(117) % 8)
    assert len(path.fold) == 85
    assert_printed(
        path,
        [0, 1, 2, 3, 4],
        cp=".30508 .08475 .05085 .03390 .01",
        rel_error="1 .6949 .6102 .5593 .5254",
        xerror="1.0000 .6949 .7119 .6780 .6780",
        xstd=".07200 .07808 .07813 .07800 .07800",
    )
    assert path.best() == 3 and path.one_se() == 1


@pytest.mark.parametrize("weight", [3.0, 1.0])
def test_country_of_cars(shared_data: Path, weight: float) -> None:
    data = frame(shared_data, "cu_summary")
    X = data[["Reliability", "Price", "Mileage", "Type"]].assign(
        Reliability=data["Reliability"].map(dict(zip(RELIABILITY, range(5), strict=True))).astype(float)
    )
    path = cost_complexity_path(
        CARTClassifier(counting="rows"), X, data["Country"], np.full(117, weight), folds=np.arange(117) % 10
    )
    xstd = ".04530958 .04583685 .04583685 .04563477"
    assert_printed(
        path,
        [0, 1, 3, 5],
        cp=".23529412 .02941176 .02205882 .01",
        rel_error="1 .7647059 .7058824 .6617647",
        xerror="1 .8088235 .9117647 .9558824",
        **({"xstd": xstd} if weight == 3 else {}),
    )
    np.testing.assert_allclose(path.xstd * np.sqrt(weight / 3), digits(xstd)[0], atol=5e-9)


def test_skips_of_solder(shared_data: Path) -> None:
    data = frame(shared_data, "solder_balance")
    X, y = data[["Opening", "Solder", "Mask", "PadType", "Panel"]], data["skips"]
    path = cost_complexity_path(CARTRegressor(), X, y, folds=None)
    assert_printed(
        path,
        list(range(12)),
        cp=".27891 .21209 .12839 .07914 .03990 .02883 .02299 .02038 .01631 .01280 .01147 .01",
    )
    assert path.rel_error[-1] == pytest.approx(0.14878, abs=5e-6)
    residual = y.to_numpy() - path.estimator_at(-1).predict(X)
    assert residual.mean() == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(
        np.quantile(residual, [0, 0.25, 0.5, 0.75, 1]), [-13.8, -1.0361, -0.6833, 0.9639, 16.2], atol=5e-5
    )


def test_losses_and_priors_of_fifteen_rows() -> None:
    """Section 12.1 of rpart's vignette: risk of the root and its two children, and their path."""
    y = np.array([1, 2, 3] * 5)
    y[14] = 1
    digit = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9])
    x3 = 10 * (np.array([1, 2, 3] * 5) + digit / 5)
    x3[[0, 4, 9]] = np.nan
    X = np.column_stack([np.arange(1, 16), [*range(1, 7), *range(1, 7), 1, 2, 3], x3])
    losses = [[0, 2, 2], [2, 0, 6], [1, 1, 0]]
    tree = CARTClassifier(priors=[0.2, 0.3, 0.5], losses=losses, cp=0, min_split=5, max_depth=1)
    path = cost_complexity_path(tree, X, y, folds=None)
    grown = path.estimator.tree_
    assert grown.risk[0] == pytest.approx(15 * 0.9) and grown.classes[grown.label[0]] == 2
    np.testing.assert_allclose(np.sort(grown.risk[1:] / 15), [0.26667, 0.49333], atol=5e-6)
    assert_printed(path, [0, 1], cp="0.15556 0", rel_error="1 0.84444")
