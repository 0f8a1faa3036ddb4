# SPDX-License-Identifier: Apache-2.0
"""What must hold of any trained model: repeats, permutations, planted splits, closed forms, odd tables."""

from __future__ import annotations

import numpy as np
import pytest
from law_tables import OBJECTIVES, POLICIES, Array, label, table, trees

import pygbt


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("objective", [*OBJECTIVES, "softmax"])
def test_weight_two_is_the_row_twice(objective: str, policy: str) -> None:
    X, z = table()
    y = np.digitize(z, [-1, 1]).astype(np.float32) if objective == "softmax" else label(objective, z)
    w = np.random.default_rng(2).integers(0, 4, len(X))
    params = {"objective": objective, **POLICIES[policy], "max_bin": 32}
    weighted = pygbt.train(params, pygbt.Dataset(X, y, weight=w, max_bin=32), 4)
    twice = pygbt.train(params, pygbt.Dataset(np.repeat(X, w, axis=0), np.repeat(y, w), max_bin=32), 4)
    # Rows counted differ by design; quantised to 16 bits or not, the sums are the same integers.
    assert trees(weighted, ("count",)) == trees(twice, ("count",))
    assert weighted.base_score.tobytes() == twice.base_score.tobytes()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_row_order_does_not_matter(objective: str, policy: str) -> None:
    X, z = table()
    y = label(objective, z)
    order = np.random.default_rng(3).permutation(len(X))
    params = {"objective": objective, **POLICIES[policy]}
    a = pygbt.train(params, pygbt.Dataset(X, y), 4)
    b = pygbt.train(params, pygbt.Dataset(X[order], y[order]), 4)
    assert trees(a) == trees(b)


@pytest.mark.parametrize("policy", POLICIES)
def test_column_order_does_not_matter(policy: str) -> None:
    X, z = table()
    order = np.array([3, 0, 4, 2, 1])
    a = pygbt.train(POLICIES[policy], pygbt.Dataset(X, z), 10)
    b = pygbt.train(POLICIES[policy], pygbt.Dataset(X[:, order], z), 10)
    assert a.predict(X).tobytes() == b.predict(X[:, order]).tobytes()


@pytest.mark.parametrize("policy", POLICIES)
def test_scores_in_training_are_predictions(policy: str) -> None:
    X, z = table()
    seen = {}

    def keep(margins: Array, data: pygbt.Dataset) -> tuple[Array, Array]:
        seen["margins"] = margins.copy()
        return margins - z, np.ones_like(margins)

    params = {**POLICIES[policy], "subsample": 0.5, "learning_rate": 0.4}
    model = pygbt.train(params, pygbt.Dataset(X, z), 7, objective=keep)
    assert seen["margins"].tobytes() == model.predict(X, iteration_range=(0, 6)).tobytes()


def test_planted_splits_are_found() -> None:
    rng = np.random.default_rng(4)
    X = rng.random((4000, 6)).astype(np.float32)
    cut = np.float32(0.37)
    y = np.where(X[:, 2] <= cut, 1.0, np.where(X[:, 5] <= 0.5, -1.0, 3.0))
    model = pygbt.train({"max_depth": 2, "reg_lambda": 0.0, "learning_rate": 1.0}, pygbt.Dataset(X, y, max_bin=256), 1)
    tree = model._model.tree(0)
    assert set(tree["feature"][tree["feature"] >= 0]) == {2, 5}
    assert np.unique(model.predict(X)).size <= 4
    edges = np.sort(X[:, 2])
    threshold = tree["threshold"][list(tree["feature"]).index(2)]
    assert abs(np.searchsorted(edges, threshold) - np.searchsorted(edges, cut)) <= len(X) / 255 + 1


def test_leaf_values_are_the_closed_form() -> None:
    """One split, squared error: leaf = -lr * G / (H + lambda), from the residuals in float64."""
    X = np.repeat(np.arange(2, dtype=np.float32), 50)[:, None]
    y = np.random.default_rng(5).standard_normal(100).astype(np.float32) + 3 * X[:, 0]
    model = pygbt.train({"max_depth": 1, "learning_rate": 0.3, "reg_lambda": 2.0}, pygbt.Dataset(X, y), 1)
    start = np.float64(model.base_score[0])
    expected = [0.3 * np.sum(y[X[:, 0] == v].astype(np.float64) - start) / (50 + 2.0) for v in (0, 1)]
    np.testing.assert_allclose(model._model.tree(0)["leaf_value"].ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "X",
    [
        np.ones((50, 3), np.float32),
        np.full((50, 2), np.nan, np.float32),
        np.zeros((1, 4), np.float32),
        np.array([[np.inf], [-np.inf], [np.nan], [1.0]], np.float32),
        np.random.default_rng(0).standard_normal((40, 10_000)).astype(np.float32),
        np.zeros((60, 0), np.float32),
    ],
    ids=["constant", "all_missing", "one_row", "infinities", "ten_thousand_columns", "no_columns"],
)
def test_odd_tables(X: Array) -> None:
    y = np.arange(len(X), dtype=np.float32)
    if X.shape[1] == 0:
        with pytest.raises(ValueError, match="feature|column"):
            pygbt.Dataset(X, y).core  # noqa: B018
        return
    model = pygbt.train({"max_depth": 3}, pygbt.Dataset(X, y), 3)
    prediction = model.predict(X)
    assert np.isfinite(prediction).all()
    if len(np.unique(X[:, 0])) <= 1 and X.shape[1] < 10:
        assert np.allclose(prediction, y.mean())


def test_a_start_score_far_off_does_not_blur_the_splits() -> None:
    """All gradients are nearly one constant: 16 bits would round away what tells the rows apart."""
    X, z = table()
    found = {}
    for precision in ("auto", "narrow", "wide"):
        params = {"base_score": 0.0, "max_depth": 4, "reg_lambda": 0.0, "histogram_precision": precision}
        found[precision] = trees(pygbt.train(params, pygbt.Dataset(X, 1e5 + z), 1))
    assert found["auto"] == found["wide"] != found["narrow"]
