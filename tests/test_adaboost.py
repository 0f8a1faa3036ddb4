# SPDX-License-Identifier: Apache-2.0
"""AdaBoost against a naive program, scikit-learn and its own definition; perfect fits; the same bits everywhere."""

from __future__ import annotations

import pickle
import sys
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

import itertools

import pandas as pd
import sklearn.ensemble
from conftest import SHARED_DATA
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils.estimator_checks import parametrize_with_checks

import pygbt
from pygbt.ensemble import AdaBoostClassifier, AdaBoostRegressor
from pygbt.tree import C45Classifier, CARTClassifier, CARTRegressor, ID3Classifier

EXPECTED_FAILURES: dict[str, str] = {}  # none, and none may be added

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


@parametrize_with_checks(
    [AdaBoostClassifier(n_estimators=10), AdaBoostRegressor(n_estimators=10)],
    expected_failed_checks=lambda estimator: EXPECTED_FAILURES,
)
@pytest.mark.filterwarnings("ignore")  # some checks warn on purpose
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


def state(model: Any) -> bytes:
    """Everything that was learned, as bytes."""
    trees = [sorted((k, np.asarray(v).tobytes()) for k, v in tree.arrays.items()) for tree in model.estimators_]
    return pickle.dumps((trees, model.estimator_weights_.tobytes(), model.estimator_errors_.tobytes()))


def drawn_classes(seed: int, n: int = 120, k: int = 2) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4)).astype(np.float32).astype(np.float64)
    signal = X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(scale=0.7, size=n)
    y = np.searchsorted(np.quantile(signal, np.arange(1, k) / k), signal)
    return X, y, rng.uniform(0.5, 2.0, size=n)


# --- the definition -------------------------------------------------------------------------------------------------


def naive_stump(X: Any, y: Any, w: Any, k: int) -> Any:
    """Every cut of every column, by the Gini impurity; a function from rows to classes."""
    best = None
    for f in range(X.shape[1]):
        values = np.unique(X[:, f])
        for low, high in itertools.pairwise(values):
            cut = (low + high) / 2
            sides = [np.bincount(y[side], w[side], k) for side in (X[:, f] < cut, X[:, f] >= cut)]
            score = sum((side**2).sum() / side.sum() for side in sides)
            if best is None or score > best[0] * (1 + 1e-13):
                best = (score, f, cut, [int(side.argmax()) for side in sides])
    assert best is not None
    _, f, cut, labels = best
    return lambda rows: np.where(rows[:, f] < cut, labels[0], labels[1])


@pytest.mark.parametrize("algorithm, k", [("M1", 2), ("SAMME", 2), ("SAMME", 3), ("M1", 3)])
@pytest.mark.parametrize("rate", [1.0, 0.5])
def test_rounds_are_those_of_a_naive_program(algorithm: str, k: int, rate: float) -> None:
    X, y, weight = drawn_classes(k, k=k)
    model = AdaBoostClassifier(n_estimators=8, algorithm=algorithm, learning_rate=rate).fit(X, y, weight)
    w = weight / weight.sum()
    votes = np.zeros((len(y), k))
    for i in range(8):
        stump = naive_stump(X, y, w, k)
        wrong = stump(X) != y
        error = w[wrong].sum()
        if error >= (0.5 if algorithm == "M1" else 1 - 1 / k):
            assert len(model.estimators_) == max(i, 1)
            break
        vote = rate * (np.log((1 - error) / error) + (np.log(k - 1) if algorithm == "SAMME" else 0.0))
        np.testing.assert_allclose(model.estimator_errors_[i], error, rtol=1e-6)
        np.testing.assert_allclose(model.estimator_weights_[i], vote, rtol=1e-6)
        if algorithm == "M1":  # right rows lose, as Freund and Schapire write it
            w = w * np.where(wrong, 1.0, (error / (1 - error)) ** rate)
        else:
            w = w * np.where(wrong, np.exp(vote), 1.0)
        w /= w.sum()
        votes[np.arange(len(y)), stump(X)] += vote
    else:
        np.testing.assert_array_equal(model.predict(X), votes.argmax(axis=1))
        softmax = np.exp(votes - votes.max(axis=1, keepdims=True))
        np.testing.assert_allclose(model.predict_proba(X), softmax / softmax.sum(axis=1, keepdims=True), rtol=1e-5)


