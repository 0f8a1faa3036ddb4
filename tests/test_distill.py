# SPDX-License-Identifier: Apache-2.0
"""distill: what reaches the student, what is chosen, budgets that are never exceeded, the report, clear errors."""

from __future__ import annotations

import json
import logging
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")

from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import pygbt
from pygbt.distill import KD, Budget, Distilled, Teacher, distill, munge
from pygbt.distill.fidelity import calibration_error, class_measures
from pygbt.distill.folds import fold_rows
from pygbt.distill.footprint import count_leaves, file_bytes
from pygbt.distill.selection import held_out_parts
from pygbt.ensemble import RandomForestClassifier
from pygbt.tree import C45Classifier, CARTClassifier, CARTRegressor

X, y = load_digits(return_X_y=True)
X, X_TEST, y, y_test = X[:900] / 16, X[900:] / 16, y[:900], y[900:]
SMALL: dict[str, Any] = {"max_depth": 3, "num_boost_round": 8, "learning_rate": 0.3}
VECTOR = SMALL | {"multi_strategy": "vector_leaf", "grow_policy": "lossguide", "max_leaves": 12, "max_depth": 0}


@pytest.fixture(scope="module")
def answers() -> np.ndarray:
    """Logits of a teacher, out of fold."""
    teacher = Teacher(LogisticRegression(max_iter=400, C=0.3), folds=3)
    return teacher.answers_for_training(X, y).logits()


def softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


# --- what reaches a booster ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("T, alpha", [(1.0, 0.5), (4.0, 0.9)])
def test_a_booster_is_trained_on_the_engines_own_loss(answers: np.ndarray, T: float, alpha: float) -> None:
    found = distill(Teacher(logits=answers), VECTOR, X, y, T=T, alpha=alpha, report=False)
    params = VECTOR | {"objective": "softmax", "n_classes": 10} | KD(T, alpha).params()
    by_hand = pygbt.train(params, pygbt.Dataset(X, y, teacher=answers, teacher_form="logits"))
    assert found.model.digest() == by_hand.digest()
    assert (found.T_, found.alpha_) == (T, alpha)
    np.testing.assert_allclose(found.predict_proba(X_TEST), by_hand.predict(X_TEST), atol=1e-6)
    assert found.trials_ == []


def test_alpha_zero_and_hard_teachers_are_the_plain_booster(answers: np.ndarray) -> None:
    plain = pygbt.train(VECTOR | {"objective": "softmax", "n_classes": 10}, pygbt.Dataset(X, y)).digest()
    assert distill(Teacher(logits=answers), VECTOR, X, y, T=1, alpha=0, report=False).model.digest() == plain
    hard = Teacher(proba=np.eye(10)[y])
    assert distill(hard, VECTOR, X, y, T=1, alpha=0.6, report=False).model.digest() == plain


def test_estimators_come_back_fitted(answers: np.ndarray) -> None:
    names = np.array([f"digit {k}" for k in range(10)])
    student = pygbt.GBTClassifier(n_estimators=8, max_depth=3, learning_rate=0.3)
    found = distill(Teacher(logits=answers), student, X, names[y], T=2, alpha=0.8, report=False)
    same = distill(Teacher(logits=answers), SMALL, X, y, T=2, alpha=0.8, report=False)
    assert found.model.booster_.digest() == same.model.digest()
    assert not hasattr(student, "booster_")
    assert found.model.classes_.tolist() == names.tolist()
    assert (found.model.predict(X_TEST) == found.predict(X_TEST)).all()
    assert found.model.score(X_TEST, names[y_test]) > 0.8
    assert found.model.n_features_in_ == 64


def test_two_classes_have_one_margin() -> None:
    table, labels = load_breast_cancer(return_X_y=True)
    teacher = Teacher(pygbt.GBTClassifier(n_estimators=10), folds=3)
    found = distill(teacher, SMALL, table, labels, T=2, alpha=0.7, report=False)
    assert found.model.objective == "logistic"
    v = teacher.answers_for_training(table, labels).logits()
    ds = pygbt.Dataset(table, labels, teacher=v[:, 1] - v[:, 0], teacher_form="logits")
    by_hand = pygbt.train(SMALL | {"objective": "logistic"} | KD(2, 0.7).params(), ds)
    assert found.model.digest() == by_hand.digest()
    np.testing.assert_allclose(found.predict_proba(table)[:, 1], by_hand.predict(table))


