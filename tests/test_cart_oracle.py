# SPDX-License-Identifier: Apache-2.0
"""The CART oracle against published numbers, to every printed digit."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cart_oracle import Problem, altered_priors, best_splits, competitors, splits_of, spread
from cart_oracle_tree import cart, expected_losses
from cart_reading import read_oracle
from rpart_numbers import CAR_MILEAGE, TABLES, Table, check_car_leaves, check_table, shows
from textbook_tables import FIFTEEN_CUTS, LOAN_CUTS, LOAN_LEVELS, fifteen_rows, ten_loans

# --- ten loans ------------------------------------------------------------------------------------------------------


def test_ten_loans() -> None:
    columns, y = ten_loans()
    p = Problem(columns, y, n_levels=[2, 3, 0], n_classes=2, nominal="one_vs_rest")
    assert spread(p, p.rows) / 10 == Fraction(42, 100)
    weighted: dict[Any, Any] = {}  # Gini after every split
    for f in range(3):
        for split in splits_of(p, f, p.rows):
            gini = (spread(p, split.sides[0]) + spread(p, split.sides[1])) / 10
            assert split.goodness == 10 * (Fraction(42, 100) - gini)
            weighted[f, split.cut if split.levels is None else min(split.levels, key=len)] = gini
    assert all(shows(weighted[1, frozenset([level])], value) for level, value in LOAN_LEVELS.items())
    assert all(shows(v, ".343") for (f, _), v in weighted.items() if f == 0)
    assert all(shows(weighted[2, Fraction(cut)], value) for cut, value in LOAN_CUTS.items())
    assert len(weighted) == 1 + 3 + 9


# --- fifteen rows with losses, priors and missing values ------------------------------------------------------------


def fifteen_problem(**more: Any) -> Problem:
    columns, y, priors, losses = fifteen_rows()
    settings = {"min_split": 5, "min_bucket": 2, "max_depth": 1} | more
    return Problem(columns, y, n_classes=3, priors=priors, losses=losses, **settings)


def test_fifteen_rows() -> None:
    p = fifteen_problem()
    assert altered_priors(p) == [Fraction(n, 21) for n in (4, 12, 5)]
    assert [loss / 15 for loss in expected_losses(p, p.rows)] == [Fraction(n, 10) for n in (11, 9, 22)]
    assert spread(p, p.rows) / 15 == Fraction(256, 441)
    every = {float(s.cut): s.goodness for s in splits_of(fifteen_problem(min_bucket=1), 2, p.rows)}
    assert all(shows(every[cut], value) for cut, value in FIFTEEN_CUTS.items())
    allowed = {float(s.cut) for s in splits_of(p, 2, p.rows)}
    assert allowed == {*FIFTEEN_CUTS} - {13.0}
    assert [(s.feature, s.cut) for s in best_splits(p, p.rows)] == [(2, 36)]
    (second,), (third,) = competitors(p, p.rows, 2)
    assert (second.feature, second.cut) == (1, 5.5) and shows(second.goodness, "1.912")
    assert (third.feature, third.cut) == (0, 12.5) and shows(third.goodness, ".2905")


def test_fifteen_rows_as_a_tree() -> None:
    tree = cart(fifteen_problem())
    (stand_in,) = tree.surrogates
    assert (stand_in.feature, stand_in.cut) == (1, 2.5) and shows(stand_in.agree, ".8333")
    assert stand_in.adjusted == Fraction(6, 10)
    assert [child.value for child in tree.children] == [[4, 4, 0], [2, 1, 4]]
    assert [child.label for child in tree.children] == [1, 2]
    assert all(shows(c.risk / 15, text) for c, text in zip(tree.children, [".26667", ".49333"], strict=True))


# --- rpart's tables -------------------------------------------------------------------------------------------------


def problem_of(table: Table) -> tuple[Problem, list[str], list[Any]]:
    """The problem of a table with rpart's defaults, names of features and of their levels."""
    X, y = table.load()
    columns: list[list[Any]] = []
    names: list[Any] = []
    for feature in X:
        column = X[feature]
        if column.dtype == "category":
            names.append([str(v) for v in column.cat.categories])
            columns.append([int(code) if code >= 0 else None for code in column.cat.codes])
        else:
            names.append([])
            columns.append([None if v is None or v != v else Fraction(float(v)) for v in column])
    classes = int(y.max()) + 1 if np.issubdtype(y.dtype, np.integer) else 0
    problem = Problem(
        columns,
        [int(v) if classes else Fraction(float(v)) for v in y],
        criterion="gini" if classes else "squared_error",
        n_levels=[len(v) for v in names],
        n_classes=classes,
        nominal="exhaustive" if classes > 2 else "ordered",
        weight=[table.weight] * len(y),
        min_split=20,
        min_bucket=7,
        cp=Fraction(1, 100),
        **table.settings,
    )
    return problem, list(X), names


@pytest.mark.shared_data
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables(table: Table, shared_data: Path) -> None:
    problem, features, levels = problem_of(table)
    root = read_oracle(problem, cart(problem), levels)
    missing = {f: np.array([v is None for v in c]) for f, c in zip(features, problem.columns, strict=True)}
    check_table(table, root, missing)
    if table is CAR_MILEAGE:
        check_car_leaves(root)
