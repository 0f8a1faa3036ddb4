# SPDX-License-Identifier: Apache-2.0
"""Boosting trees and first-order gradient boosting: their definitions, scikit-learn, and the way from AdaBoost to the
second-order method of `pygbt.train`, step by step.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import scipy.optimize
import sklearn.ensemble
import sklearn.linear_model
from sklearn.base import clone, is_classifier
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.utils.estimator_checks import parametrize_with_checks

import pygbt
from pygbt import _core
from pygbt.ensemble import (
    AdaBoostClassifier,
    BoostingTree,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
)
from pygbt.tree import CARTClassifier, CARTRegressor

EXPECTED_FAILURES: dict[str, str] = {}  # none, and none may be added

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


@parametrize_with_checks(
    [
        BoostingTree(n_estimators=10),
        BoostingTree("exponential", n_estimators=10),
        GradientBoostingRegressor(n_estimators=20),
        GradientBoostingRegressor("huber", n_estimators=20),
        GradientBoostingClassifier(n_estimators=5),
    ],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
@pytest.mark.filterwarnings("ignore")  # some checks warn on purpose
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


def state(model: Any) -> bytes:
    """Everything that was learned, as bytes."""
    trees = [sorted((k, np.asarray(v).tobytes()) for k, v in tree.arrays.items()) for tree in model.estimators_]
    return pickle.dumps((trees, model.init_.tobytes(), model.train_score_.tobytes()))


def drawn_numbers(seed: int, n: int = 200) -> tuple[Any, Any, Any]:
    """No two values alike: no two questions gain the same."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)).astype(np.float32).astype(np.float64)
    y = np.sin(X[:, 0] * 2) + X[:, 1] * X[:, 2] + rng.normal(scale=0.3, size=n)
    return X, y, rng.uniform(0.5, 2.0, size=n)


# --- the boosting tree ----------------------------------------------------------------------------------------------


def test_every_tree_fits_the_residuals() -> None:
    X, y, weight = drawn_numbers(0)
    model = BoostingTree(n_estimators=12, learning_rate=0.8).fit(X, y, weight)
    stump = CARTRegressor(max_depth=1, min_split=0, min_bucket=0, cp=None, missing="direction")
    rest = y.copy()
    for tree, score in zip(model.estimators_, model.train_score_, strict=True):
        alone = stump.fit(X, rest, weight)
        assert alone.tree_.question_feature[0] == tree.question_feature[0]
        assert alone.tree_.question_threshold[0] == tree.question_threshold[0]
        np.testing.assert_allclose(tree.values(X)[:, 0], alone.predict(X), rtol=1e-6)
        rest = rest - 0.8 * alone.predict(X)
        assert score == pytest.approx(np.average(0.5 * rest**2, weights=weight), rel=1e-6)
    np.testing.assert_allclose(model.predict(X), y - rest, rtol=1e-6, atol=1e-9)
    assert (np.diff(model.train_score_) <= 0).all()


