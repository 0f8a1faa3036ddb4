# SPDX-License-Identifier: Apache-2.0
"""Teachers: forms and ensembles against NumPy, out-of-fold answers by hand, batches after an exception."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

import pygbt
from pygbt.distill import Teacher, TeacherError

X, y = load_iris(return_X_y=True)
N, K = len(X), 3


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def logits(seed: int, n: int = N) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 2, (n, K))


class ArrayLike:
    """An array of another library."""

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def __array__(self, *_: Any, **__: Any) -> np.ndarray:
        return self._values


class Dlpack:
    """An array of another library, as torch shows its own."""

    requires_grad = True

    def __init__(self, values: np.ndarray) -> None:
        self._values = values

    def detach(self) -> Dlpack:
        found = Dlpack(self._values)
        found.requires_grad = False
        return found

    def __dlpack__(self, **options: Any) -> Any:
        if self.requires_grad:
            raise BufferError("can't export tensors that require gradient")
        return self._values.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._values.__dlpack_device__()


# --- forms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [np.asarray, lambda v: v.tolist(), ArrayLike, Dlpack])
def test_arrays_of_any_library(wrap: Any) -> None:
    p = softmax(logits(0))
    np.testing.assert_allclose(Teacher(proba=wrap(p)).answers(X).probabilities(), p, rtol=1e-12)
    np.testing.assert_allclose(Teacher(logits=wrap(np.log(p))).answers(X).probabilities(), p, rtol=1e-12)


@pytest.mark.parametrize("T", [0.5, 1.0, 3.0])
def test_temperature_of_logits_and_of_probabilities(T: float) -> None:
    v = logits(1) / 2
    for teacher in (Teacher(logits=v), Teacher(proba=softmax(v))):
        answers = teacher.answers(X)
        np.testing.assert_allclose(answers.probabilities(T), softmax(v / T), rtol=1e-6)
        np.testing.assert_allclose(softmax(answers.logits(T) / T), softmax(v / T), rtol=1e-6)


def test_one_column_is_the_second_of_two_classes() -> None:
    z = logits(2)[:, 0]
    p = 1 / (1 + np.exp(-z))
    for teacher in (Teacher(proba=p), Teacher(logits=z), Teacher(proba=lambda table: p[: len(table)])):
        np.testing.assert_allclose(teacher.answers(X).probabilities(), np.column_stack([1 - p, p]), rtol=1e-9)


def test_models_are_asked_for_what_they_know_best() -> None:
    booster = pygbt.train({"objective": "softmax", "n_classes": 3}, pygbt.Dataset(X, y), 5)
    answers = Teacher(booster).answers(X)
    np.testing.assert_array_equal(answers.logits(), booster.predict(X, "margin").astype(float))
    np.testing.assert_allclose(answers.probabilities(), booster.predict(X), atol=1e-6)
    estimator = pygbt.GBTClassifier(n_estimators=5).fit(X, np.array(list("abc"))[y])
    asked = Teacher(estimator)
    assert asked.classes is not None
    assert asked.classes.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(asked.answers(X).logits(), answers.logits())
    assert (asked.predict(X) == estimator.predict(X)).all()
    Xd, yd = load_diabetes(return_X_y=True)
    line = LinearRegression().fit(Xd, yd)
    np.testing.assert_array_equal(Teacher(line).answers(Xd).values()[:, 0], line.predict(Xd))


# --- ensembles -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("T", [1.0, 4.0])
def test_mean_of_probabilities_and_of_logits(T: float) -> None:
    vs = [logits(seed) for seed in (3, 4, 5)]
    weights = np.array([1.0, 2.0, 5.0])
    arithmetic = sum(w * softmax(v / T) for w, v in zip(weights, vs, strict=True)) / weights.sum()
    geometric = softmax(sum(w * v for w, v in zip(weights, vs, strict=True)) / weights.sum() / T)
    for average, expected in (("probabilities", arithmetic), ("logits", geometric)):
        answers = Teacher(logits=vs, weights=weights, average=average).answers(X)
        np.testing.assert_allclose(answers.probabilities(T), expected, rtol=1e-9)
        values, form = answers.for_engine(T, K)
        at_T = values if form == "probabilities" else softmax(values / T)
        np.testing.assert_allclose(at_T, expected, rtol=1e-9)
    assert np.abs(arithmetic - geometric).max() > 0.01


def test_absent_teachers_are_left_out_row_by_row() -> None:
    p, q = softmax(logits(6)), softmax(logits(7))
    p[3] = q[5] = np.nan
    p[9] = q[9] = np.nan
    with pytest.raises(ValueError, match=r"row 3 holds NaN \(2 of 150 rows\)"):
        Teacher(proba=[p, q]).answers(X)
    answers = Teacher(proba=[p, q], weights=[3, 1], missing="absent").answers(X)
    mean = answers.probabilities()
    np.testing.assert_allclose(mean[3], q[3])
    np.testing.assert_allclose(mean[5], p[5])
    np.testing.assert_allclose(mean[0], 0.75 * p[0] + 0.25 * q[0])
    assert np.isnan(mean[9]).all()
    assert np.flatnonzero(answers.absent).tolist() == [9]


# --- out of fold -----------------------------------------------------------------------------------------------------


def test_no_row_is_answered_by_a_copy_that_has_seen_it() -> None:
    noise = np.random.default_rng(0).integers(0, 3, N)  # nothing to learn: memory alone would be right
    memory = KNeighborsClassifier(1)
    right = Teacher(memory).answers_for_training(X, noise).probabilities().argmax(axis=1) == noise
    assert right.mean() < 0.6
    with pytest.warns(UserWarning, match="over-confident"):
        seen = Teacher(clone(memory).fit(X, noise)).answers_for_training(X, noise)
    assert (seen.probabilities().argmax(axis=1) == noise).mean() > 0.9


def test_out_of_fold_answers_are_those_of_stratified_folds() -> None:
    model = LogisticRegression(max_iter=500)
    found = Teacher(model, folds=4, random_state=7).answers_for_training(X, y).probabilities()
    for fit, ask in StratifiedKFold(4, shuffle=True, random_state=7).split(X, y):
        expected = clone(model).fit(X[fit], y[fit]).predict_proba(X[ask])
        np.testing.assert_allclose(found[ask], expected, rtol=1e-12)


def test_other_rows_are_answered_by_the_mean_of_the_copies() -> None:
    teacher = Teacher(LogisticRegression(max_iter=500), folds=3)
    with pytest.raises(ValueError, match="not fitted"):
        teacher.answers(X)
    teacher.answers_for_training(X, y)
    expected = 0.0
    for fit, _ in StratifiedKFold(3, shuffle=True, random_state=0).split(X, y):
        expected = expected + LogisticRegression(max_iter=500).fit(X[fit], y[fit]).predict_proba(X[:7] + 0.1) / 3
    np.testing.assert_allclose(teacher.answers(X[:7] + 0.1).probabilities(), expected, rtol=1e-12)


def test_rows_that_a_teacher_was_trained_on_are_refused() -> None:
    model = LogisticRegression(max_iter=500).fit(X[:100], y[:100])
    with pytest.raises(ValueError, match=r"trained on 20 of these 50 rows.*out_of_fold=True"):
        Teacher(model, trained_on=X[:100]).answers_for_training(X[80:130], y[80:130])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        repeats = np.isin(X[100:].view("S32"), X[:100].view("S32")).ravel()  # iris has equal rows
        fresh = X[100:][~repeats]
        Teacher(model, trained_on=X[:100]).answers_for_training(fresh)
        Teacher(model, out_of_fold=False).answers_for_training(X)
        crossed = Teacher(model, trained_on=X[:100], out_of_fold=True).answers_for_training(X, y)
    assert (crossed.probabilities().argmax(axis=1) == y).mean() > 0.9


def test_a_class_too_rare_for_a_fold_is_never_guessed_there() -> None:
    labels = y.copy()
    labels[labels == 2] = 0
    labels[:2] = 2
    answers = Teacher(KNeighborsClassifier(3), folds=5).answers_for_training(X, labels)
    assert answers.shape == (N, 3)
    np.testing.assert_allclose(answers.probabilities().sum(axis=1), 1)


def test_what_cannot_be_fitted_says_so() -> None:
    booster = pygbt.train({"objective": "softmax", "n_classes": 3}, pygbt.Dataset(X, y), 2)
    with pytest.raises(TypeError, match="fits copies of the teacher, but Booster is no estimator"):
        Teacher(booster, out_of_fold=True)
    with pytest.raises(ValueError, match="needs labels: pass y"):
        Teacher(LogisticRegression()).answers_for_training(X)


# --- batches ---------------------------------------------------------------------------------------------------------


class Faulty:
    """A function of rows that raises at some call."""

    def __init__(self, fails_at: int) -> None:
        self.fails_at = fails_at
        self.calls: list[int] = []

    def __call__(self, table: np.ndarray) -> np.ndarray:
        self.calls.append(len(table))
        if len(self.calls) == self.fails_at:
            raise ConnectionError("the line is dead")
        return softmax(table[:, :3])


@pytest.mark.parametrize("on_disk", [False, True])
def test_finished_batches_are_not_lost(on_disk: bool, tmp_path: Path) -> None:
    function = Faulty(4)
    options: dict[str, Any] = {
        "batch_size": 40,
        "cache_key": "iris",
        "cache": tmp_path / "answers" if on_disk else None,
    }
    teacher = Teacher(proba=function, **options)
    with pytest.raises(
        TeacherError, match=r"raised ConnectionError at rows 120 to 149 \(batch 4 of 4\).*3 finished"
    ) as raised:
        teacher.answers(X)
    assert raised.value.n_finished == 3
    assert raised.value.n_batches == 4
    assert isinstance(raised.value.__cause__, ConnectionError)
    again = Teacher(proba=function, **options) if on_disk else teacher
    np.testing.assert_allclose(again.answers(X).probabilities(), softmax(X[:, :3]))
    assert function.calls == [40, 40, 40, 30, 30]
    np.testing.assert_allclose(again.answers(X).probabilities(), softmax(X[:, :3]))
    assert len(function.calls) == 5


def test_a_teachers_own_value_error_is_a_teacher_error() -> None:
    def function(table: Any) -> Any:
        raise ValueError("no such column")

    with pytest.raises(TeacherError, match=r"ValueError.*no such column.*cache_key"):
        Teacher(proba=function).answers(X)


def test_files_are_found_by_content(tmp_path: Path) -> None:
    function = Faulty(0)
    teacher = Teacher(proba=function, cache=tmp_path, cache_key="one", batch_size=50)
    first = teacher.answers(X).probabilities()
    longer = np.vstack([X, X[:10] + 1])
    Teacher(proba=function, cache=tmp_path, cache_key="one", batch_size=50).answers(longer)
    assert function.calls == [50, 50, 50, 10]
    Teacher(proba=function, cache=tmp_path, cache_key="two", batch_size=50).answers(X)
    assert len(function.calls) == 7
    for file in tmp_path.iterdir():
        assert not file.name.endswith(".tmp")
        file.write_bytes(file.read_bytes()[:-3])  # a damaged file is asked for again
    found = Teacher(proba=function, cache=tmp_path, cache_key="one", batch_size=50).answers(X).probabilities()
    assert len(function.calls) == 10
    np.testing.assert_array_equal(found, first)


def test_cached_folds_are_not_fitted_again(tmp_path: Path) -> None:
    class Counting(LogisticRegression):
        fits = 0

        def fit(self, *args: Any, **kwargs: Any) -> Any:
            Counting.fits += 1
            return super().fit(*args, **kwargs)

    def answers() -> np.ndarray:
        return Teacher(Counting(max_iter=500), cache=tmp_path).answers_for_training(X, y).probabilities()

    Counting.__module__ = __name__
    globals()["Counting"] = Counting  # so that it can be pickled, by which it is known again
    Counting.__qualname__ = "Counting"
    first = answers()
    assert Counting.fits == 5
    np.testing.assert_array_equal(answers(), first)
    assert Counting.fits == 5


def test_a_bar_is_shown_only_where_it_takes_long(capsys: pytest.CaptureFixture[str]) -> None:
    Teacher(proba=lambda t: softmax(t[:, :3]), batch_size=1).answers(X)
    assert capsys.readouterr().err == ""


# --- what is wrong is said -------------------------------------------------------------------------------------------


def test_probabilities_must_be_probabilities() -> None:
    p = softmax(logits(8))
    bad = p.copy()
    bad[11] *= 1.1
    with pytest.raises(ValueError, match=r"row 11 sums to 1\.1.*1 of 150 rows"):
        Teacher(proba=bad).answers(X)
    with pytest.raises(ValueError, match=r"no probability; pass logits="):
        Teacher(proba=np.log(p)).answers(X)
    with pytest.raises(ValueError, match="infinite"):
        Teacher(logits=np.where(p > 0.5, np.inf, 0)).answers(X)
    half = p.astype(np.float16)
    np.testing.assert_allclose(Teacher(proba=half).answers(X).probabilities().sum(axis=1), 1, rtol=1e-12)


def test_wrong_numbers_of_rows_and_columns() -> None:
    p = softmax(logits(9))
    with pytest.raises(ValueError, match=r"array of 150 rows, but was asked about 10"):
        Teacher(proba=p).answers(X[:10])
    with pytest.raises(ValueError, match=r"has 3 columns, but there are 4 classes"):
        Teacher(proba=p, classes=[0, 1, 2, 3]).answers(X)
    with pytest.raises(ValueError, match=r"different numbers of columns: \[3, 2\]"):
        Teacher(proba=[p, softmax(p[:, :2])]).answers(X)
    with pytest.raises(ValueError, match="has 4 rows, but X has 150"):
        Teacher(proba=lambda table: p[:4]).answers(X)


@pytest.mark.parametrize(
    "options, message",
    [
        ({}, "give one of model, proba, logits and scores, got none"),
        ({"proba": np.ones((3, 1)), "scores": np.ones(3)}, "got proba, scores"),
        ({"proba": np.ones((3, 1)), "average": "mean"}, "average must be one of"),
        ({"proba": np.ones((3, 1)), "missing": "drop"}, "missing must be one of"),
        ({"proba": np.ones((3, 1)), "weights": [1, 2]}, "weights must hold 1 numbers"),
        ({"proba": np.ones((3, 1)), "batch_size": 0}, "batch_size must be"),
        ({"proba": np.ones((3, 1)), "folds": 1}, "folds must be"),
        ({"proba": np.ones((3, 1)), "out_of_fold": 3}, "out_of_fold must be"),
        ({"proba": np.ones((3, 1)), "classes": [1, 1]}, "classes must be"),
        ({"model": np.sum}, "say what it returns"),
        ({"model": LinearSVC()}, "without predict_proba"),
        ({"model": [LogisticRegression(), LinearRegression()]}, "must all answer classes"),
    ],
)
def test_bad_arguments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Teacher(**options)


def test_a_custom_objective_does_not_say_what_it_is() -> None:
    booster = pygbt.train({}, pygbt.Dataset(X, y), 2, objective=lambda m, d: (m - y, np.ones_like(m)))
    with pytest.raises(ValueError, match="custom objective"):
        Teacher(booster)
    with pytest.raises(TypeError, match="predict_proba or predict"):
        Teacher(object())


class Alphabet(ClassifierMixin, BaseEstimator):
    """Knows other classes."""

    classes_ = np.array(["a", "b", "c"])

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.full((len(X), 3), 1 / 3)


def test_teachers_of_different_classes() -> None:
    model = LogisticRegression(max_iter=500).fit(X, y)
    with pytest.raises(ValueError, match="know different classes"):
        Teacher([model, Alphabet()], out_of_fold=False).answers(X)