def test_values_are_blended() -> None:
    table, target = load_diabetes(return_X_y=True)
    teacher = Teacher(LinearRegression(), folds=4)
    found = distill(teacher, SMALL, table, target, alpha=0.6, report=False)
    t = teacher.answers_for_training(table, target).values()[:, 0]
    blended = pygbt.train(SMALL, pygbt.Dataset(table, 0.6 * t + 0.4 * target))
    np.testing.assert_allclose(found.predict(table), blended.predict(table), rtol=1e-4)
    regressor = distill(teacher, pygbt.GBTRegressor(n_estimators=8), table, target, alpha=0.6, report=False)
    assert regressor.model.score(table, target) > 0.3
    assert distill(teacher, CARTRegressor(), table, target, alpha=1.0, report=False).predict(table).shape == (442,)


@pytest.mark.parametrize("match", ["logits", "probabilities"])
def test_other_matches(answers: np.ndarray, match: str) -> None:
    found = distill(Teacher(logits=answers), VECTOR, X, y, match=match, alpha=0.5, report=False)
    assert found.T_ == 1.0
    params = VECTOR | {"objective": "softmax", "n_classes": 10} | KD(1.0, 0.5, match).params()
    by_hand = pygbt.train(params, pygbt.Dataset(X, y, teacher=answers, teacher_form="logits"))
    assert found.model.digest() == by_hand.digest()


def test_a_mean_of_softmaxes_reaches_the_engine_at_its_temperature(answers: np.ndarray) -> None:
    other = answers[:, ::-1] / 2
    found = distill(Teacher(logits=[answers, other]), VECTOR, X, y, T=4, alpha=1.0, report=False)
    q = (softmax(answers / 4) + softmax(other / 4)) / 2
    by_hand = distill(Teacher(logits=4 * np.log(q)), VECTOR, X, y, T=4, alpha=1.0, report=False)
    np.testing.assert_allclose(found.predict_proba(X_TEST), by_hand.predict_proba(X_TEST), atol=1e-6)


# --- the transfer set ------------------------------------------------------------------------------------------------


def test_unlabeled_and_synthetic_rows() -> None:
    teacher = Teacher(LogisticRegression(max_iter=400, C=0.3).fit(X, y), out_of_fold=False)
    more = X_TEST[:100]
    found = distill(
        teacher, VECTOR, X, y, unlabeled=more, augment={"size_factor": 0.5, "p": 0.3}, T=2, alpha=0.5, report=False
    )
    assert found.n_rows_ == {"labeled": 900, "unlabeled": 100, "synthetic": 450}
    table = np.vstack([X, more, munge(X, 0.5, p=0.3)])
    labels = np.concatenate([y, np.full(550, np.nan)])
    everything = teacher.answers(table).logits()
    by_hand = distill(Teacher(logits=everything), VECTOR, table, labels, T=2, alpha=0.5, report=False)
    np.testing.assert_allclose(found.predict_proba(X_TEST), by_hand.predict_proba(X_TEST), atol=1e-6)


def test_an_array_speaks_for_the_rows_of_both_tables(answers: np.ndarray) -> None:
    found = distill(Teacher(logits=answers), VECTOR, X[:600], y[:600], unlabeled=X[600:], T=1, alpha=0.5, report=False)
    labels = np.where(np.arange(900) < 600, y, np.nan)
    same = distill(Teacher(logits=answers), VECTOR, X, labels, T=1, alpha=0.5, report=False)
    assert found.model.digest() == same.model.digest()
    with pytest.raises(ValueError, match="cannot be asked about new rows"):
        distill(Teacher(logits=answers), VECTOR, X, y, augment=1.0)


def test_without_labels_the_teacher_is_all(answers: np.ndarray) -> None:
    found = distill(Teacher(logits=answers), VECTOR, X)
    assert found.alpha_ == 1.0
    assert found.report_ is not None
    assert set(found.report_.measures) == {"distilled", "teacher"}
    assert found.report_.measures["distilled"]["agreement"] > 0.7
    assert "accuracy" not in found.report_.measures["distilled"]
    with pytest.raises(ValueError, match="without labels"):
        distill(Teacher(logits=answers), VECTOR, X, alpha=0.5)