@pytest.mark.parametrize("rate", [1.0, 0.3])
def test_the_exponential_loss_is_adaboost_round_by_round(rate: float) -> None:
    X, y = CANCER
    weight = np.random.default_rng(0).uniform(0.5, 2.0, size=len(y))
    ada = AdaBoostClassifier(n_estimators=20, learning_rate=rate).fit(X, y, weight)
    tree = BoostingTree("exponential", n_estimators=20, learning_rate=rate).fit(X, y, weight)
    assert len(tree.estimators_) == len(ada.estimators_) == 20
    for one, other in zip(tree.estimators_, ada.estimators_, strict=True):
        assert one.question_feature[0] == other.question_feature[0]
        assert one.question_threshold[0] == other.question_threshold[0]
        np.testing.assert_array_equal(one.label, other.label)
    np.testing.assert_allclose(tree.estimator_weights_, ada.estimator_weights_ / 2, rtol=1e-9)
    sign = 2 * y - 1
    f = np.zeros(len(y))
    for one, other in zip(tree.staged_predict(X), ada.staged_predict(X), strict=True):
        np.testing.assert_array_equal(one, other)
    for says, vote, score in zip(tree.estimators_, tree.estimator_weights_, tree.train_score_, strict=True):
        f += vote * (2 * says.labels(X) - 1)
        assert score == pytest.approx(np.average(np.exp(-sign * f), weights=weight), rel=1e-6)
    np.testing.assert_allclose(tree.decision_function(X), f, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(tree.predict_proba(X)[:, 1], 1 / (1 + np.exp(-2 * f)), rtol=1e-9)
    # The same odds as the votes of AdaBoost.
    np.testing.assert_allclose(ada.predict_proba(X), tree.predict_proba(X), rtol=1e-9)


def test_the_coefficient_lowers_the_exponential_loss_most() -> None:
    X, y = CANCER
    model = BoostingTree("exponential", n_estimators=6).fit(X, y)
    sign, f = 2.0 * y - 1.0, np.zeros(len(y))
    for tree, vote in zip(model.estimators_, model.estimator_weights_, strict=True):
        says = 2.0 * tree.labels(X) - 1.0
        best = scipy.optimize.minimize_scalar(lambda a, f=f, says=says: np.exp(-sign * (f + a * says)).mean())
        assert vote == pytest.approx(best.x, rel=1e-5)
        f = f + vote * says


def test_a_loss_makes_it_a_classifier() -> None:
    assert not is_classifier(BoostingTree())
    model = BoostingTree("exponential", n_estimators=3)
    assert is_classifier(model)
    names = np.array(["a", "b"])[CANCER[1]]
    assert set(model.fit(CANCER[0], names).predict(CANCER[0])) == {"a", "b"}
    assert not hasattr(BoostingTree(), "predict_proba")
    with pytest.raises(ValueError, match="3 classes"):
        model.fit(*IRIS)
    with pytest.raises(ValueError, match="estimator must be a classifier of pygbt.tree"):
        BoostingTree("exponential", estimator=CARTRegressor()).fit(*CANCER)
    with pytest.raises(ValueError, match="estimator must be a regressor of pygbt.tree"):
        BoostingTree(estimator=CARTClassifier()).fit(*CANCER)
    deep = BoostingTree("exponential", estimator=CARTClassifier(min_split=0, min_bucket=0, cp=None)).fit(*IRIS_TWO)
    assert len(deep.estimators_) == 1 and np.isfinite(deep.estimator_weights_).all()  # it errs nowhere


IRIS_TWO = (IRIS[0][50:], IRIS[1][50:])


# --- the line search ------------------------------------------------------------------------------------------------

LOSSES: dict[str, Any] = {
    "squared_error": lambda z, y: 0.5 * (z - y) ** 2,
    "poisson": lambda z, y: np.exp(z) - y * z,
    "gamma": lambda z, y: z + y * np.exp(-z),
    "logistic": lambda z, y: np.logaddexp(0, z) - y * z,
    "exponential": lambda z, y: np.exp(-(2 * y - 1) * z),
}


@pytest.mark.parametrize("loss", [*LOSSES])
def test_leaves_minimise_their_loss(loss: str) -> None:
    rng = np.random.default_rng(1)
    n = 300
    y = rng.integers(0, 2, n).astype(float) if loss in ("logistic", "exponential") else rng.gamma(2.0, size=n)
    weight = rng.integers(1, 5, n).astype(float)
    state = _core.FirstOrder(loss, y, 1, weight)
    start = state.start()[0]
    within: dict[str, Any] = {"bounds": (-9, 9), "method": "bounded", "options": {"xatol": 1e-10}}
    best = scipy.optimize.minimize_scalar(lambda z: (weight * LOSSES[loss](z, y)).sum(), **within)
    assert start == pytest.approx(best.x, abs=1e-5)
    state.advance(0, np.arange(n, dtype=np.int32), rng.normal(scale=0.5, size=n), 1.0)
    z = state.margins[:, 0]
    leaf = rng.integers(0, 4, n).astype(np.int32)
    exact = state.leaf_steps(0, leaf, 5, "exact")
    newton = state.leaf_steps(0, leaf, 5, "newton")
    assert exact[4] == newton[4] == 0.0  # nobody there
    gradient = state.negative_gradient(0)
    e = 1e-6
    difference = (LOSSES[loss](z - e, y) - LOSSES[loss](z + e, y)) / (2 * e)
    np.testing.assert_allclose(gradient, difference, rtol=1e-4, atol=1e-8)
    for i in range(4):
        own = leaf == i

        def summed(step: float, own: Any = own) -> float:
            return float((weight[own] * LOSSES[loss](z[own] + step, y[own])).sum())

        best = scipy.optimize.minimize_scalar(summed, **within)
        assert exact[i] == pytest.approx(best.x, abs=1e-5)
        h = 1e-4
        slope, bend = (summed(h) - summed(-h)) / (2 * h), (summed(h) - 2 * summed(0) + summed(-h)) / h**2
        assert newton[i] == pytest.approx(-slope / bend, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("loss", ["absolute_error", "quantile", "huber"])
def test_leaves_minimise_losses_with_corners(loss: str) -> None:
    rng = np.random.default_rng(2)
    n = 200
    y = rng.standard_t(2, n)
    weight = rng.integers(1, 4, n).astype(float)
    state = _core.FirstOrder(loss, y, 1, weight, 0.8)
    state.start()
    state.begin_round()
    rest = y - state.margins[:, 0]
    delta = np.sort(np.repeat(np.abs(rest), weight.astype(int)))[int(np.ceil(0.8 * weight.sum())) - 1]
    leaf = rng.integers(0, 3, n).astype(np.int32)
    losses: dict[str, Any] = {
        "absolute_error": np.abs,
        "quantile": lambda r: np.where(r >= 0, 0.8 * r, -0.2 * r),
        "huber": lambda r: np.where(np.abs(r) <= delta, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta)),
    }
    steps = state.leaf_steps(0, leaf, 3, "exact")
    for i in range(3):
        r, w = rest[leaf == i], weight[leaf == i]
        at = (w * losses[loss](r - steps[i])).sum()
        for other in np.concatenate([r, steps[i] + np.array([-1e-3, 1e-3])]):
            assert at <= (w * losses[loss](r - other)).sum() * (1 + 1e-9)


def test_leaves_of_one_class_move_by_a_bounded_step() -> None:
    y = np.array([0.0, 0.0, 1.0, 1.0])
    state = _core.FirstOrder("logistic", y)
    steps = state.leaf_steps(0, np.array([0, 0, 1, 1], dtype=np.int32), 2, "exact")
    np.testing.assert_allclose(steps, [-10.0, 10.0], atol=1e-6)


def test_softmax_is_one_class_against_the_rest() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 100).astype(float)
    state = _core.FirstOrder("softmax", y, 3)
    np.testing.assert_allclose(np.exp(state.start()), np.bincount(y.astype(int)) / 100)
    for k in range(3):
        state.advance(k, np.arange(100, dtype=np.int32), rng.normal(size=100), 1.0)
    p = np.exp(state.margins)
    p /= p.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(_core.margin_values("softmax", state.margins), p, rtol=1e-12)
    for k in range(3):
        np.testing.assert_allclose(state.negative_gradient(k), (y == k) - p[:, k], rtol=1e-10, atol=1e-14)
    assert state.mean_loss == pytest.approx(-np.log(p[np.arange(100), y.astype(int)]).mean())


