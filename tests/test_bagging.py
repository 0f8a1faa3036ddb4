# SPDX-License-Identifier: Apache-2.0
"""Bagging against its definition: samples, votes, rows left out; the same bits everywhere."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import pandas as pd
import scipy.sparse
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, make_friedman1
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, r2_score
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

import pygbt
from pygbt import _core
from pygbt.ensemble import BaggingClassifier, BaggingRegressor
from pygbt.ensemble.sampling import Sampler
from pygbt.tree import C45Classifier, CARTClassifier, CARTRegressor

EXPECTED_FAILURES: dict[str, str] = {}  # none, and none may be added

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


@parametrize_with_checks(
    [BaggingClassifier(n_estimators=5), BaggingClassifier(n_estimators=5, voting="proba", max_features=0.5)]
    + [BaggingRegressor(n_estimators=5)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
@pytest.mark.filterwarnings("ignore")  # some checks warn on purpose
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


def state(model: Any) -> bytes:
    """Everything that was learned, as bytes."""
    trees = [sorted((k, np.asarray(v).tobytes()) for k, v in tree.arrays.items()) for tree in model.estimators_]
    return pickle.dumps((trees, [f.tobytes() for f in model.estimators_features_], getattr(model, "oob_score_", None)))


def hashes_of(X: Any, y: Any) -> Any:
    """What orders the rows of a classifier's table."""
    codes = np.ascontiguousarray(np.searchsorted(np.unique(y), y), dtype=np.int32)
    table = _core.CodedTable(np.asarray(X, dtype=np.float64), [0] * X.shape[1])
    return _core.row_hashes(table, _core.Response.classes(codes, len(np.unique(y))))


# --- the definition -------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:oob_score")
def test_members_are_trees_of_bootstrap_samples() -> None:
    X, y = IRIS
    model = BaggingClassifier(n_estimators=7, oob_score=True, random_state=3).fit(X, y)
    counts = [_core.bootstrap_counts(hashes_of(X, y), n_draws=len(y), seed=3, index=i) for i in range(7)]
    base = CARTClassifier(min_split=0, min_bucket=0, cp=None, missing="direction", max_competitors=0)
    out_votes = np.zeros((len(y), 3))
    votes = np.zeros((len(y), 3))
    for tree, drawn in zip(model.estimators_, counts, strict=True):
        assert drawn.sum() == len(y)
        alone = base.fit(X, y, drawn.astype(float)).tree_
        for name, array in tree.arrays.items():
            np.testing.assert_array_equal(array, alone.arrays[name], err_msg=name)
        said = np.eye(3)[tree.labels(X)]
        votes += said
        out_votes += said * (drawn == 0)[:, None]
    np.testing.assert_array_equal(model.predict(X), votes.argmax(axis=1))
    np.testing.assert_allclose(model.predict_proba(X), votes / 7)
    # Out of bag: the votes of the trees that did not see the row.
    seen = out_votes.sum(axis=1) > 0
    np.testing.assert_allclose(
        model.oob_decision_function_[seen], out_votes[seen] / out_votes[seen].sum(axis=1, keepdims=True)
    )
    assert np.isnan(model.oob_decision_function_[~seen]).all()
    assert model.oob_score_ == accuracy_score(y[seen], out_votes[seen].argmax(axis=1))


def test_regressors_are_averaged() -> None:
    X, y = DIABETES
    model = BaggingRegressor(n_estimators=20, oob_score=True).fit(X, y)
    said = np.column_stack([tree.values(X)[:, 0] for tree in model.estimators_])
    np.testing.assert_allclose(model.predict(X), said.mean(axis=1), rtol=1e-12)
    table = _core.CodedTable(X, [0] * X.shape[1])
    hashes = _core.row_hashes(table, _core.Response.targets(y[:, None]))
    out = np.column_stack([_core.bootstrap_counts(hashes, n_draws=len(y), index=i) == 0 for i in range(20)])
    mean = (said * out).sum(axis=1) / out.sum(axis=1)
    np.testing.assert_allclose(model.oob_prediction_, mean, rtol=1e-12)
    assert model.oob_score_ == pytest.approx(r2_score(y, mean))


def test_votes_are_not_probabilities() -> None:
    X, y = CANCER
    base = CARTClassifier(max_depth=2)
    vote = BaggingClassifier(base, n_estimators=9).fit(X, y)
    proba = BaggingClassifier(base, n_estimators=9, voting="proba").fit(X, y)
    assert set(np.unique(np.rint(vote.predict_proba(X) * 9) - vote.predict_proba(X) * 9)) <= {0.0}
    np.testing.assert_allclose(
        proba.predict_proba(X), np.mean([tree.values(X) for tree in proba.estimators_], axis=0), rtol=1e-12
    )
    assert not np.array_equal(vote.predict_proba(X), proba.predict_proba(X))


