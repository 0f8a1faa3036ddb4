# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's own checks with no expected failure, and laws of the estimators."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import pygbt
from pygbt._params import PARAMETERS

sklearn = pytest.importorskip("sklearn")

from sklearn.base import clone  # noqa: E402
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris  # noqa: E402
from sklearn.exceptions import NotFittedError  # noqa: E402
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402

from pygbt import GBTClassifier, GBTRegressor  # noqa: E402
from pygbt.estimator_base import LEFT_OUT, OWN, SKLEARN_NAMES  # noqa: E402

EXPECTED_FAILURES: dict[str, str] = {}  # none, and none may be added

IRIS = load_iris(return_X_y=True)
CANCER = load_breast_cancer(return_X_y=True)
DIABETES = load_diabetes(return_X_y=True)


@parametrize_with_checks([GBTClassifier(), GBTRegressor()], expected_failed_checks=lambda estimator: EXPECTED_FAILURES)
@pytest.mark.filterwarnings("ignore")  # some checks warn on purpose
def test_scikit_learn_contract(estimator: Any, check: Any) -> None:
    check(estimator)


# --- parameters -----------------------------------------------------------------------------------------------------


def test_defaults_are_those_of_the_table() -> None:
    signature = inspect.signature(GBTClassifier.__init__).parameters
    assert signature.keys() == inspect.signature(GBTRegressor.__init__).parameters.keys()
    expected = {"self", *OWN}
    for p in PARAMETERS:
        if p.scope == "internal" or p.name in LEFT_OUT:
            continue
        name = SKLEARN_NAMES.get(p.name, p.name)
        expected.add(name)
        given = signature[name].default
        if name == "objective":
            assert given == "auto"
        elif given is not None:
            assert given == p.default or [given] == p.default, name
        else:  # None stands for the default of the table
            assert p.default in ([], {}, 0), name
    assert set(signature) == expected
    for cls in (GBTClassifier, GBTRegressor):
        doc = inspect.getdoc(cls)
        assert doc is not None
        assert all(f"\n{name} : " in doc for name in expected - {"self"})


def test_a_teacher() -> None:
    X, y = load_iris(return_X_y=True)
    rng = np.random.default_rng(0)
    proba = rng.dirichlet([1, 1, 1], len(y)).astype(np.float32)
    proba[::7] = np.nan
    trust = rng.random(len(y))
    names = np.array(["b", "a", "c"])[y]  # classes_ are a, b, c
    model = GBTClassifier(n_estimators=5, teacher_alpha=0.7, teacher_temperature=2.0)
    model.fit(X, names, teacher=proba, teacher_weight=trust)
    ds = pygbt.Dataset(X, np.array([1, 0, 2])[y], teacher=proba, teacher_weight=trust)
    params = {"objective": "softmax", "teacher_alpha": 0.7, "teacher_temperature": 2.0}
    assert model.booster_.digest() == pygbt.train(params, ds, 5).digest()
    held_out = GBTClassifier(n_estimators=5, early_stopping_rounds=2).fit(X, names, teacher=proba)
    assert held_out.booster_.evals_result["validation"]
    logits = GBTClassifier(n_estimators=5).fit(X, names, teacher=np.log(proba), teacher_form="logits")
    assert logits.booster_.digest() != GBTClassifier(n_estimators=5).fit(X, names).booster_.digest()
    values = GBTRegressor(n_estimators=5, teacher_alpha=1.0).fit(X, y, teacher=X[:, 0])
    assert abs(values.predict(X).mean() - X[:, 0].mean()) < 0.2
    for wrong in (proba[:-1], 1.0):
        with pytest.raises(ValueError, match="teacher must have one entry or row for each of the 150 rows"):
            GBTClassifier(n_estimators=5).fit(X, names, teacher=wrong)