@pytest.mark.parametrize("k", [2, 3, 5])
def test_samme_is_that_of_scikit_learn(k: int) -> None:
    X, y, weight = drawn_classes(10 + k, n=400, k=k)
    theirs = sklearn.ensemble.AdaBoostClassifier(DecisionTreeClassifier(max_depth=2, random_state=0), n_estimators=15)
    theirs.fit(X, y, weight)
    base = CARTClassifier(max_depth=2, min_split=0, min_bucket=0, cp=None, missing="direction")
    ours = AdaBoostClassifier(base, n_estimators=15, algorithm="SAMME").fit(X, y, weight)
    np.testing.assert_allclose(ours.estimator_errors_, theirs.estimator_errors_, rtol=1e-6)
    np.testing.assert_allclose(ours.estimator_weights_, theirs.estimator_weights_, rtol=1e-6)
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    for one, other in zip(ours.staged_predict(X), theirs.staged_predict(X), strict=True):
        np.testing.assert_array_equal(one, other)


def test_m1_is_samme_for_two_classes() -> None:
    m1, samme = (AdaBoostClassifier(n_estimators=20, algorithm=a).fit(*CANCER) for a in ("M1", "SAMME"))
    assert state(m1) == state(samme)


@pytest.mark.parametrize("loss", ["linear", "square", "exponential"])
def test_r2_replayed_from_its_trees(loss: str) -> None:
    X, y = DIABETES
    weight = np.random.default_rng(0).uniform(0.5, 2.0, size=len(y))
    model = AdaBoostRegressor(n_estimators=10, loss=loss, learning_rate=0.7).fit(X, y, weight)
    assert len(model.estimators_) > 3
    w = weight / weight.mean()
    base = CARTRegressor(max_depth=3, min_split=0, min_bucket=0, cp=None, missing="direction", max_competitors=0)
    for tree, vote, error in zip(model.estimators_, model.estimator_weights_, model.estimator_errors_, strict=True):
        alone = base.fit(X, y, w)
        np.testing.assert_array_equal(alone.tree_.question_feature, tree.question_feature)
        np.testing.assert_allclose(alone.predict(X), tree.values(X)[:, 0], rtol=1e-3)  # weights of 16 bits
        deviation = np.abs(tree.values(X)[:, 0] - y)
        share = deviation / deviation.max()
        own = {"linear": share, "square": share**2, "exponential": 1 - np.exp(-share)}[loss]
        mean = np.average(own, weights=w)
        np.testing.assert_allclose(error, mean, rtol=1e-6)
        np.testing.assert_allclose(vote, 0.7 * np.log((1 - mean) / mean), rtol=1e-6)
        w = w * (mean / (1 - mean)) ** (0.7 * (1 - own))
        w /= w.mean()
    # The weighted median: half of the votes lie at or below it, and not before it.
    said = np.column_stack([tree.values(X)[:, 0] for tree in model.estimators_])
    votes, median = model.estimator_weights_, model.predict(X)
    assert (((said <= median[:, None]) * votes).sum(axis=1) >= 0.5 * votes.sum() * (1 - 1e-12)).all()
    assert (((said < median[:, None]) * votes).sum(axis=1) <= 0.5 * votes.sum() * (1 + 1e-12)).all()


def test_stages_end_in_the_model() -> None:
    X, y = IRIS
    model = AdaBoostClassifier(n_estimators=6, algorithm="SAMME").fit(X, y)
    assert len(list(model.staged_predict(X))) == len(model.estimators_)
    np.testing.assert_array_equal(list(model.staged_predict(X))[-1], model.predict(X))
    for last in model.staged_predict_proba(X):
        proba = last
    np.testing.assert_array_equal(proba, model.predict_proba(X))
    for last in model.staged_decision_function(X):
        decision = last
    np.testing.assert_array_equal(decision, model.decision_function(X))
    np.testing.assert_allclose(model.decision_function(X).sum(axis=1), 1.0)
    assert list(model.staged_score(X, y))[-1] == model.score(X, y)
    assert model.feature_importances_.sum() == pytest.approx(1.0)
    regressor = AdaBoostRegressor(n_estimators=5).fit(*DIABETES)
    np.testing.assert_array_equal(list(regressor.staged_predict(DIABETES[0]))[-1], regressor.predict(DIABETES[0]))
    assert list(regressor.staged_score(*DIABETES))[-1] == regressor.score(*DIABETES)


