# SPDX-License-Identifier: Apache-2.0
"""Forests: scikit-learn's checks, laws of sampling, out-of-bag rows by hand, scores beside scikit-learn's."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn import ensemble as theirs
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

import pygbt
from pygbt import _core
from pygbt.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    forest_growth,
)
from pygbt.tree import CARTClassifier, CARTRegressor

EXPECTED_FAILURES: dict[str, str] = {}  # none, and none may be added

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)
CLASSIFIERS = (RandomForestClassifier, ExtraTreesClassifier)
REGRESSORS = (RandomForestRegressor, ExtraTreesRegressor)
ALL = CLASSIFIERS + REGRESSORS


def data_of(cls: type) -> tuple[np.ndarray, np.ndarray]:
    return IRIS if cls in CLASSIFIERS else DIABETES


def coarse(seed: int, n: int = 120) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A table full of ties, with missing values; class codes and numbers for it."""
    rng = np.random.default_rng(seed)
    X = np.round(rng.normal(size=(n, 5)), 1)
    X[rng.random(X.shape) < 0.05] = np.nan
    number = np.round(np.nan_to_num(X[:, 0]) * 3 + np.nan_to_num(X[:, 1]) ** 2 + rng.normal(size=n), 2)
    return X, np.digitize(number, [-1, 1]), number


@parametrize_with_checks([cls(n_estimators=5) for cls in ALL], expected_failed_checks=lambda _: EXPECTED_FAILURES)
@pytest.mark.filterwarnings("ignore")  # some checks warn on purpose
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("cls", ALL)
def test_parameters_are_documented_and_kept(cls: type) -> None:
    parameters = inspect.signature(cls.__init__).parameters
    doc = inspect.getdoc(cls)
    assert doc is not None
    assert all(f"\n{name} : " in doc for name in parameters if name != "self")
    changed = cls(n_estimators=3, max_features=2, random_state=1)
    assert clone(changed).get_params() == changed.get_params()


# --- the same bits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("max_bin", [None, 8])
def test_same_bits_for_any_number_of_threads(cls: type, max_bin: int | None) -> None:
    X, _, number = coarse(0)
    y = number if cls in REGRESSORS else number > 0
    one = cls(n_estimators=9, random_state=3, n_jobs=1, max_bin=max_bin).fit(X, y)
    for n_jobs in (2, 3, 8, None):
        many = cls(n_estimators=9, random_state=3, n_jobs=n_jobs, max_bin=max_bin).fit(X, y)
        assert many.digest() == one.digest()
        ask = "predict" if cls in REGRESSORS else "predict_proba"
        assert getattr(many, ask)(X).tobytes() == getattr(one, ask)(X).tobytes()
    assert cls(n_estimators=9, random_state=4, max_bin=max_bin).fit(X, y).digest() != one.digest()


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("max_bin", [None, 8])
def test_rows_in_any_order(cls: type, max_bin: int | None) -> None:
    X, labels, number = coarse(1)
    y = number if cls in REGRESSORS else labels
    order = np.random.default_rng(0).permutation(len(X))
    forest = cls(n_estimators=7, random_state=0, max_bin=max_bin)
    assert clone(forest).fit(X[order], y[order]).digest() == forest.fit(X, y).digest()


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("max_bin", [None, 8])
@pytest.mark.parametrize("class_weight", [None, "balanced", "balanced_subsample"])
def test_weight_three_is_the_row_three_times(cls: type, max_bin: int | None, class_weight: Any) -> None:
    X, labels, number = coarse(2)
    options: dict[str, Any] = {"n_estimators": 7, "random_state": 0, "max_bin": max_bin}
    if cls in CLASSIFIERS:
        options["class_weight"] = class_weight
    elif class_weight is not None:
        return
    y = number if cls in REGRESSORS else labels
    weight = np.random.default_rng(3).integers(0, 4, len(X)).astype(float)
    weighted = cls(**options).fit(X, y, weight)
    repeated = cls(**options).fit(np.repeat(X, weight.astype(int), axis=0), np.repeat(y, weight.astype(int)))
    assert weighted.feature_importances_.tobytes() == repeated.feature_importances_.tobytes()
    ask = "predict" if cls in REGRESSORS else "predict_proba"
    assert getattr(weighted, ask)(X).tobytes() == getattr(repeated, ask)(X).tobytes()


@pytest.mark.parametrize("cls", ALL)
def test_more_trees_by_warm_start_are_those_of_one_fit(cls: type) -> None:
    X, y = data_of(cls)
    forest = cls(n_estimators=3, random_state=5, warm_start=True).fit(X, y)
    pickled = pickle.loads(pickle.dumps(forest))
    whole = cls(n_estimators=8, random_state=5).fit(X, y)
    for part in (forest, pickled):
        part.set_params(n_estimators=8).fit(X, y)
        assert part.digest() == whole.digest()
    with pytest.warns(UserWarning, match="none is added"):
        forest.fit(X, y)
    with pytest.raises(ValueError, match="n_estimators=2 must not be less"):
        forest.set_params(n_estimators=2).fit(X, y)


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
        own = globals()[name](n_estimators=n_trees, random_state=seed, max_bin=max_bin)
        ours.append(cross_val_score(own, X, y, cv=5).mean())
        other.append(cross_val_score(getattr(theirs, name)(n_trees, random_state=seed), X, y, cv=5).mean())
    assert np.mean(ours) > np.mean(other) - tolerance
    assert np.mean(ours) < np.mean(other) + 2 * tolerance