def test_frames_with_categories() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=300), "c": pd.Categorical(rng.choice(["x", "y", "z"], 300))})
    labels = np.where((frame["a"] > 0) ^ (frame["c"] == "x"), "yes", "no")
    more = pd.DataFrame({"a": rng.normal(size=50), "c": pd.Categorical(rng.choice(["y", "w"], 50))})
    teacher = Teacher(pygbt.GBTClassifier(n_estimators=20, max_depth=3), folds=3)
    found = distill(
        teacher, SMALL, frame, labels, unlabeled=more, augment=1.0, T=1, alpha=0.5, eval_set=(frame, labels)
    )
    assert (found.predict(frame) == labels).mean() > 0.9
    assert found.report_ is not None
    with pytest.raises(ValueError, match="unlabeled has the column 'b' where X has 'a'"):
        distill(teacher, SMALL, frame, labels, unlabeled=more.rename(columns={"a": "b"}))
    with pytest.raises(ValueError, match="unlabeled has 1 columns, but X has 2"):
        distill(teacher, SMALL, frame, labels, unlabeled=more[["a"]])
    with pytest.raises(ValueError, match="column 'c' is float64"):
        distill(teacher, SMALL, frame, labels, unlabeled=more.assign(c=1.0))


# --- choices ---------------------------------------------------------------------------------------------------------


def test_settings_are_chosen_on_held_out_rows(answers: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    teacher = Teacher(logits=answers)
    with caplog.at_level(logging.INFO, "pygbt.distill"):
        found = distill(teacher, VECTOR, X, y)
    assert [(t.T, t.alpha) for t in found.trials_] == [
        *((T, 0.7) for T in (1.0, 2.0, 4.0, 8.0)),
        *((found.T_, alpha) for alpha in (0.0, 0.3, 0.5, 0.9, 1.0)),
    ]
    best = min(found.trials_, key=lambda t: t.score)
    assert (best.T, best.alpha) == (found.T_, found.alpha_)
    assert found.trials_frame().iloc[0]["score"] == best.score
    again = distill(teacher, VECTOR, X, y)
    assert [t.score for t in again.trials_] == [t.score for t in found.trials_]
    assert again.model.digest() == found.model.digest()
    assert f"alpha={found.alpha_:g} is the weight of the SOFT part" in caplog.text


def test_lists_are_tried_in_full_and_folds_are_averaged(answers: np.ndarray) -> None:
    found = distill(Teacher(logits=answers), VECTOR, X, y, T=[1, 3], alpha=[0.2, 1], validation=2, report=False)
    assert [(t.T, t.alpha) for t in found.trials_] == [(1, 0.2), (1, 1), (3, 0.2), (3, 1)]
    scores = []
    for fit, held in fold_rows(y.astype(float), 2, 0, classify=True):
        part = distill(Teacher(logits=answers[fit]), VECTOR, X[fit], y[fit], T=3, alpha=1, report=False)
        scores.append(class_measures(part.predict_proba(X[held]), y[held], None)["log_loss"])
    assert found.trials_[3].score == pytest.approx(np.mean(scores), rel=1e-6)


def test_trees_have_no_temperature(answers: np.ndarray) -> None:
    found = distill(Teacher(logits=answers), CARTClassifier(max_leaves=20, cp=0), X, y, report=False)
    assert {t.T for t in found.trials_} == {1.0}
    with pytest.raises(ValueError, match="leaves of CARTClassifier are means of targets"):
        distill(Teacher(logits=answers), CARTClassifier(), X, y, T=2)
    with pytest.raises(ValueError, match="match='logits' has no temperature"):
        distill(Teacher(logits=answers), VECTOR, X, y, T=2, match="logits")


# --- budgets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "student",
    [
        SMALL | {"num_boost_round": 20},
        VECTOR | {"num_boost_round": 40},
        pygbt.GBTClassifier(n_estimators=20),
        RandomForestClassifier(n_estimators=30, random_state=0),
        CARTClassifier(cp=0, min_split=2),
        ExtraTreesClassifier(10, random_state=0),
    ],
    ids=["classes", "vector", "estimator", "forest", "tree", "theirs"],
)
@pytest.mark.parametrize("budget", [{"trees": 10}, {"leaves": 120}, {"trees": 30, "bytes": 30_000}])
def test_budgets_are_never_exceeded(answers: np.ndarray, student: Any, budget: dict[str, int]) -> None:
    if isinstance(student, ExtraTreesClassifier) and "bytes" in budget:
        with pytest.raises(ValueError, match="cannot be cut"):
            distill(Teacher(logits=answers), student, X, y, T=1, alpha=0.5, budget=budget, report=False)
        return
    found = distill(Teacher(logits=answers), student, X, y, T=1, alpha=0.5, budget=budget, report=False)
    trees, leaves = count_leaves(found.model)
    assert trees is not None
    assert leaves is not None
    assert 1 <= trees <= budget.get("trees", trees)
    assert leaves <= budget.get("leaves", leaves)
    size = file_bytes(found.model)
    assert size is not None
    assert size <= budget.get("bytes", size)
    assert (found.predict(X) == y).mean() > 0.3
    if "leaves" in budget:
        assert leaves > 60  # and most of it is used