@pytest.mark.parametrize(
    "name, value", [("max_depth", 2), ("subsample", 0.5), ("reg_lambda", 50.0), ("max_bin", 4), ("random_state", 5)]
)
def test_every_parameter_reaches_the_engine(name: str, value: Any) -> None:
    X, y = DIABETES
    common = {"n_estimators": 5, "colsample_bytree": 0.5}
    default = GBTRegressor(**common).fit(X, y)
    changed = GBTRegressor(**common, **{name: value}).fit(X, y)
    assert changed.booster_.digest() != default.booster_.digest()
    theirs = {"num_boost_round": 5, "colsample_bytree": 0.5, {"random_state": "seed"}.get(name, name): value}
    max_bin = theirs.pop("max_bin", 256)
    direct = pygbt.train(theirs, pygbt.Dataset(X, y, max_bin=max_bin))
    assert changed.booster_.digest() == direct.digest()


def test_errors_name_the_parameter() -> None:
    X, y = DIABETES
    with pytest.raises(ValueError, match="learning_rate"):
        GBTRegressor(learning_rate=-1.0).fit(X, y)
    with pytest.raises(ValueError, match="logistic"):
        GBTClassifier(objective="logistc").fit(*CANCER)
    with pytest.raises(ValueError, match="num_boost_round|n_estimators"):
        GBTRegressor(n_estimators=-1).fit(X, y)
    with pytest.raises(ValueError, match="validation_fraction"):
        GBTRegressor(early_stopping_rounds=2, validation_fraction=1.5).fit(X, y)


def test_random_state_may_be_a_generator_of_numpy() -> None:
    X, y = DIABETES
    one, two = (
        GBTRegressor(n_estimators=3, subsample=0.5, random_state=np.random.RandomState(4)).fit(X, y) for _ in range(2)
    )
    assert one.booster_.digest() == two.booster_.digest()
    other = GBTRegressor(n_estimators=3, subsample=0.5, random_state=np.random.RandomState(5)).fit(X, y)
    assert other.booster_.digest() != one.booster_.digest()
    default, none = (GBTRegressor(n_estimators=3, subsample=0.5, random_state=r).fit(X, y) for r in (0, None))
    assert none.booster_.digest() == default.booster_.digest()


# --- quality and shapes ---------------------------------------------------------------------------------------------


def test_scores_on_real_data() -> None:
    assert cross_val_score(GBTClassifier(), *IRIS, cv=5).mean() > 0.92
    assert cross_val_score(GBTClassifier(), *CANCER, cv=5).mean() > 0.94
    assert cross_val_score(GBTRegressor(n_estimators=60, max_depth=3), *DIABETES, cv=5).mean() > 0.38


@pytest.mark.parametrize("dtype", ["int8", "float32", "bool", "U", "object"])
def test_labels_of_any_type_come_back(dtype: str) -> None:
    X, y = CANCER
    labels = {"U": np.array(["no", "yes"])[y], "object": np.array(["no", "yes"], dtype=object)[y]}.get(dtype)
    if labels is None:
        labels = y.astype(dtype)
    model = GBTClassifier(n_estimators=5).fit(X, labels)
    assert model.predict(X).dtype == labels.dtype
    assert model.classes_.tolist() == sorted(set(labels.tolist()))
    assert np.mean(model.predict(X) == labels) > 0.95
    p = model.predict_proba(X)
    assert p.dtype == np.float64
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_array_equal(model.classes_[p.argmax(axis=1)], model.predict(X))


def test_two_classes_by_softmax_and_one_vs_rest() -> None:
    X, y = CANCER
    for objective in ("softmax", "one_vs_rest"):
        model = GBTClassifier(objective=objective, n_estimators=10).fit(X, y)
        assert model.predict_proba(X).shape == (len(y), 2)
        np.testing.assert_allclose(model.predict_proba(X).sum(axis=1), 1.0, rtol=1e-12)
        assert model.score(X, y) > 0.95


@pytest.mark.parametrize("strategy", ["one_tree_per_target", "vector_leaf"])
def test_several_targets(strategy: str) -> None:
    X, y = DIABETES
    Y = np.column_stack([y, -y, X[:, 2]])
    model = GBTRegressor(multi_strategy=strategy, n_estimators=30).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) > 0.7
    if strategy == "one_tree_per_target":
        alone = GBTRegressor(n_estimators=30).fit(X, y)
        np.testing.assert_array_equal(model.predict(X)[:, 0], alone.predict(X))