# --- perfect fits, and no fit ---------------------------------------------------------------------------------------


def deep(**more: Any) -> CARTClassifier:
    return CARTClassifier(min_split=0, min_bucket=0, cp=None, **more)


def test_a_perfect_tree_has_a_bounded_vote() -> None:
    X, y = IRIS
    capped = AdaBoostClassifier(deep()).fit(X, y)
    assert len(capped.estimators_) == 1  # the next one would be the same
    assert capped.estimator_errors_[0] == 0.0
    assert capped.estimator_weights_[0] == pytest.approx(np.log((1 - 0.5 / 150) / (0.5 / 150)))
    stopped = AdaBoostClassifier(deep(), perfect_fit="stop").fit(X, y)
    assert stopped.estimator_weights_.tolist() == [1.0]
    for model in (capped, stopped):
        np.testing.assert_array_equal(model.predict(X), y)
        assert np.isfinite(model.predict_proba(X)).all()


def test_fresh_samples_boost_trees_that_fit_perfectly() -> None:
    X, y = IRIS
    fresh = AdaBoostClassifier(deep(), n_estimators=12, perfect_fit="resample").fit(X, y)
    assert len(fresh.estimators_) == 12
    assert len({tree.n_nodes for tree in fresh.estimators_}) > 1
    assert (fresh.estimator_errors_[1:] > 0).any()
    assert np.isfinite(fresh.estimator_weights_).all()
    drawn = AdaBoostClassifier(deep(), n_estimators=12, resample=True).fit(X, y)
    assert len(drawn.estimators_) == 12
    other = AdaBoostClassifier(deep(), n_estimators=12, resample=True, random_state=1).fit(X, y)
    assert state(other) != state(drawn)
    regressor = AdaBoostRegressor(CARTRegressor(min_split=2, min_bucket=1, cp=None), n_estimators=5)
    assert len(regressor.fit(*DIABETES).estimators_) == 1
    assert len(regressor.set_params(perfect_fit="resample").fit(*DIABETES).estimators_) == 5


@pytest.mark.shared_data
def test_boosting_beats_the_tree_that_fits_perfectly() -> None:
    sys.path.insert(0, str(SHARED_DATA))
    from datasets import load

    glass = load("glass")
    rng = np.random.default_rng(0)
    alone, boosted = 0.0, 0.0
    for _ in range(4):
        test = rng.permutation(len(glass.y)) < len(glass.y) // 4
        X, y, Xt, yt = glass.X[~test], glass.y[~test], glass.X[test], glass.y[test]
        alone += deep().fit(X, y).score(Xt, yt)
        boosted += AdaBoostClassifier(deep(), n_estimators=50, perfect_fit="resample").fit(X, y).score(Xt, yt)
    assert boosted > alone + 4 * 0.03


@pytest.mark.shared_data
def test_stumps_on_adult_are_those_of_scikit_learn() -> None:
    sys.path.insert(0, str(SHARED_DATA))
    from datasets import load

    adult = load("adult")
    codes = adult.X.apply(lambda c: c.cat.codes if isinstance(c.dtype, pd.CategoricalDtype) else c)
    X, y = codes.to_numpy(np.float32), adult.y.astype(str).to_numpy()
    test = (adult.split.astype(str) == "test").to_numpy()
    theirs = sklearn.ensemble.AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=25)
    theirs.fit(X[~test], y[~test])
    ours = AdaBoostClassifier(n_estimators=25).fit(X[~test], y[~test])
    np.testing.assert_allclose(ours.estimator_errors_, theirs.estimator_errors_, rtol=1e-6)
    assert ours.score(X[test], y[test]) >= theirs.score(X[test], y[test])
    categories = AdaBoostClassifier(n_estimators=25).fit(adult.X[~test], y[~test])
    assert categories.score(adult.X[test], y[test]) >= 0.85


def test_learners_no_better_than_chance_end_the_rounds() -> None:
    X = np.array([[0.0], [0.0], [1.0], [1.0]])
    y = np.array([0, 1, 0, 1])
    with pytest.warns(UserWarning, match="estimator: the first learner has the weighted error 0.5"):
        model = AdaBoostClassifier().fit(X, y)  # it stays alone
    assert model.estimator_weights_.tolist() == [1.0]
    assert model.estimator_errors_.tolist() == [0.5]
    assert len(AdaBoostClassifier().fit(*IRIS).estimators_) <= len(
        AdaBoostClassifier(algorithm="SAMME").fit(*IRIS).estimators_
    )


