# SPDX-License-Identifier: Apache-2.0
"""Forests: scikit-learn's checks, the same bits, tables, bad input."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from forest_tables import ALL, CANCER, CLASSIFIERS, DIABETES, IRIS, REGRESSORS, coarse, data_of
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

import pygbt
from pygbt import _core, callbacks, late_bar
from pygbt.ensemble import ExtraTreesClassifier, RandomForestClassifier, RandomForestRegressor

EXPECTED_FAILURES: dict[str, str] = {}  # none, and none may be added


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
    monkeypatch.setattr(callbacks.ProgressBar, "open", lambda self, total: steps.append(-total))
    monkeypatch.setattr(callbacks.ProgressBar, "advance", lambda self, n, text="": steps.append(n))
    RandomForestClassifier(n_estimators=5, verbose=1).fit(*IRIS)
    assert steps == []
    monkeypatch.setattr(late_bar, "BAR_SECONDS", 0.0)
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