def test_quantile_levels_are_columns() -> None:
    X, y = DIABETES
    low, high = GBTRegressor(objective="quantile", quantile_alpha=[0.1, 0.9], n_estimators=40).fit(X, y).predict(X).T
    assert np.mean(y < low) == pytest.approx(0.1, abs=0.08)
    assert np.mean(y < high) == pytest.approx(0.9, abs=0.08)


# --- tables ---------------------------------------------------------------------------------------------------------


def test_frames_of_every_kind_give_the_same_model() -> None:
    pandas, polars, pyarrow = (pytest.importorskip(m) for m in ("pandas", "polars", "pyarrow"))
    X, y = IRIS
    names = ["a", "b", "c", "d"]
    frame = pandas.DataFrame(X, columns=names)
    digests = set()
    for table in (frame, polars.DataFrame(X, schema=names), pyarrow.Table.from_pandas(frame)):
        model = GBTClassifier(n_estimators=5).fit(table, y)
        assert list(model.feature_names_in_) == names
        digests.add(model.booster_.digest())
        assert model.predict(table).shape == y.shape
    assert len(digests) == 1
    array = GBTClassifier(n_estimators=5).fit(X, y)
    assert not hasattr(array, "feature_names_in_")
    np.testing.assert_array_equal(array.predict_proba(X), model.predict_proba(frame_of(pyarrow, X, names)))


def frame_of(pyarrow: Any, X: np.ndarray, names: list[str]) -> Any:
    return pyarrow.table(dict(zip(names, X.T, strict=True)))