def test_one_class_and_a_constant_target() -> None:
    X = np.arange(10.0)[:, None]
    for perfect_fit in ("cap", "stop", "resample"):
        model = AdaBoostClassifier(perfect_fit=perfect_fit, n_estimators=3).fit(X, ["only"] * 10)
        assert set(model.predict(X)) == {"only"}
        np.testing.assert_array_equal(model.predict_proba(X), 1.0)
        constant = AdaBoostRegressor(perfect_fit=perfect_fit, n_estimators=3).fit(X, np.full(10, 2.5))
        np.testing.assert_array_equal(constant.predict(X), 2.5)


# --- the same bits --------------------------------------------------------------------------------------------------

MODELS = [
    AdaBoostClassifier(n_estimators=15),
    AdaBoostClassifier(n_estimators=15, algorithm="SAMME", resample=True),
    AdaBoostClassifier(deep(max_depth=3), n_estimators=8, learning_rate=0.3),
    AdaBoostRegressor(n_estimators=10, loss="exponential"),
    AdaBoostRegressor(n_estimators=5, resample=True),
]


def data_of(model: Any) -> tuple[Any, Any]:
    return DIABETES if isinstance(model, AdaBoostRegressor) else CANCER


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_threads_change_no_bit(model: Any) -> None:
    X, y = data_of(model)
    X, y = np.tile(X, (20, 1)), np.tile(y, 20)  # rows of several tasks
    weight = np.random.default_rng(1).uniform(0.1, 1.0, size=len(y))
    one, three = (clone(model).set_params(n_jobs=n).fit(X, y, weight) for n in (1, 3))
    assert state(one) == state(three)
    assert one.predict(X).tobytes() == three.predict(X).tobytes()


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_weight_three_is_the_row_three_times(model: Any) -> None:
    X, y = data_of(model)
    weight = np.random.default_rng(2).integers(0, 4, size=len(y))
    rows = np.random.default_rng(3).permutation(np.repeat(np.arange(len(y)), weight))
    weighted = clone(model).fit(X, y, weight.astype(float))
    repeated = clone(model).fit(X[rows], y[rows])
    assert weighted.estimator_weights_.tobytes() == repeated.estimator_weights_.tobytes()
    assert weighted.estimator_errors_.tobytes() == repeated.estimator_errors_.tobytes()
    assert weighted.predict(X).tobytes() == repeated.predict(X).tobytes()


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_the_order_of_rows_changes_no_bit(model: Any) -> None:
    X, y = data_of(model)
    order = np.random.default_rng(4).permutation(len(y))
    assert state(clone(model).fit(X, y)) == state(clone(model).fit(X[order], y[order]))


@pytest.mark.parametrize("model", MODELS, ids=str)
def test_copies_predict_the_same(model: Any) -> None:
    X, y = data_of(model)
    fitted = clone(model).fit(X, y)
    copy = pickle.loads(pickle.dumps(fitted))
    assert state(copy) == state(fitted)
    assert copy.predict(X).tobytes() == fitted.predict(X).tobytes()


# --- tables and learners --------------------------------------------------------------------------------------------


def test_frames_with_categories_and_missing_values() -> None:
    rng = np.random.default_rng(5)
    n = 400
    frame = pd.DataFrame(
        {
            "color": pd.Categorical(rng.choice(["red", "green", "blue", "none"], n)),
            "size": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
        }
    )
    y = np.where(frame["color"].isin(["red", "blue"]) ^ (frame["size"] > 0.5), "yes", "no")
    model = AdaBoostClassifier(CARTClassifier(max_depth=2, min_split=2, min_bucket=1, cp=None), n_estimators=20)
    model.fit(frame, y)
    assert model.score(frame, y) > 0.95
    # Surrogates and categories: training rows by codes answer as rows of a table do.
    wrong = model.estimators_[0].labels(frame) != (y == "yes")
    assert model.estimator_errors_[0] == pytest.approx(wrong.mean())
    assert model.feature_names_in_.tolist() == ["color", "size"]


