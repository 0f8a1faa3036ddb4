# SPDX-License-Identifier: Apache-2.0
"""CART against the numbers that rpart and the textbooks print, to every printed digit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cart_reading import Seen, read_tree
from rpart_numbers import CAR_MILEAGE, KYPHOSIS, SOLDER, TABLES, Table, check_car_leaves, check_table, shows
from textbook_tables import fifteen_rows, ten_loans

pytest.importorskip("sklearn")
pandas = pytest.importorskip("pandas")

from pygbt.tree import CARTClassifier, CARTRegressor  # noqa: E402

RPART: dict[str, Any] = {"min_split": 20, "min_bucket": 7, "cp": 0.01, "max_depth": 30, "counting": "rows"}


def fit(table: Table) -> tuple[Any, Any, Any]:
    X, y = table.load()
    settings = {name: np.array(value, dtype=float) for name, value in table.settings.items()}
    kind = CARTClassifier if np.issubdtype(y.dtype, np.integer) else CARTRegressor
    model = kind(**RPART, **settings).fit(X, y, sample_weight=np.full(len(y), float(table.weight)))
    return model, X, y


def read(model: Any, X: Any) -> Seen:
    return read_tree(model.tree_, names=True, passed=model.decision_path(X).toarray())


@pytest.mark.shared_data
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables(table: Table, shared_data: Path) -> None:
    model, X, y = fit(table)
    root = read(model, X)
    check_table(table, root, {name: X[name].isna().to_numpy() for name in X})
    assert root.weight == table.weight * len(y)
    if table is CAR_MILEAGE:
        check_car_leaves(root)
    if table is SOLDER:
        residuals = y - model.predict(X)
        quantiles = ["-13.8", "-1.0361", "-0.6833", "0.9639", "16.2"]
        assert all(map(shows, np.quantile(residuals, [0, 0.25, 0.5, 0.75, 1]), quantiles))
        assert residuals.mean() == pytest.approx(0, abs=1e-12)


@pytest.mark.shared_data
def test_defaults_are_those_of_rpart(shared_data: Path) -> None:
    model, X, y = fit(KYPHOSIS)
    arrays = CARTClassifier().fit(X, y).tree_.arrays
    for name, array in model.tree_.arrays.items():
        np.testing.assert_array_equal(arrays[name], array)


@pytest.mark.shared_data
def test_leaves_of_kyphosis(shared_data: Path) -> None:
    model, X, _ = fit(KYPHOSIS)
    root = read(model, X)
    leaves = {(n.count, *map(int, n.value), n.label) for n in root.leaves()}
    assert leaves == {(19, 8, 11, 1), (29, 29, 0, 0), (12, 12, 0, 0), (14, 12, 2, 0), (7, 3, 4, 1)}
    path = [root.of(n).asked for n in (81, 62, 33, 21)]
    assert [(X.columns[a.feature], a.cut) for a in path if a] == [
        ("Start", 8.5),
        ("Start", 14.5),
        ("Age", 55),
        ("Age", 111),
    ]


@pytest.mark.shared_data
def test_watermelon_one_against_the_rest(shared_data: Path) -> None:
    from datasets import load

    table = load("watermelon_2")
    model = CARTClassifier(
        nominal="one_vs_rest", min_split=2, min_bucket=1, cp=0, max_competitors=5, max_depth=1, counting="rows"
    ).fit(table.X, table.y)
    root = read_tree(model.tree_, names=True)
    assert root.asked is not None
    gini = {a.feature: model.tree_.impurity[0] - a.improvement / 17 for a in (root.asked, *root.competitors)}
    names = list(table.X)
    assert names[root.asked.feature] == "texture" and {"distinct"} in root.asked.levels
    assert shows(gini[root.asked.feature], ".2859")
    navel = next(a for a in root.competitors if names[a.feature] == "navel")
    assert {"even"} in navel.levels and shows(gini[navel.feature], ".3620")


# --- examples of textbooks ------------------------------------------------------------------------------------------


def test_ten_loans() -> None:
    columns, y = ten_loans()
    frame = pandas.DataFrame(dict(zip(["owner", "status", "income"], columns, strict=True)))
    frame = frame.astype({"owner": "category", "status": "category"})
    model = CARTClassifier(nominal="one_vs_rest", min_split=2, min_bucket=1, cp=0, counting="rows").fit(frame, y)
    root = read_tree(model.tree_)
    assert root.asked is not None
    assert model.tree_.impurity[0] == pytest.approx(0.42, rel=1e-12)
    found = [(a.feature, a.cut, pytest.approx(a.improvement, rel=1e-12)) for a in (root.asked, *root.competitors)]
    assert found == [(1, None, 1.2), (2, 97.5, 1.2), (0, None, 4.2 - 24 / 7)]  # a tie: the lower feature
    assert {1} in root.asked.levels


def test_fifteen_rows() -> None:
    columns, y, priors, losses = fifteen_rows()
    X = np.array(columns, dtype=float).T
    model = CARTClassifier(
        priors=[float(v) for v in priors],
        losses=losses,
        cp=0,
        min_split=5,
        min_bucket=2,
        max_depth=1,
        counting="rows",
    ).fit(X, y)
    root = read_tree(model.tree_)
    assert root.asked is not None
    assert (root.label, pytest.approx(root.risk, rel=1e-12)) == (1, 0.9 * 15)
    assert model.tree_.impurity[0] == pytest.approx(256 / 441, rel=1e-12)
    found = [root.asked, *root.competitors]
    assert [(a.feature, a.cut) for a in found] == [(2, 36), (1, 5.5), (0, 12.5)]
    assert all(shows(a.improvement, text) for a, text in zip(found, ["3.9876", "1.912", ".2905"], strict=True))
    (stand_in,) = root.surrogates
    assert (stand_in.feature, stand_in.cut) == (1, 2.5)
    assert shows(stand_in.agreement, ".8333") and stand_in.adjusted == pytest.approx(0.6, rel=1e-12)
    assert [c.value for c in root.children] == [(4, 4, 0), (2, 1, 4)]
    assert [c.label for c in root.children] == [1, 2]
    assert all(shows(c.risk / 15, text) for c, text in zip(root.children, [".26667", ".49333"], strict=True))