# --- peers ----------------------------------------------------------------------------------------------------------

SAME = {"n_estimators": 10, "learning_rate": 0.3}


def trees_of(least: int) -> CARTRegressor:
    """At least so many rows in a leaf: cuts of very few rows gain the same in several columns."""
    options: dict[str, Any] = {"min_split": 0, "min_bucket": least, "counting": "rows", "cp": None}
    return CARTRegressor(max_depth=3, missing="direction", max_competitors=0, **options)


def test_regression_is_that_of_scikit_learn() -> None:
    X, y, weight = drawn_numbers(4)
    theirs = sklearn.ensemble.GradientBoostingRegressor(
        criterion="squared_error", min_samples_leaf=8, random_state=0, **SAME
    )
    theirs.fit(X, y, weight)
    ours = GradientBoostingRegressor(estimator=trees_of(8), **SAME).fit(X, y, weight)
    for tree, other in zip(ours.estimators_, theirs.estimators_[:, 0], strict=True):
        assert sorted(tree.question_feature) == sorted(other.tree_.feature[other.tree_.feature >= 0])
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("loss", ["absolute_error", "quantile", "huber"])
def test_losses_with_corners_end_near_scikit_learn(loss: str) -> None:
    """Gradients of few values: trees of equal merit abound, and medians of even numbers of rows differ."""
    X, y, _ = drawn_numbers(4)
    theirs = sklearn.ensemble.GradientBoostingRegressor(loss=loss, alpha=0.8, n_estimators=60, random_state=0)
    ours = GradientBoostingRegressor(loss, alpha=0.8, n_estimators=60).fit(X, y)
    rest, own = y - theirs.fit(X, y).predict(X), y - ours.predict(X)
    if loss == "quantile":
        rest, own = (np.where(r >= 0, 0.8 * r, -0.2 * r) for r in (rest, own))
    assert np.abs(own).mean() == pytest.approx(np.abs(rest).mean(), rel=0.1)