def test_variance_falls() -> None:
    Xt, _ = make_friedman1(300, random_state=99)
    single, bagged = [], []
    for i in range(8):
        X, y = make_friedman1(150, noise=1.0, random_state=i)
        tree = CARTRegressor(min_split=2, min_bucket=1, cp=None)
        single.append(tree.fit(X, y).predict(Xt))
        bagged.append(BaggingRegressor(tree, n_estimators=25).fit(X, y).predict(Xt))
    assert np.var(bagged, axis=0).mean() < 0.6 * np.var(single, axis=0).mean()


def test_members_see_their_columns_only() -> None:
    X, y = CANCER
    model = BaggingClassifier(n_estimators=6, max_features=5).fit(X, y)
    chosen = {tuple(columns) for columns in model.estimators_features_}
    assert len(chosen) > 1
    for tree, columns in zip(model.estimators_, model.estimators_features_, strict=True):
        assert len(columns) == 5 and (np.diff(columns) > 0).all()
        assert set(tree.question_feature) <= set(columns)
    assert model.score(X, y) > 0.95
    knn = BaggingClassifier(KNeighborsClassifier(), n_estimators=4, max_features=0.2).fit(X, y)
    assert [member.n_features_in_ for member in knn.estimators_] == [6] * 4
    assert knn.score(X, y) > 0.85


@pytest.mark.parametrize("weight", [None, "whole", "real"])
def test_samples_without_replacement(weight: str | None) -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 200).astype(np.uint64)
    given = {None: None, "whole": rng.integers(0, 3, 200).astype(float), "real": rng.uniform(0.1, 1.0, 200)}[weight]
    sampler = Sampler(hashes, given, 0.4, bootstrap=False, seed=1)
    drawn = sampler.weights(0)
    assert drawn is not None
    if weight == "whole":
        assert given is not None
        assert (drawn <= given).all() and drawn.sum() == round(0.4 * given.sum())
    else:
        assert (drawn > 0).sum() == 80
        assert set(drawn) <= ({0.0, 1.0} if given is None else {0.0, *given})
    other = sampler.weights(1)
    assert other is not None and (other != drawn).any()
    assert Sampler(hashes, given, 1.0, bootstrap=False, seed=1).weights(0) is given


def test_every_row_is_drawn_alike() -> None:
    weight = np.array([1.0, 2.0, 0.0, 5.0])
    sampler = Sampler(np.arange(4, dtype=np.uint64), weight, 80, bootstrap=True, seed=0)
    counts = sum(sampler.weights(i) for i in range(500))
    np.testing.assert_allclose(counts / 500, weight * 10, rtol=0.05)


# --- the same bits --------------------------------------------------------------------------------------------------

MODELS = [
    BaggingClassifier(n_estimators=6, oob_score=True),
    BaggingClassifier(n_estimators=3, max_features=0.5, voting="proba"),
    BaggingClassifier(n_estimators=4, bootstrap=False, max_samples=0.6),
    BaggingRegressor(n_estimators=6, oob_score=True),
]
SOME_SEEN = pytest.mark.filterwarnings("ignore:oob_score")


def data_of(model: Any) -> tuple[Any, Any]:
    return DIABETES if isinstance(model, BaggingRegressor) else CANCER


@SOME_SEEN
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_threads_and_order_change_no_bit(model: Any) -> None:
    X, y = data_of(model)
    models = [clone(model).set_params(n_jobs=n).fit(X, y) for n in (1, 2, 5)]
    assert len({state(one) for one in models}) == 1
    order = np.random.default_rng(0).permutation(len(y))
    moved = clone(model).fit(X[order], y[order])
    if hasattr(moved, "oob_score_"):
        assert moved.oob_score_ == pytest.approx(models[0].oob_score_, rel=1e-12)
        moved.oob_score_ = models[0].oob_score_
    assert state(moved) == state(models[0])
    assert pickle.loads(pickle.dumps(moved)).predict(X).tobytes() == models[0].predict(X).tobytes()