# --- tables ----------------------------------------------------------------------------------------------------------


def test_frames_sparse_matrices_and_datasets() -> None:
    pandas, scipy_sparse = pytest.importorskip("pandas"), pytest.importorskip("scipy.sparse")
    X, labels, _ = coarse(6)
    dense = np.nan_to_num(X).astype(np.float32)
    options: dict[str, Any] = {"n_estimators": 8, "random_state": 0}
    plain = RandomForestClassifier(**options).fit(dense, labels)
    for made in (scipy_sparse.csr_matrix, scipy_sparse.csc_matrix):
        sparse = RandomForestClassifier(**options).fit(made(dense), labels)
        assert sparse.predict_proba(made(dense)).tobytes() == plain.predict_proba(dense).tobytes()
    frame = pandas.DataFrame(dense, columns=list("abcde"))
    named = RandomForestClassifier(**options).fit(frame, labels)
    assert named.predict_proba(frame[list("abcde")]).tobytes() == plain.predict_proba(dense).tobytes()
    assert named.feature_names_in_.tolist() == list("abcde")
    binned = RandomForestClassifier(max_bin=8, **options).fit(dense, labels)
    by_dataset = RandomForestClassifier(**options).fit(pygbt.Dataset(dense, max_bin=8), labels)
    assert by_dataset.digest() == binned.digest()
    with pytest.raises(TypeError, match="raw table"):
        binned.predict(pygbt.Dataset(dense, max_bin=8))
    polars = pytest.importorskip("polars")
    there = RandomForestClassifier(**options).fit(polars.DataFrame(dense, schema=list("abcde")), labels)
    assert there.digest() == named.digest()


def test_categories() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    colour = rng.choice(["red", "green", "blue", "grey"], 300)
    y = np.isin(colour, ["red", "blue"]) ^ (rng.random(300) < 0.05)
    frame = pandas.DataFrame({"x": rng.normal(size=300), "colour": pandas.Categorical(colour)})
    for cls in CLASSIFIERS:
        for max_bin in (None, 16):
            forest = cls(n_estimators=30, min_bucket=5, random_state=0, max_bin=max_bin).fit(frame, y)
            assert forest.score(frame, y) > 0.93
            assert forest.feature_importances_[1] > 0.6
    other = frame.assign(colour=pandas.Categorical(colour, categories=["grey", "red", "new", "blue", "green"]))
    assert np.array_equal(forest.predict_proba(other), forest.predict_proba(frame))
    codes = np.column_stack([frame["x"], np.unique(colour, return_inverse=True)[1]])
    listed = RandomForestClassifier(n_estimators=5, random_state=0, categorical_features=[1]).fit(codes, y)
    assert listed.forest_.core.cuts.is_categorical(1)


# --- what can go wrong -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_estimators": 0}, "n_estimators must be an integer >= 1"),
        ({"n_estimators": 2.5}, "n_estimators"),
        ({"criterion": "gain"}, "criterion must be one of 'gini'"),
        ({"max_features": 0}, "max_features must be"),
        ({"max_features": 1.5}, "max_features must be"),
        ({"max_features": "auto"}, "max_features must be"),
        ({"max_features": True}, "max_features must be"),
        ({"max_samples": 0}, "max_samples must be"),
        ({"max_samples": 1.5}, "max_samples must be"),
        ({"max_samples": 0.5, "bootstrap": False}, "use it with bootstrap=True"),
        ({"oob_score": True, "bootstrap": False}, "use it with bootstrap=True"),
        ({"voting": "hard"}, "voting must be one of"),
        ({"class_weight": "equal"}, "class_weight must be one of"),
        ({"class_weight": {0: -1}}, "class_weight must hold"),
        ({"min_weight_fraction_leaf": 0.6}, "min_weight_fraction_leaf"),
        ({"min_split": -1}, "min_split"),
        ({"min_bucket": float("nan")}, "min_bucket"),
        ({"max_depth": -1}, "max_depth"),
        ({"max_leaves": 0}, "max_leaves"),
        ({"random_state": -1}, "random_state"),
        ({"random_state": "x"}, "random_state"),
        ({"max_bin": 1}, "max_bin"),
    ],
)
def test_errors_name_the_argument(options: dict[str, Any], message: str) -> None:
    X, y = IRIS
    forest = RandomForestClassifier(n_estimators=2).fit(X, y)
    with pytest.raises(ValueError, match=message):
        forest.set_params(**options).fit(X, y)
    with pytest.raises(NotFittedError):  # of the first fit nothing is left, so nothing does not fit
        forest.predict(X)