@pytest.mark.parametrize("loss, k", [("logistic", 2), ("exponential", 2), ("softmax", 3)])
def test_classification_is_that_of_scikit_learn(loss: str, k: int) -> None:
    X, signal, weight = drawn_numbers(5)
    y = np.searchsorted(np.quantile(signal, np.arange(1, k) / k), signal)
    name = "exponential" if loss == "exponential" else "log_loss"
    theirs = sklearn.ensemble.GradientBoostingClassifier(loss=name, criterion="squared_error", **SAME)
    theirs.fit(X, y, weight)
    ours = GradientBoostingClassifier(loss, line_search="newton", **SAME).fit(X, y, weight)
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-4, atol=1e-6)
    exact = clone(ours).set_params(line_search="exact").fit(X, y, weight)
    assert exact.train_score_[0] <= ours.train_score_[0]


def test_second_order_boosting_grows_the_same_trees() -> None:
    """The last step from AdaBoost: for squared error the second derivative is 1, and the methods are one."""
    X, y, _ = drawn_numbers(6)
    first = GradientBoostingRegressor(n_estimators=8, learning_rate=0.3).fit(X, y)
    second = pygbt.train(
        {
            "objective": "squared_error",
            "num_boost_round": 8,
            "learning_rate": 0.3,
            "max_depth": 3,
            "num_leaves": 8,
            "reg_lambda": 0.0,
            "min_data_in_leaf": 1,
            "min_child_weight": 0.0,
        },
        pygbt.Dataset(X, y, max_bin=256),
    )
    np.testing.assert_allclose(second.predict(X), first.predict(X), rtol=1e-4, atol=1e-5)


def test_first_order_boosting_with_the_exponential_loss_is_not_adaboost_but_near() -> None:
    X, y = CANCER
    ada = AdaBoostClassifier(n_estimators=50).fit(X[::2], y[::2]).score(X[1::2], y[1::2])
    stump = CARTRegressor(max_depth=1, min_split=0, min_bucket=0, cp=None)
    loss = GradientBoostingClassifier("exponential", n_estimators=50, learning_rate=1.0, estimator=stump)
    assert loss.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) == pytest.approx(ada, abs=0.03)