def test_names_are_checked_at_predict() -> None:
    pandas = pytest.importorskip("pandas")
    X, y = IRIS
    frame = pandas.DataFrame(X, columns=["a", "b", "c", "d"])
    model = GBTClassifier(n_estimators=3).fit(frame, y)
    with pytest.raises(ValueError, match="[Ff]eature names"):
        model.predict(frame.rename(columns={"d": "e"}))
    with pytest.raises(ValueError, match="[Ff]eature names"):
        model.predict(frame[["b", "a", "c", "d"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(model.predict(X), model.predict(frame))
    nameless = GBTClassifier(n_estimators=3).fit(X, y)
    with pytest.warns(UserWarning, match="fitted without feature names"):
        np.testing.assert_array_equal(nameless.predict(frame), nameless.predict(X))


def test_categories_of_a_frame_are_used() -> None:
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    code = rng.integers(0, 20, size=400)
    effect = rng.permutation(20).astype(float)
    frame = pandas.DataFrame({"c": pandas.Categorical([f"k{i}" for i in code]), "x": rng.normal(size=400)})
    model = GBTRegressor(n_estimators=30).fit(frame, effect[code])
    assert model.score(frame, effect[code]) > 0.9
    shuffled = frame.assign(c=frame["c"].cat.reorder_categories(frame["c"].cat.categories[::-1]))
    np.testing.assert_array_equal(model.predict(shuffled), model.predict(frame))
    assert model.booster_.categorical_features == ["c"]


def test_sparse_tables_equal_dense_ones() -> None:
    sparse = pytest.importorskip("scipy.sparse")
    X, y = IRIS
    X = X * (X > 1.5)
    dense = GBTClassifier(n_estimators=5).fit(X, y)
    for make in (sparse.csr_matrix, sparse.csc_array, sparse.coo_array):
        model = GBTClassifier(n_estimators=5).fit(make(X), y)
        np.testing.assert_array_equal(model.predict_proba(make(X)), dense.predict_proba(X))


# --- early stopping, continuation -----------------------------------------------------------------------------------


def test_early_stopping_with_a_validation_set() -> None:
    X, y = DIABETES
    X, Xv, y, yv = train_test_split(X, y, random_state=0)
    model = GBTRegressor(n_estimators=500, learning_rate=0.3, early_stopping_rounds=5).fit(X, y, eval_set=[(Xv, yv)])
    scores = model.evals_result_["validation_0"]["rmse"]
    assert model.n_iter_ == model.best_iteration_ + 1 == int(np.argmin(scores)) + 1
    assert len(scores) == model.best_iteration_ + 6
    assert model.best_score_ == min(scores)
    assert np.sqrt(np.mean((model.predict(Xv) - yv) ** 2)) == pytest.approx(model.best_score_, rel=1e-5)


def test_early_stopping_with_a_fraction_holds_out_rows_of_each_class() -> None:
    X, y = CANCER
    labels = np.array(["no", "yes"])[y]
    model = GBTClassifier(n_estimators=500, learning_rate=0.5, early_stopping_rounds=3).fit(X, labels)
    assert list(model.evals_result_) == ["validation"]
    assert model.booster_.n_iterations < 500
    assert model.booster_.trees()[0].count[0] == len(y) - sum(round(0.1 * n) for n in np.bincount(y))
    again = clone(model).fit(X, labels)
    assert again.booster_.digest() == model.booster_.digest()


def test_eval_set_with_weights_and_unknown_labels() -> None:
    X, y = IRIS
    rows = np.arange(len(y)) % 3 == 0
    weight = rows.astype(float)
    by_weight = GBTClassifier(n_estimators=4).fit(X, y, eval_set=[(X, y)], eval_sample_weight=[weight])
    by_rows = GBTClassifier(n_estimators=4).fit(X, y, eval_set=(X[rows], y[rows]))
    assert by_weight.evals_result_ == by_rows.evals_result_
    with pytest.raises(ValueError, match="eval_set"):
        GBTClassifier(n_estimators=4).fit(X, y, eval_set=[(X, y + 1)])
    with pytest.raises(ValueError, match="eval_sample_weight"):
        GBTClassifier(n_estimators=4).fit(X, y, eval_set=[(X, y)], eval_sample_weight=[])


def test_continued_fit_equals_one_fit() -> None:
    X, y = IRIS
    whole = GBTClassifier(n_estimators=8, subsample=0.7).fit(X, y)
    half = GBTClassifier(n_estimators=4, subsample=0.7).fit(X, y)
    both = GBTClassifier(n_estimators=4, subsample=0.7).fit(X, y, init_model=half.booster_)
    assert both.booster_.digest() == whole.booster_.digest()


def test_custom_objective_and_callbacks() -> None:
    X, y = DIABETES
    seen = []
    model = GBTRegressor(
        objective=lambda m, ds: (m - y.astype(np.float32), np.ones(len(y))), n_estimators=5, base_score=0.0
    ).fit(X, y, callbacks=[lambda state: seen.append(state.iteration)])
    assert seen == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(model.predict(X), GBTRegressor(n_estimators=5, base_score=0.0).fit(X, y).predict(X))


# --- life in scikit-learn -------------------------------------------------------------------------------------------


def test_importances_and_leaves() -> None:
    X, y = IRIS
    model = GBTClassifier(n_estimators=10).fit(X, y)
    assert model.feature_importances_.shape == (4,)
    assert model.feature_importances_.sum() == pytest.approx(1.0)
    assert model.feature_importances_[2:].sum() > 0.8  # the petals
    assert model.apply(X).shape == (150, 30)
    constant = GBTRegressor(n_estimators=2).fit(np.ones((20, 2)), np.arange(20.0))
    np.testing.assert_array_equal(constant.feature_importances_, [0.0, 0.0])


def test_unfitted_estimators_say_so() -> None:
    for model in (GBTClassifier(), GBTRegressor()):
        with pytest.raises(NotFittedError):
            model.predict(IRIS[0])
        with pytest.raises((NotFittedError, AttributeError)):
            _ = model.feature_importances_


def test_grid_search_and_pickles() -> None:
    X, y = IRIS
    search = GridSearchCV(GBTClassifier(n_estimators=10), {"max_depth": [1, 3]}, cv=3).fit(X, y)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    np.testing.assert_array_equal(again.predict_proba(X), search.predict_proba(X))


def test_pygbt_imports_without_scikit_learn() -> None:
    script = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import pygbt\n"
        "assert pygbt.train and 'GBTClassifier' in dir(pygbt)\n"
        "try:\n    pygbt.GBTClassifier\n"
        "except ImportError as error:\n    assert 'pygbt[sklearn]' in str(error), error\n"
        "else:\n    raise SystemExit('no error')\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
