# SPDX-License-Identifier: Apache-2.0
"""Forests: answers by hand, out-of-bag rows, weights and targets, scores beside scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from forest_tables import ALL, CANCER, DIABETES, IRIS, REGRESSORS, data_of
from sklearn import ensemble as theirs
from sklearn.base import clone
from sklearn.metrics import r2_score
from sklearn.model_selection import cross_val_score

import pygbt
from pygbt import _core
from pygbt.ensemble import (
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)

# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
def test_answers_are_means_over_the_trees(cls: type) -> None:
    X, y = data_of(cls)
    forest = cls(n_estimators=6, random_state=1, max_depth=4).fit(X, y)
    leaves = forest.apply(X)
    assert leaves.shape == (len(X), 6)
    answers = np.mean([tree.value[tree.leaf >= 0][leaves[:, tree.index]] for tree in forest.estimators_], axis=0)
    if cls in REGRESSORS:
        assert forest.predict(X) == pytest.approx(answers[:, 0], rel=1e-5)
    else:
        assert forest.predict_proba(X) == pytest.approx(answers, abs=1e-6)
        assert forest.predict_proba(X).sum(axis=1) == pytest.approx(np.ones(len(X)), abs=1e-12)
        assert np.array_equal(forest.predict(X), forest.classes_[forest.predict_proba(X).argmax(axis=1)])
    indicator, begin = forest.decision_path(X)
    assert indicator.shape == (len(X), begin[-1]) and len(begin) == 7
    for tree in forest.estimators_:
        own = indicator[:, begin[tree.index] : begin[tree.index + 1]].toarray()
        node = np.flatnonzero(tree.leaf >= 0)[np.argsort(tree.leaf[tree.leaf >= 0])][leaves[:, tree.index]]
        assert (own[:, 0] == 1).all() and (own[np.arange(len(X)), node] == 1).all()
        assert np.array_equal(own.sum(axis=1), tree.node_depths()[node] + 1)


def test_votes_and_shares_differ() -> None:
    X, y = IRIS
    options: dict[str, Any] = {"n_estimators": 20, "max_depth": 1, "random_state": 0}
    shares = RandomForestClassifier(**options).fit(X, y)
    votes = RandomForestClassifier(voting="vote", **options).fit(X, y)
    leaves = shares.apply(X)
    assert np.array_equal(leaves, votes.apply(X))
    counted = np.zeros((len(X), 3))
    for tree in shares.estimators_:
        label = tree.value[tree.leaf >= 0].argmax(axis=1)[leaves[:, tree.index]]
        counted[np.arange(len(X)), label] += 1
    assert votes.predict_proba(X) == pytest.approx(counted / 20)
    assert np.abs(votes.predict_proba(X) - shares.predict_proba(X)).max() > 0.05


@pytest.mark.parametrize("voting", ["proba", "vote"])
def test_out_of_bag_classes_by_hand(voting: str) -> None:
    X, y = IRIS
    names = np.array(["se", "ve", "vi"])[y]
    with pytest.warns(UserWarning, match="rows were drawn by every tree"):
        forest = RandomForestClassifier(n_estimators=5, oob_score=True, random_state=2, voting=voting).fit(X, names)
    sums, left_out = np.zeros((150, 3)), np.zeros(150)
    table = _core.CodedTable(X, [0] * 4)
    trainer = _core.ForestTrainer(table, _core.Response.classes(y.astype(np.int32), 3), {"seed": 2})
    leaves = forest.apply(X)
    for tree in forest.estimators_:
        out = trainer.counts(tree.index) == 0
        sums[out] += tree.value[tree.leaf >= 0][leaves[:, tree.index]][out]
        left_out += out
    known = left_out > 0
    assert 0 < (~known).sum() < 30
    assert np.isnan(forest.oob_decision_function_[~known]).all()
    assert forest.oob_decision_function_[known] == pytest.approx(sums[known] / left_out[known, np.newaxis], abs=1e-6)
    wrong = forest.classes_[np.nan_to_num(forest.oob_decision_function_).argmax(axis=1)] != names
    assert forest.oob_score_ == pytest.approx(1 - wrong[known].mean())


@pytest.mark.parametrize("max_bin", [None, 16, "dataset"])
def test_out_of_bag_numbers_by_hand(max_bin: Any) -> None:
    X, y = DIABETES
    X = X.copy()
    X[::7, 2] = np.nan
    both = np.column_stack([y, -2 * y + X[:, 0]])
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    forest = RandomForestRegressor(n_estimators=90, oob_score=True, random_state=3)
    if max_bin == "dataset":
        forest.fit(pygbt.Dataset(X, max_bin=16), both, weight)
        table = _core.CodedTable.of_bins(pygbt.Dataset(X, max_bin=16).core)
    else:
        forest.set_params(max_bin=max_bin).fit(X, both, weight)
        binned = None if max_bin is None else pygbt.Dataset(X, max_bin=16, weight=weight)
        table = _core.CodedTable(X, [0] * 10) if binned is None else _core.CodedTable.of_bins(binned.core)
    scaled = forest.forest_.scale.scaled(both)
    options = {"seed": 3, "criterion": "squared_error"}
    trainer = _core.ForestTrainer(table, _core.Response.targets(scaled, weight), options)
    assert trainer.n_draws == weight.sum()
    sums, left_out = np.zeros(both.shape), np.zeros(len(y))
    leaves = forest.apply(X)
    for tree in forest.estimators_:
        out = trainer.counts(tree.index) == 0
        sums[out] += tree.value[tree.leaf >= 0][leaves[:, tree.index]][out]
        left_out += out
    assert (left_out[weight == 0] == 90).all() and (left_out > 0).all()
    assert forest.oob_prediction_ == pytest.approx(sums / left_out[:, np.newaxis], rel=1e-4)
    counted = weight > 0
    wanted = r2_score(both[counted], forest.oob_prediction_[counted], sample_weight=weight[counted])
    assert forest.oob_score_ == pytest.approx(wanted)
    assert 0.2 < forest.oob_score_ < 0.6


def test_out_of_bag_score_of_the_caller() -> None:
    X, y = CANCER
    forest = RandomForestClassifier(n_estimators=60, random_state=0, oob_score=lambda a, b: float((a != b).mean()))
    wrong = forest.fit(X, y).oob_score_
    assert wrong == pytest.approx(1 - forest.set_params(oob_score=True).fit(X, y).oob_score_)
    assert 0.02 < wrong < 0.07


def test_proximity_is_the_share_of_common_leaves() -> None:
    X, y = IRIS
    forest = RandomForestClassifier(n_estimators=25, random_state=0).fit(X, y)
    leaves = forest.apply(X)
    wanted = (leaves[:, np.newaxis] == leaves[np.newaxis]).mean(axis=2)
    found = forest.proximity(X)
    assert np.allclose(found, wanted) and (found.diagonal() == 1).all()
    assert np.allclose(forest.proximity(X[:7], X[50:90]), wanted[:7, 50:90])
    nearest = forest.proximity(X, top=4)
    assert nearest.shape == (150, 150) and (np.diff(nearest.indptr) <= 4).all()
    for row in range(0, 150, 13):
        kept = nearest[[row]]
        assert np.allclose(np.sort(kept.data), np.sort(wanted[row])[::-1][:4][::-1])
        assert np.allclose(kept.data, wanted[row, kept.indices])
    same = y[:, np.newaxis] == y[np.newaxis]
    assert found[same].mean() > 0.6 > 0.2 > found[~same].mean()
    with pytest.raises(ValueError, match="top="):
        forest.proximity(np.zeros((10_001, 4)))


# --- class weights, targets ------------------------------------------------------------------------------------------


def test_class_weights_are_weights_of_rows() -> None:
    X, y = CANCER
    options: dict[str, Any] = {"n_estimators": 5, "bootstrap": False, "random_state": 0, "max_depth": 4}
    by_class = RandomForestClassifier(class_weight={0: 3, 1: 1}, **options).fit(X, y)
    by_row = RandomForestClassifier(**options).fit(X, y, np.where(y == 0, 3.0, 1.0))
    assert by_class.predict_proba(X) == pytest.approx(by_row.predict_proba(X), abs=1e-6)
    assert (
        by_class.predict_proba(X)[:, 0].mean()
        > RandomForestClassifier(**options).fit(X, y).predict_proba(X)[:, 0].mean()
    )
    sums = np.bincount(y)
    balanced = RandomForestClassifier(class_weight="balanced", **options).fit(X, y)
    given = RandomForestClassifier(class_weight=dict(enumerate(len(y) / (2 * sums))), **options).fit(X, y)
    assert balanced.digest() == given.digest()
    each = RandomForestClassifier(class_weight="balanced_subsample", **options).fit(X, y)
    assert each.predict_proba(X) == pytest.approx(balanced.predict_proba(X), abs=1e-7)  # every tree has all rows
    none = RandomForestClassifier(class_weight={0: 0}, **options).fit(X, y)
    assert (none.predict(X) == 1).all()


def test_balanced_subsample_is_balanced_in_every_tree() -> None:
    X, y = CANCER
    y = np.where(np.arange(len(y)) % 4 == 0, y, 1)  # few of class 0
    options: dict[str, Any] = {"n_estimators": 8, "random_state": 0, "max_depth": 0}
    forest = RandomForestClassifier(class_weight="balanced_subsample", **options).fit(X, y)
    for tree in forest.estimators_:
        assert tree.value[0] == pytest.approx([0.5, 0.5])
    once = RandomForestClassifier(class_weight="balanced", **options).fit(X, y)
    shares = np.array([tree.value[0, 0] for tree in once.estimators_])
    assert shares.std() > 0.005 and abs(shares.mean() - 0.5) < 0.05
    for n_jobs in (1, 3, 20):  # trees as tasks, threads within a tree
        other = RandomForestClassifier(class_weight="balanced_subsample", n_jobs=n_jobs, **options).fit(X, y)
        assert other.digest() == forest.digest()


@pytest.mark.parametrize("cls", REGRESSORS)
def test_several_targets(cls: type) -> None:
    X, y = DIABETES
    both = np.column_stack([y, 1000 * y[::-1]])
    forest = cls(n_estimators=10, random_state=0).fit(X, both)
    assert forest.predict(X).shape == (len(y), 2)
    assert forest.score(X, both) > 0.4
    twice = cls(n_estimators=10, random_state=0).fit(X, np.column_stack([y, y]))
    once = cls(n_estimators=10, random_state=0).fit(X, np.column_stack([y]).ravel())
    assert np.array_equal(twice.predict(X)[:, 0], twice.predict(X)[:, 1])
    if cls is ExtraTreesRegressor:  # the sample depends on the content of the rows, targets included
        assert twice.predict(X)[:, 0] == pytest.approx(once.predict(X), rel=1e-5)


@pytest.mark.parametrize(("offset", "unit"), [(1.6e9, 1.0), (0.0, 2.0**-600), (0.0, 2.0**500), (-3e5, 1e-3)])
def test_targets_far_from_zero_lose_nothing(offset: float, unit: float) -> None:
    X, y = DIABETES
    plain = RandomForestRegressor(n_estimators=5, bootstrap=False, max_depth=6, random_state=0, max_features=4)
    moved = clone(plain).fit(X, offset + unit * y)
    plain.fit(X, y)
    assert (moved.predict(X) - offset) / unit == pytest.approx(plain.predict(X), rel=1e-4, abs=2e-3)
    outlier = y.copy()
    outlier[0] = 1e9
    spoilt = RandomForestRegressor(n_estimators=5, bootstrap=False, random_state=0).fit(X, outlier)
    assert spoilt.predict(X)[1:] == pytest.approx(outlier[1:], rel=1e-3)


@pytest.mark.parametrize("criterion", ["absolute_error", "poisson"])
def test_other_criteria(criterion: str) -> None:
    X, y = DIABETES
    own = RandomForestRegressor(criterion=criterion, n_estimators=30, min_bucket=5, random_state=0, oob_score=True)
    assert 0.35 < own.fit(X, y).oob_score_ < 0.5
    with pytest.raises(ValueError, match="y must be one column"):
        own.fit(X, np.column_stack([y, y]))
    if criterion == "poisson":
        with pytest.raises(ValueError, match="y must not be negative"):
            own.fit(X, y - 100)


def test_twoing_and_entropy() -> None:
    X, y = IRIS
    for criterion in ("twoing", "entropy"):
        forest = RandomForestClassifier(criterion=criterion, n_estimators=40, random_state=0, oob_score=True).fit(X, y)
        assert forest.oob_score_ > 0.92


# --- scores beside scikit-learn's ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "data", "n_trees", "tolerance"),
    [
        ("RandomForestClassifier", IRIS, 60, 0.02),
        ("RandomForestClassifier", CANCER, 60, 0.012),
        ("ExtraTreesClassifier", CANCER, 60, 0.012),
        ("RandomForestRegressor", DIABETES, 60, 0.03),
        ("ExtraTreesRegressor", DIABETES, 60, 0.04),
    ],
)
@pytest.mark.parametrize("max_bin", [None, 64])
def test_scores_are_those_of_scikit_learn(name: str, data: Any, n_trees: int, tolerance: float, max_bin: Any) -> None:
    X, y = data
    order = np.random.default_rng(0).permutation(len(y))
    X, y = X[order], y[order]
    ours, other = [], []
    for seed in range(3):
        own = getattr(pygbt.ensemble, name)(n_estimators=n_trees, random_state=seed, max_bin=max_bin)
        ours.append(cross_val_score(own, X, y, cv=5).mean())
        other.append(cross_val_score(getattr(theirs, name)(n_trees, random_state=seed), X, y, cv=5).mean())
    assert np.mean(ours) > np.mean(other) - tolerance
    assert np.mean(ours) < np.mean(other) + 2 * tolerance


@pytest.mark.shared_data
def test_otto_beside_scikit_learn(shared_data: Any) -> None:
    from datasets import load  # type: ignore[import-not-found]

    data = load("otto")
    order = np.random.default_rng(0).permutation(len(data.y))[:6000]
    X, y = data.X.to_numpy(np.float32)[order], np.asarray(data.y)[order]
    own = RandomForestClassifier(n_estimators=30, random_state=0, oob_score=True).fit(X, y)
    other = theirs.RandomForestClassifier(30, random_state=0, oob_score=True, n_jobs=2).fit(X, y)
    assert own.oob_score_ == pytest.approx(other.oob_score_, abs=0.02)