# --- the same bits --------------------------------------------------------------------------------------------------

MODELS = [
    BoostingTree(n_estimators=15),
    BoostingTree("exponential", n_estimators=15),
    GradientBoostingRegressor("huber", n_estimators=6),
    GradientBoostingRegressor("absolute_error", n_estimators=6),
    GradientBoostingRegressor("poisson", n_estimators=6),
    GradientBoostingClassifier(n_estimators=6),
    GradientBoostingClassifier("softmax", n_estimators=6, line_search="newton"),
]


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_threads_order_and_repeats_change_no_bit(model: Any) -> None:
    X, y = CANCER if is_classifier(model) else DIABETES
    rng = np.random.default_rng(7)
    weight = rng.integers(0, 4, size=len(y))
    one, three = (clone(model).set_params(n_jobs=n).fit(X, y, weight.astype(float)) for n in (1, 3))
    assert state(one) == state(three)
    rows = rng.permutation(np.repeat(np.arange(len(y)), weight))
    repeated = clone(model).fit(X[rows], y[rows])
    assert repeated.predict(X).tobytes() == one.predict(X).tobytes()
    assert repeated.train_score_.tobytes() == one.train_score_.tobytes()
    copy = pickle.loads(pickle.dumps(one))
    assert copy.predict(X).tobytes() == one.predict(X).tobytes()
    *_, last = one.staged_predict(X)
    np.testing.assert_allclose(last.astype(float), one.predict(X).astype(float), rtol=1e-12)


def test_training_margins_are_predictions() -> None:
    X, y = DIABETES
    X = np.where(np.random.default_rng(8).random(X.shape) < 0.2, np.nan, X)  # surrogates, rows that stay
    trees = CARTRegressor(max_depth=3, min_split=0, min_bucket=0, cp=None, use_surrogates=1, max_surrogates=1)
    model = GradientBoostingRegressor("absolute_error", n_estimators=5, estimator=trees).fit(X, y)
    assert model.train_score_[-1] == pytest.approx(np.abs(model.predict(X) - y).mean(), rel=1e-12)
    assert np.isfinite(model.predict(np.full_like(X[:3], np.nan))).all()


def test_constant_targets_and_bad_input() -> None:
    X = np.arange(12.0).reshape(6, 2)
    for loss in ("squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma"):
        model = GradientBoostingRegressor(loss, n_estimators=3).fit(X, np.full(6, 2.5))
        np.testing.assert_allclose(model.predict(X), 2.5, rtol=1e-12)
    np.testing.assert_array_equal(BoostingTree(n_estimators=3).fit(X, np.full(6, 2.5)).predict(X), 2.5)
    with pytest.raises(ValueError, match="one class only"):
        GradientBoostingClassifier().fit(X, np.zeros(6))
    with pytest.raises(ValueError, match='must not be negative for loss="poisson"'):
        GradientBoostingRegressor("poisson").fit(X, -np.ones(6))
    with pytest.raises(ValueError, match='must be positive for loss="gamma"'):
        GradientBoostingRegressor("gamma").fit(X, np.zeros(6))
    with pytest.raises(ValueError, match="two classes"):
        GradientBoostingClassifier("logistic").fit(*IRIS)
    with pytest.raises(ValueError, match="estimator must be a regressor of pygbt.tree"):
        GradientBoostingRegressor(estimator=sklearn.linear_model.Ridge()).fit(X, np.ones(6))
    for name, value in [
        ("loss", "cubic"),
        ("n_estimators", 0),
        ("learning_rate", -1.0),
        ("line_search", "golden"),
        ("alpha", 1.0),
        ("n_jobs", 0),
    ]:
        with pytest.raises(ValueError, match=name):
            GradientBoostingRegressor(**{name: value}).fit(X, np.arange(6.0))