def test_errors_of_rows_and_labels() -> None:
    X, y = IRIS
    forest = RandomForestClassifier(n_estimators=2, warm_start=True, random_state=0)
    with pytest.raises(ValueError, match="same number of rows"):
        forest.fit(X, y[:-1])
    with pytest.raises(ValueError, match="sample_weight"):
        forest.fit(X, y, -np.ones(150))
    with pytest.raises(ValueError, match="requires y"):
        forest.fit(X, None)
    forest.fit(X, y)
    before = forest.digest()
    forest.set_params(n_estimators=3)
    with pytest.raises(ValueError, match="use warm_start=False"):
        forest.fit(X, y + 1)
    with pytest.raises(ValueError, match="features"):
        forest.fit(X[:, :3], y)
    with pytest.raises(ValueError, match="leave max_bin=None"):
        forest.set_params(max_bin=8).fit(pygbt.Dataset(X), y)
    assert forest.digest() == before
    with pytest.raises(ValueError, match="features"):
        forest.predict(X[:, :3])
    with pytest.raises(IndexError):
        forest.estimators_[2]
    assert len(forest.estimators_[:]) == 2 and forest.estimators_[-1].index == 1
    numbers = RandomForestRegressor(n_estimators=2, warm_start=True).fit(*DIABETES)
    with pytest.raises(ValueError, match="y has 2 targets"):
        numbers.set_params(n_estimators=3).fit(DIABETES[0], np.column_stack([DIABETES[1]] * 2))


def test_one_class_one_row_and_fractional_weights() -> None:
    X, y = IRIS
    assert (RandomForestClassifier(n_estimators=2).fit(X[:50], y[:50]).predict(X) == 0).all()
    assert RandomForestRegressor(n_estimators=2).fit(X[:1], [7.5]).predict(X[:3]) == pytest.approx([7.5] * 3)
    small = ExtraTreesClassifier(n_estimators=5, random_state=0).fit(X, y, np.full(150, 1 / 150))
    assert small.score(X, y) == 1.0  # weights that are not whole do not stop nodes from being split


def test_growth_can_be_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = IRIS
    forest = RandomForestClassifier(n_estimators=2, warm_start=True, random_state=0).fit(X, y)
    before = forest.digest()
    grown = []
    trainer_class = _core.ForestTrainer

    class Interrupted:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.trainer = trainer_class(*args, **kwargs)
            self.n_trees = self.trainer.n_trees

        def grow(self, n: int) -> None:
            if sum(grown) >= 4:
                raise KeyboardInterrupt
            grown.append(n)
            self.trainer.grow(n)

    with monkeypatch.context() as patch:
        patch.setattr("pygbt.ensemble.forest_base._core.ForestTrainer", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            forest.set_params(n_estimators=100_000, n_jobs=1).fit(X, y)
    assert forest.digest() == before and sum(grown) >= 4
    assert forest.set_params(n_estimators=4).fit(X, y).forest_.n_trees == 4


def test_progress_is_shown_of_long_growth_only(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[int] = []
    monkeypatch.setattr(forest_growth.ProgressBar, "open", lambda self, total: steps.append(-total))
    monkeypatch.setattr(forest_growth.ProgressBar, "advance", lambda self, n, text="": steps.append(n))
    RandomForestClassifier(n_estimators=5, verbose=1).fit(*IRIS)
    assert steps == []
    monkeypatch.setattr(forest_growth, "BAR_SECONDS", 0.0)
    RandomForestClassifier(n_estimators=5, verbose=0).fit(*IRIS)
    assert steps == []
    RandomForestClassifier(n_estimators=5, verbose=1).fit(*IRIS)
    assert steps[0] == -5 and sum(steps[1:]) == 5


def test_copies_and_searches() -> None:
    X, y = CANCER
    forest = RandomForestClassifier(n_estimators=5, random_state=np.random.RandomState(0)).fit(X, y)
    copy = pickle.loads(pickle.dumps(forest))
    assert copy.digest() == forest.digest()
    assert copy.predict_proba(X).tobytes() == forest.predict_proba(X).tobytes()
    search = GridSearchCV(forest, {"max_depth": [1, 4]}, cv=3).fit(X, y)
    assert search.best_params_ == {"max_depth": 4}
    with pytest.raises(NotFittedError):
        RandomForestClassifier().predict(X)
    assert accuracy_score(y, forest.predict(X)) > 0.97


@pytest.mark.shared_data
def test_otto_beside_scikit_learn(shared_data: Any) -> None:
    from datasets import load  # type: ignore[import-not-found]

    data = load("otto")
    order = np.random.default_rng(0).permutation(len(data.y))[:6000]
    X, y = data.X.to_numpy(np.float32)[order], np.asarray(data.y)[order]
    own = RandomForestClassifier(n_estimators=30, random_state=0, oob_score=True).fit(X, y)
    other = theirs.RandomForestClassifier(30, random_state=0, oob_score=True, n_jobs=2).fit(X, y)
    assert own.oob_score_ == pytest.approx(other.oob_score_, abs=0.02)
