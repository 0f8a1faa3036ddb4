# SPDX-License-Identifier: Apache-2.0
"""Soft targets of trees and forests: rows of probabilities are weighted, or repeated, hard rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.tree import DecisionTreeClassifier

from pygbt.distill import Teacher, distill, soft_rows
from pygbt.ensemble import RandomForestClassifier, RandomForestRegressor
from pygbt.tree import C45Classifier, CARTClassifier, CARTRegressor

X, y = load_iris(return_X_y=True)
FOREST = RandomForestClassifier(n_estimators=6, random_state=0, bootstrap=False)
STUDENTS = [CARTClassifier(min_split=8), C45Classifier(min_obj=5), FOREST]


def eighths(seed: int) -> np.ndarray:
    """Probabilities that are whole multiples of 1/8."""
    rng = np.random.default_rng(seed)
    q = np.zeros((len(X), 3))
    for _ in range(8):
        q[np.arange(len(X)), np.where(rng.random(len(X)) < 0.7, y, rng.integers(0, 3, len(X)))] += 0.125
    return q


def taught(student: Any, q: np.ndarray, labels: Any = None, **options: Any) -> Any:
    return distill(Teacher(proba=q), student, X, labels, report=False, **options).model


@pytest.mark.parametrize("student", STUDENTS, ids=lambda s: type(s).__name__)
def test_soft_rows_are_repeated_hard_rows(student: Any) -> None:
    """A row of weight 8 is eight copies with hard labels in these proportions; all limits count them alike."""
    q = eighths(0)
    repeats = (8 * q).astype(int).ravel()
    copies, labels = np.repeat(np.repeat(X, 3, axis=0), repeats, axis=0), np.repeat(np.tile([0, 1, 2], len(X)), repeats)
    by_hand = clone(student).fit(copies, labels)
    model = taught(student, q, sample_weight=np.full(len(X), 8.0))
    assert model.predict_proba(X).tobytes() == by_hand.predict_proba(X).tobytes()


@pytest.mark.parametrize("student", STUDENTS, ids=lambda s: type(s).__name__)
def test_hard_teachers_and_alpha_zero_are_the_plain_model(student: Any) -> None:
    plain = clone(student).fit(X, y).digest()
    assert taught(student, np.eye(3)[y]).digest() == plain
    assert taught(student, eighths(1), y, alpha=0.0).digest() == plain


def test_the_target_is_the_mixture() -> None:
    q = eighths(2)
    mixed = 0.75 * q + 0.25 * np.eye(3)[y]
    direct = taught(CARTClassifier(min_split=8), mixed)
    assert taught(CARTClassifier(min_split=8), q, y, alpha=0.75).digest() == direct.digest()
    regressor = taught(CARTRegressor(min_split=8), q, y, alpha=0.75)
    assert regressor.digest() == CARTRegressor(min_split=8).fit(X, mixed).digest()


def test_rows_without_a_label_or_a_teacher_take_the_other() -> None:
    q = eighths(3)
    labels = y.astype(float)
    labels[:20] = np.nan
    silent = q.copy()
    silent[100:] = np.nan
    expected = 0.5 * q + 0.5 * np.eye(3)[y]
    expected[:20], expected[100:] = q[:20], np.eye(3)[y[100:]]
    found = distill(Teacher(proba=silent, missing="absent"), CARTClassifier(), X, labels, alpha=0.5, report=False)
    rows, codes, weight = soft_rows(expected)
    by_hand = CARTClassifier().fit(X[rows], codes, weight)
    assert found.model.predict_proba(X).tobytes() == by_hand.predict_proba(X).tobytes()
    both = labels.copy()
    both[120] = np.nan
    with pytest.raises(ValueError, match="row 120 has neither a label nor a teacher"):
        distill(Teacher(proba=silent, missing="absent"), CARTClassifier(), X, both, alpha=0.5)


def test_soft_rows_weigh_what_the_row_weighs() -> None:
    q = eighths(4)
    weight = np.random.default_rng(0).random(len(q)) + 0.5
    rows, codes, shares = soft_rows(q, weight)
    np.testing.assert_allclose(np.bincount(rows, shares), weight)
    again = np.zeros_like(q)
    again[rows, codes] = shares / weight[rows]
    np.testing.assert_allclose(again, q)
    small = np.array([[1 - 1e-6, 1e-6]])
    assert [part.tolist() for part in soft_rows(small)] == [[0], [0], [1.0]]


@pytest.mark.parametrize(
    "student", [DecisionTreeClassifier(max_depth=3), RandomForestRegressor(n_estimators=4, random_state=0)]
)
def test_other_learners(student: Any) -> None:
    q = eighths(5)
    found = distill(Teacher(proba=q, classes=["a", "b", "c"]), student, X, report=False)
    p = found.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    assert (p >= 0).all()
    assert (found.predict(X) == np.array(["a", "b", "c"])[p.argmax(axis=1)]).all()


def test_a_forest_draws_as_many_rows_as_the_table_has() -> None:
    student = RandomForestClassifier(n_estimators=3, random_state=0)
    model = taught(student, eighths(6))
    assert model.max_samples is None
    assert model.get_params() == student.get_params()
    weights = [tree.cover[0] for tree in model.estimators_]
    assert max(weights) <= len(X) + 1