def test_a_dataset_is_boosted_over_its_bins() -> None:
    X, y = CANCER
    bins = pygbt.Dataset(X, max_bin=16)
    model = AdaBoostClassifier(n_estimators=10).fit(bins, y)
    assert model.score(X, y) > 0.93
    assert (model.estimators_[0].labels(X) != y).mean() == pytest.approx(model.estimator_errors_[0])


def test_learners_of_scikit_learn() -> None:
    X, y = CANCER
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    names = np.array(["bad", "good"])[y]
    model = AdaBoostClassifier(LogisticRegression(C=1e-4), n_estimators=5).fit(X, names)
    assert set(model.predict(X)) == {"bad", "good"}
    assert 1 < len(model.estimators_) <= 5
    stumps = AdaBoostClassifier(DecisionTreeClassifier(max_depth=1), n_estimators=10).fit(X, names)
    assert len({tree.random_state for tree in stumps.estimators_}) == 10
    assert stumps.feature_importances_.sum() == pytest.approx(1.0)
    with pytest.raises(ValueError, match="estimator: KNeighborsClassifier takes no sample_weight"):
        AdaBoostClassifier(KNeighborsClassifier()).fit(X, names)
    AdaBoostClassifier(KNeighborsClassifier(), n_estimators=3, resample=True).fit(X, names)
    assert AdaBoostRegressor(Ridge(), n_estimators=5).fit(*DIABETES).score(*DIABETES) > 0.3


@pytest.mark.parametrize("base", [C45Classifier(), ID3Classifier()], ids=str)
def test_multiway_trees_are_boosted(base: Any) -> None:
    rng = np.random.default_rng(6)
    frame = pd.DataFrame({name: pd.Categorical(rng.choice(list("abcd"), 300)) for name in "uvwx"})
    y = (frame["u"].cat.codes + frame["v"].cat.codes * frame["w"].cat.codes) % 3 + (rng.random(300) < 0.1)
    if isinstance(base, C45Classifier):
        frame.loc[rng.random(300) < 0.1, "u"] = None  # cases in parts
    model = AdaBoostClassifier(base, n_estimators=5, algorithm="SAMME").fit(frame, y)
    single = clone(base).fit(frame, y)
    assert model.estimator_errors_[0] == pytest.approx(1 - single.score(frame, y))
    assert model.score(frame, y) >= single.score(frame, y)


def test_class_weights_of_the_learner_count() -> None:
    X, y = CANCER
    heavy = AdaBoostClassifier(deep(max_depth=1, class_weight={0: 50.0, 1: 1.0}), n_estimators=1).fit(X, y)
    plain = AdaBoostClassifier(n_estimators=1).fit(X, y)
    assert (heavy.predict(X) == 0).sum() > (plain.predict(X) == 0).sum()
    assert heavy.estimator_errors_[0] == pytest.approx((heavy.predict(X) != y).mean())


@pytest.mark.parametrize(
    "name, value",
    [
        ("n_estimators", 0),
        ("n_estimators", 2.5),
        ("algorithm", "SAMME.R"),
        ("learning_rate", 0.0),
        ("learning_rate", np.nan),
        ("perfect_fit", "ignore"),
        ("resample", 1),
        ("random_state", -1),
        ("n_jobs", 0),
        ("estimator", "stump"),
        ("estimator", CARTRegressor()),
    ],
)
def test_bad_parameters_are_named(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        AdaBoostClassifier(**{name: value}).fit(*IRIS)


def test_bad_rows_are_refused() -> None:
    X, y = IRIS
    with pytest.raises(ValueError, match="same number of rows"):
        AdaBoostClassifier().fit(X, y[:-1])
    with pytest.raises(ValueError, match="sample_weight must not be negative"):
        AdaBoostClassifier().fit(X, y, np.full(len(y), -1.0))
    with pytest.raises(ValueError, match="all weights are zero"):
        AdaBoostClassifier().fit(X, y, np.zeros(len(y)))
    with pytest.raises(ValueError, match="loss must be one of"):
        AdaBoostRegressor(loss="cubic").fit(X, y)
    with pytest.raises(ValueError, match="one column"):
        AdaBoostRegressor().fit(X, np.column_stack([y, y]))
    with pytest.raises(ValueError, match="infinite"):
        AdaBoostClassifier().fit(np.where(X > 5, np.inf, X), y)
