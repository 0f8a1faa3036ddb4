# SPDX-License-Identifier: Apache-2.0
"""What classical trees and ensembles do with a row follows from what it holds and weighs, not from its place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.tree import DecisionTreeClassifier

from pygbt import _core
from pygbt.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    BoostingTree,
    GradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from pygbt.tree import CARTClassifier, CARTRegressor, cost_complexity_path
from pygbt.tree.base import read_training_table

RNG = np.random.default_rng(8)
N = 90
# Every value is zero, one or missing, so that rows which differ in what they lack alone are frequent.
ZEROS = RNG.integers(0, 2, size=(N, 3)).astype(float)
ZEROS[RNG.random(ZEROS.shape) < 0.4] = np.nan
CODES = (np.nan_to_num(ZEROS).sum(axis=1) + RNG.normal(size=N) > 1).astype(int)
DECIMALS = np.round(RNG.normal(size=N) * 10.0 ** RNG.integers(-3, 3, size=N), 9)  # of all sizes, none exact in binary
ORDER = RNG.permutation(N)

SAMPLED: list[Any] = [
    BaggingClassifier(n_estimators=4, voting="proba"),
    BaggingClassifier(n_estimators=4, bootstrap=False, max_samples=0.4, voting="proba"),
    AdaBoostClassifier(n_estimators=4, resample=True),
    RandomForestClassifier(n_estimators=4, random_state=0),
]


@pytest.mark.parametrize("model", SAMPLED, ids=str)
def test_a_missing_value_is_not_a_zero(model: Any) -> None:
    one = clone(model).fit(ZEROS, CODES).predict_proba(ZEROS)
    other = clone(model).fit(ZEROS[ORDER], CODES[ORDER]).predict_proba(ZEROS)
    np.testing.assert_array_equal(one, other)


def test_rows_that_differ_have_their_own_hash() -> None:
    values = np.array([[0.0], [-0.0], [np.nan], [1.0], [np.finfo(float).max], [5e-324]])
    _, table = read_training_table(values, "auto", 1)
    hashes = _core.row_hashes(table, _core.Response.classes(np.zeros(6, dtype=np.int32), 1))
    assert len(set(hashes.tolist())) == 5 and hashes[0] == hashes[1]


@pytest.mark.parametrize(
    "model",
    [
        BaggingRegressor(n_estimators=5),
        BaggingRegressor(LinearRegression(), n_estimators=5),
        BaggingRegressor(n_estimators=5, bootstrap=False, max_samples=0.5),
        AdaBoostRegressor(n_estimators=4, resample=True),
        RandomForestRegressor(n_estimators=5, random_state=0),
    ],
    ids=str,
)
def test_targets_of_any_size_are_drawn_alike(model: Any) -> None:
    """Weight 3 is the row three times, however many bits the targets have."""
    X = np.column_stack([np.nan_to_num(ZEROS), np.arange(N) % 7])
    weight = np.random.default_rng(1).integers(1, 8, size=N)
    rows = np.repeat(np.arange(N), weight)
    weighted = clone(model).fit(X, DECIMALS, sample_weight=weight.astype(float))
    repeated = clone(model).fit(X[rows], DECIMALS[rows])
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        CARTClassifier(class_weight="balanced", min_split=2, cp=0),
        AdaBoostClassifier(CARTClassifier(class_weight="balanced", max_depth=1, min_split=2), n_estimators=3),
        BaggingClassifier(CARTClassifier(class_weight="balanced"), n_estimators=3, voting="proba"),
        BoostingTree("exponential", estimator=CARTClassifier(class_weight="balanced", max_depth=1), n_estimators=3),
        RandomForestClassifier(class_weight="balanced", n_estimators=3, random_state=0),
    ],
    ids=str,
)
def test_classes_are_balanced_by_their_weight(model: Any) -> None:
    weight = np.where(CODES == 1, 5, np.random.default_rng(2).integers(0, 3, size=N))
    rows = np.repeat(np.arange(N), weight)
    weighted = clone(model).fit(ZEROS, CODES, sample_weight=weight.astype(float))
    repeated = clone(model).fit(ZEROS[rows], CODES[rows])
    np.testing.assert_allclose(
        weighted.predict_proba(ZEROS), repeated.predict_proba(ZEROS), rtol=1e-6
    )  # weights are rounded


def test_folds_of_a_path_keep_the_factors_of_all_rows() -> None:
    fold = np.arange(N) % 4
    balanced = CARTClassifier(class_weight="balanced", cp=0, min_split=4)
    path = cost_complexity_path(balanced, ZEROS, CODES, folds=fold)
    factor = N / (2 * np.bincount(CODES))
    plain = clone(balanced).set_params(class_weight=None)
    given = cost_complexity_path(plain, ZEROS, CODES, factor[CODES], folds=fold)
    assert len(path) > 2
    for ours, theirs in zip(path.table().values(), given.table().values(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_balanced_classes_weigh_the_same() -> None:
    weight = np.random.default_rng(3).uniform(0.1, 2.0, size=N)
    root = CARTClassifier(class_weight="balanced").fit(ZEROS, CODES, sample_weight=weight).tree_.value[0]
    assert root[0] == pytest.approx(root[1], rel=1e-6) and root.sum() == pytest.approx(weight.sum(), rel=1e-6)
    X, peer = np.nan_to_num(ZEROS), DecisionTreeClassifier(class_weight="balanced", random_state=0)
    ours = CARTClassifier(class_weight="balanced", min_split=2, cp=None).fit(X, CODES)
    np.testing.assert_allclose(ours.predict_proba(X), peer.fit(X, CODES).predict_proba(X), atol=1e-9)


@pytest.mark.parametrize(
    "model",
    [
        CARTRegressor(),
        CARTRegressor(criterion="absolute_error"),
        BaggingRegressor(n_estimators=3),
        AdaBoostRegressor(n_estimators=3),
        BoostingTree(n_estimators=3),
        GradientBoostingRegressor(n_estimators=3),
        RandomForestRegressor(n_estimators=3, random_state=0),
    ],
    ids=str,
)
def test_a_target_without_weight_is_not_there(model: Any) -> None:
    """However large it is: it leaves the others their digits."""
    X = np.column_stack([np.nan_to_num(ZEROS), np.arange(N) % 11])
    y = np.where(np.arange(N) == 7, 1e200, X[:, 0] + 0.1 * X[:, 3])
    weight = np.where(np.arange(N) == 7, 0.0, 1.0)
    kept = weight > 0
    weighted = clone(model).fit(X, y, sample_weight=weight)
    alone = clone(model).fit(X[kept], y[kept])
    assert alone.predict(X).std() > 0.1
    np.testing.assert_allclose(weighted.predict(X), alone.predict(X), rtol=1e-9)
