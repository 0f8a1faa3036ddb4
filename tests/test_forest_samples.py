# SPDX-License-Identifier: Apache-2.0
"""Forests: laws of their samples and draws; single trees as their oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from forest_tables import IRIS, coarse
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from pygbt import _core
from pygbt.ensemble import (
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from pygbt.tree import CARTClassifier, CARTRegressor

# --- samples ---------------------------------------------------------------------------------------------------------


def counts_of(n: int, weight: np.ndarray | None, n_draws: int, n_trees: int) -> np.ndarray:
    hashes = np.random.default_rng(0).integers(0, 2**63, n).astype(np.uint64)
    return np.array(
        [_core.bootstrap_counts(hashes, weight, n_draws=n_draws, seed=11, index=tree) for tree in range(n_trees)]
    )


def test_bootstrap_counts_are_multinomial() -> None:
    n, trees = 50, 4000
    counts = counts_of(n, None, n, trees)
    assert (counts.sum(axis=1) == n).all()
    share = 1 / n
    deviation = np.sqrt(n * share * (1 - share) / trees)
    assert np.abs(counts.mean(axis=0) - 1).max() < 5 * deviation
    assert counts.var() == pytest.approx(1 - share, rel=0.03)
    covariance = np.cov(counts.T)
    off = covariance[~np.eye(n, dtype=bool)]
    assert off.mean() == pytest.approx(-n * share**2, rel=0.1)
    left_out = (counts == 0).mean()
    assert left_out == pytest.approx((1 - share) ** n, abs=0.005)
    lag = np.corrcoef(counts[:-1].ravel(), counts[1:].ravel())[0, 1]  # one tree tells nothing of the next
    assert abs(lag) < 0.01


def test_draws_are_in_proportion_to_the_weights() -> None:
    weight = np.array([0, 1, 2, 3, 4], dtype=np.uint32)
    counts = counts_of(5, weight, 10, 20_000)
    assert (counts[:, 0] == 0).all()
    assert counts.mean(axis=0) == pytest.approx(weight, abs=0.06)
    p = weight / 10
    assert counts.var(axis=0) == pytest.approx(10 * p * (1 - p), rel=0.05)


@pytest.mark.parametrize(("max_samples", "drawn"), [(None, 150), (0.5, 75), (17, 17), (0.001, 1), (1, 1), (1.0, 150)])
def test_rows_of_a_tree(max_samples: Any, drawn: int) -> None:
    X, y = IRIS
    forest = RandomForestClassifier(n_estimators=4, max_samples=max_samples, random_state=0).fit(X, y)
    assert [int(tree.cover[0]) for tree in forest.estimators_] == [drawn] * 4


def test_features_are_drawn_in_every_node() -> None:
    """Noise alone: any of six columns may be asked. Two are drawn a node, so a tree asks about all of them, and each is
    the root's as often.
    """
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(200, 6)), rng.integers(0, 2, 200)
    forest = RandomForestClassifier(n_estimators=300, max_features=2, random_state=0).fit(X, y)
    roots = np.zeros(6)
    for tree in forest.estimators_:
        assert set(tree.feature[tree.feature >= 0]) == set(range(6))
        roots[tree.feature[0]] += 1
    assert roots.sum() == 300
    # One strong column among weak ones: the root asks it whenever it is drawn, 2 times in 6.
    X[:, 0] = y + 0.01 * X[:, 0]
    strong = RandomForestClassifier(n_estimators=600, max_features=2, random_state=0).fit(X, y)
    share = np.mean([tree.feature[0] == 0 for tree in strong.estimators_])
    assert share == pytest.approx(1 / 3, abs=5 * np.sqrt(2 / 9 / 600))


@pytest.mark.parametrize(
    ("max_features", "drawn"),
    [("sqrt", 3), ("log2", 3), ("breiman", 4), (5, 5), (0.3, 3), (0.01, 1), (1, 1), (11, 0), (1.0, 0), (None, 0)],
)
def test_number_of_drawn_features(max_features: Any, drawn: int) -> None:
    from pygbt.ensemble.forest_options import features_of_node

    assert features_of_node(max_features, 11) == drawn


def test_random_thresholds_are_uniform() -> None:
    X = np.sort(np.random.default_rng(0).exponential(size=400))[:, np.newaxis]  # a wide gap below the largest value
    y = (np.arange(400) % 2).astype(float)
    forest = ExtraTreesRegressor(n_estimators=2000, max_depth=1, random_state=0).fit(X, y)
    cuts = np.array([tree.threshold[0] for tree in forest.estimators_])
    share = np.sort((cuts - X.min()) / (X.max() - X.min()))
    assert ((share >= 0) & (share < 1)).all()
    distance = np.abs(share - (np.arange(2000) + 0.5) / 2000).max()  # Kolmogorov and Smirnov
    assert distance < 1.95 / np.sqrt(2000)


# --- against single trees --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [False, True])
def test_everything_drawn_is_the_single_cart_tree(classes: bool) -> None:
    X, labels, number = coarse(4, 300)
    number = np.round(number * 64) / 64  # exact, whatever the forest takes off
    options: dict[str, Any] = {"min_split": 2, "min_bucket": 1, "cp": None, "missing": "direction"}
    everything: dict[str, Any] = {"n_estimators": 3, "bootstrap": False, "max_features": None}
    if classes:
        tree = CARTClassifier(**options).fit(X, labels)
        forest = RandomForestClassifier(**everything).fit(X, labels)
        assert forest.predict_proba(X) == pytest.approx(tree.predict_proba(X), abs=1e-7)
    else:
        tree = CARTRegressor(**options).fit(X, number)
        forest = RandomForestRegressor(**everything).fit(X, number)
        assert forest.predict(X) == pytest.approx(tree.predict(X), rel=1e-6, abs=1e-6)
    for grown in forest.estimators_:
        assert grown.n_leaves == tree.get_n_leaves()
        inner = grown.feature >= 0
        asked = tree.tree_.question_begin[:-1][inner]
        assert np.array_equal(grown.feature[inner], tree.tree_.question_feature[asked])
        assert np.array_equal(grown.threshold[inner], tree.tree_.question_threshold[asked])
    ids = forest.apply(X)
    own = tree.apply(X)
    assert len(np.unique(ids[:, 0])) == len(np.unique(own)) == len(np.unique(np.column_stack([ids[:, 0], own]), axis=0))


def decrease_of_root(tree: Any) -> float:
    left, right, n = tree.children_left[0], tree.children_right[0], tree.n_node_samples
    return float(tree.impurity[0] - (n[left] * tree.impurity[left] + n[right] * tree.impurity[right]) / n[0])


@pytest.mark.parametrize("criterion", ["gini", "entropy", "squared_error"])
def test_importances_are_those_of_scikit_learn(criterion: str) -> None:
    rng = np.random.default_rng(5)
    X = rng.normal(size=(300, 4))
    number = X @ [3, 2, 1, 0] + rng.normal(size=300)
    options: dict[str, Any] = {"criterion": criterion, "max_depth": 3}
    everything: dict[str, Any] = {"n_estimators": 2, "bootstrap": False, "max_features": None}
    if criterion == "squared_error":
        other: Any = DecisionTreeRegressor(**options).fit(X, number)
        forest: Any = RandomForestRegressor(**options, **everything).fit(X, number)
    else:
        other = DecisionTreeClassifier(**options).fit(X, number > 0)
        forest = RandomForestClassifier(**options, **everything).fit(X, number > 0)
    assert forest.feature_importances_ == pytest.approx(other.feature_importances_, rel=1e-5, abs=1e-7)
    if criterion != "entropy":
        one = forest.estimators_[0]
        assert one.gain[0] == pytest.approx(300 * decrease_of_root(other.tree_), rel=1e-5)