def test_a_budget_of_time(answers: np.ndarray) -> None:
    found = distill(Teacher(logits=answers), VECTOR | {"num_boost_round": 200}, X, y, T=1, alpha=1, report=False)
    whole = Budget(microseconds=1e9).problems(found.model, found.model.predict, X)
    assert whole == []
    short = Budget(microseconds=1e-6).problems(found.model, found.model.predict, X)
    assert "microseconds a row of 1e-06" in short[0]
    with pytest.raises(ValueError, match="one round"):
        distill(Teacher(logits=answers), VECTOR, X, y, T=1, alpha=1, budget={"microseconds": 1e-6}, report=False)


def test_budgets_that_cannot_be_met(answers: np.ndarray) -> None:
    teacher = Teacher(logits=answers)
    with pytest.raises(ValueError, match="vector_leaf"):
        distill(teacher, SMALL, X, y, T=1, alpha=1, budget={"trees": 5})
    with pytest.raises(ValueError, match="less than 2 for each of 10 trees"):
        distill(teacher, SMALL, X, y, T=1, alpha=1, budget={"leaves": 15})
    with pytest.raises(ValueError, match="a tree of two leaves is more than"):
        distill(teacher, CARTClassifier(), X, y, alpha=1, budget={"bytes": 100})
    with pytest.raises(ValueError, match="C45Classifier needs .* cannot be cut"):
        distill(teacher, C45Classifier(), X, y, alpha=1, budget={"leaves": 5})
    for bad in ({"trees": 0}, {"leaves": 1.5}, {"microseconds": -1}, {"megabytes": 3}):
        with pytest.raises(ValueError, match="budget"):
            Budget.of(bad)
    with pytest.raises(TypeError, match="budget must be"):
        Budget.of(30)


# --- the report ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reported() -> Distilled:
    teacher = Teacher(ExtraTreesClassifier(60, random_state=0), folds=3)
    return distill(teacher, VECTOR, X, y, T=[1, 2], alpha=0.8, eval_set=(X_TEST, y_test))


def test_the_report_has_the_three_models(reported: Distilled) -> None:
    report = reported.report_
    assert report is not None
    assert list(report.measures) == ["alone", "distilled", "teacher"]
    p = reported.predict_proba(X_TEST)
    own = report.measures["distilled"]
    assert own["accuracy"] == pytest.approx((p.argmax(axis=1) == y_test).mean())
    assert own["log_loss"] == pytest.approx(-np.log(p[np.arange(len(p)), y_test]).mean())
    assert own["leaves"] == count_leaves(reported.model)[1]
    assert own["bytes"] == file_bytes(reported.model)
    plain = pygbt.train(VECTOR | {"objective": "softmax", "n_classes": 10}, pygbt.Dataset(X, y)).predict(X_TEST)
    alone = report.measures["alone"]
    assert alone["accuracy"] == pytest.approx((plain.argmax(axis=1) == y_test).mean())
    teacher = report.measures["teacher"]
    expected = (alone["log_loss"] - own["log_loss"]) / (alone["log_loss"] - teacher["log_loss"])
    assert report.gap_closed["log_loss"] == pytest.approx(expected)
    assert teacher["trees"] == 180
    for model in report.measures.values():
        assert model["microseconds"] > 0
        assert model["microseconds_alone"] > 0