@SOME_SEEN
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_weight_three_is_the_row_three_times(model: Any) -> None:
    X, y = data_of(model)
    weight = np.random.default_rng(2).integers(0, 4, size=len(y))
    rows = np.random.default_rng(3).permutation(np.repeat(np.arange(len(y)), weight))
    weighted, repeated = clone(model).fit(X, y, weight.astype(float)), clone(model).fit(X[rows], y[rows])
    if not model.bootstrap:  # copies of a row are not told apart, but rows of one hash are drawn by place
        assert [t.weight[0] for t in weighted.estimators_] == [t.weight[0] for t in repeated.estimators_]
    assert weighted.predict(X).tobytes() == repeated.predict(X).tobytes()


# --- tables, members, bad input -------------------------------------------------------------------------------------


def test_tables_of_every_kind() -> None:
    X, y = CANCER
    model = BaggingClassifier(n_estimators=5).fit(X, y)
    sparse = BaggingClassifier(n_estimators=5).fit(scipy.sparse.csr_matrix(X), y)
    np.testing.assert_array_equal(model.predict(X), sparse.predict(scipy.sparse.csc_matrix(X)))
    binned = BaggingClassifier(n_estimators=25, oob_score=True).fit(pygbt.Dataset(X, max_bin=32), y)
    assert binned.oob_score_ > 0.92 and binned.score(X, y) > 0.98
    frame = pd.DataFrame({"a": pd.Categorical(np.array(["u", "v", "w"])[y + (X[:, 0] > 15)]), "b": X[:, 1]})
    named = BaggingClassifier(n_estimators=5, max_features=0.5).fit(frame, np.array(["no", "yes"])[y])
    assert set(named.predict(frame)) == {"no", "yes"}
    two = BaggingRegressor(n_estimators=3).fit(X, X[:, :2])
    assert two.predict(X).shape == (len(y), 2)


def test_members_of_scikit_learn() -> None:
    X, y = CANCER
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    names = np.array(["bad", "good"])[y]
    weight = np.random.default_rng(0).integers(0, 3, len(y)).astype(float)
    linear = BaggingClassifier(LogisticRegression(), n_estimators=3, voting="proba", oob_score=True)
    with pytest.warns(UserWarning, match="oob_score"):
        assert linear.fit(X, names, weight).oob_score_ > 0.9
    np.testing.assert_allclose(linear.predict_proba(X).sum(axis=1), 1.0)
    assert BaggingClassifier(LinearSVC(), n_estimators=3).fit(X, names).score(X, names) > 0.9
    with pytest.raises(ValueError, match="voting"):
        BaggingClassifier(LinearSVC(), voting="proba").fit(X, names)
    assert BaggingRegressor(KNeighborsRegressor(), n_estimators=3).fit(*DIABETES).score(*DIABETES) > 0.3


def test_trees_of_c45_vote() -> None:
    X, y = CANCER
    X = np.where(np.random.default_rng(1).random(X.shape) < 0.1, np.nan, X)
    model = BaggingClassifier(C45Classifier(), n_estimators=30, oob_score=True).fit(X, y)
    assert model.oob_score_ > 0.9
    np.testing.assert_array_equal(
        model.predict(X), (np.mean([tree.labels(X) for tree in model.estimators_], axis=0) > 0.5).astype(int)
    )


def test_one_class_and_a_constant_target() -> None:
    X = np.arange(10.0)[:, None]
    model = BaggingClassifier(n_estimators=2).fit(X, ["only"] * 10)
    assert set(model.predict(X)) == {"only"}
    np.testing.assert_array_equal(BaggingRegressor(n_estimators=2).fit(X, np.full(10, 2.5)).predict(X), 2.5)


@pytest.mark.parametrize(
    "name, value",
    [
        ("n_estimators", 0),
        ("max_samples", 0.0),
        ("max_samples", 1.5),
        ("max_features", 40),
        ("max_features", -0.5),
        ("bootstrap", "yes"),
        ("voting", "soft"),
        ("oob_score", 1),
        ("random_state", "seed"),
        ("n_jobs", 1.5),
        ("estimator", CARTRegressor()),
    ],
)
def test_bad_parameters_are_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        BaggingClassifier(**{name: value}).fit(*IRIS)


def test_bad_requests_are_refused() -> None:
    X, y = IRIS
    with pytest.raises(ValueError, match="oob_score needs rows"):
        BaggingClassifier(bootstrap=False, oob_score=True).fit(X, y)
    with pytest.raises(ValueError, match="max_samples must be at most 150"):
        BaggingClassifier(bootstrap=False, max_samples=200).fit(X, y)
    with pytest.raises(ValueError, match="same number of rows"):
        BaggingClassifier().fit(X, y[:-1])
    with pytest.warns(UserWarning, match="seen by every member"):
        BaggingClassifier(n_estimators=2, oob_score=True).fit(X, y)