def test_the_report_as_text_numbers_and_picture(reported: Distilled, tmp_path: Any) -> None:
    report = reported.report_
    assert report is not None
    text = str(report)
    assert "weight of the SOFT part" in text
    assert "student alone  student distilled" in text
    assert "897 rows of eval_set" in text
    found = json.loads(json.dumps(report.to_dict()))
    assert found["alpha_weights"] == "the soft part"
    assert found["measures"]["teacher"]["accuracy"] == report.measures["teacher"]["accuracy"]
    frame = report.to_frame()
    assert list(frame.columns) == ["alone", "distilled", "teacher", "gap_closed"]
    assert frame.loc["kl", "distilled"] > 0
    pytest.importorskip("matplotlib")
    figure = report.draw(tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 10_000
    assert len(figure.axes) == 4


def test_held_out_rows_are_judged_by_a_model_that_has_not_seen_them(answers: np.ndarray) -> None:
    found = distill(Teacher(logits=answers), VECTOR, X, y, T=1, alpha=0.5, validation=0.25)
    assert found.report_ is not None
    assert "held out (models here are trained on the others)" in found.report_.rows
    assert found.report_.measures["distilled"]["accuracy"] < 0.97


def test_calibration_error_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.65, 0.35]])
    codes = np.array([0, 1, 1, 1])
    assert calibration_error(codes, p) == pytest.approx(
        0.5 * abs(0.9 - 0.5) + 0.5 * abs(0.625 - 0.5)
    )  # 0.6 and 0.65 share a bin


# --- what is wrong is said -------------------------------------------------------------------------------------------


def test_bad_arguments(answers: np.ndarray) -> None:
    teacher = Teacher(logits=answers)
    bad: list[tuple[dict[str, Any], str]] = [
        ({"T": 0}, r"T must lie in \(0"),
        ({"T": "best"}, 'T must be "auto"'),
        ({"alpha": 1.5}, r"alpha must lie in \[0, 1\]"),
        ({"match": "features"}, "match must be one of"),
        ({"validation": 1}, "at least 2 folds"),
        ({"validation": 1.5}, "validation must be a share"),
        ({"sample_weight": np.ones(5)}, "sample_weight must hold 900"),
        ({"eval_set": X}, "eval_set must be a pair"),
        ({"classes": [0, 1, 2]}, "answers with 10 columns, but there are 3 classes"),
    ]
    for options, message in bad:
        with pytest.raises(ValueError, match=message):
            distill(teacher, VECTOR, X, y, **options)
    with pytest.raises(ValueError, match="label 17, which is none of the teacher's classes"):
        distill(Teacher(logits=answers, classes=range(10)), VECTOR, X, np.where(y == 3, 17, y), T=1, alpha=1)
    with pytest.raises(ValueError, match="y has 5 rows, but X has 900"):
        distill(teacher, VECTOR, X, y[:5], T=1, alpha=1)
    with pytest.raises(TypeError, match="student must be a dictionary"):
        distill(teacher, CARTClassifier, X, y)
    with pytest.raises(ValueError, match="does not fit a teacher of 10 classes"):
        distill(teacher, {"objective": "logistic"}, X, y, T=1, alpha=1)
    with pytest.raises(ValueError, match="takes no sample_weight"):
        distill(teacher, KNeighborsClassifier(), X, y, alpha=1)
    with pytest.raises(ValueError, match="max_bin: options of Dataset"):
        distill(teacher, CARTClassifier(), X, y, max_bin=16)
    with pytest.raises(ValueError, match="pass these rows as unlabeled"):
        distill(Teacher(LogisticRegression()), VECTOR, X, np.where(y == 0, np.nan, y))


class Recorder(ClassifierMixin, BaseEstimator):
    """Knows which rows it was fitted on: their number is the first column."""

    fits: ClassVar[list[set[float]]] = []

    def fit(self, X: Any, y: Any) -> Recorder:
        self.classes_ = np.unique(y)
        Recorder.fits.append(set(X[:, 0]))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return np.full((len(X), len(self.classes_)), 1 / len(self.classes_))


def test_no_copy_that_teaches_a_trial_has_seen_the_held_out_labels() -> None:
    """Else the student learns them from the teacher, and the choice favours alpha = 1."""
    Recorder.fits.clear()
    table = np.column_stack([np.arange(300.0), X[:300]])
    distill(Teacher(Recorder(), folds=3), VECTOR, table, y[:300], T=1, alpha=[0.5, 1.0], augment=0.5)
    held = set(held_out_parts(y[:300].astype(float), 300, 0.2, 0, classify=True)[0].astype(float))
    assert len(Recorder.fits) == 6
    nested = [fit for fit in Recorder.fits if not fit & held]
    assert len(nested) == 3
    assert {len(fit) for fit in nested} == {160}
