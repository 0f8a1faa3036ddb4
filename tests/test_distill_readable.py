# SPDX-License-Identifier: Apache-2.0
"""Readable students: one tree, one list of rules, and their fidelity on rows they have not seen."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_breast_cancer, load_diabetes

import pygbt
from pygbt.distill import Teacher, readable, soft_rows
from pygbt.distill.selection import held_out_parts
from pygbt.tree import CARTClassifier

X, y = load_breast_cancer(return_X_y=True, as_frame=True)
NAMES = np.array(["malignant", "benign"])[y]


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return Teacher(pygbt.GBTClassifier(n_estimators=30), folds=3)


def test_a_tree_with_its_fidelity(teacher: Teacher) -> None:
    found = readable(teacher, X, NAMES, max_leaves=5)
    assert found.model.get_n_leaves() <= 5
    assert found.fidelity_["n_leaves"] == found.model.get_n_leaves()
    text = str(found)
    assert "worst" in text
    assert f"{found.fidelity_['agreement']:.1%} of the rows as the teacher, on rows held out" in text
    assert set(found.predict(X)) <= set(NAMES)
    # fidelity by hand
    p = teacher.answers_for_training(X, NAMES).probabilities()
    held = held_out_parts(y.to_numpy().astype(float) * -1 + 1, len(X), 0.2, 0, classify=True)[0]
    rest = np.setdiff1d(np.arange(len(X)), held)
    rows, codes, weight = soft_rows(p[rest])
    tree = CARTClassifier(min_split=14, min_bucket=7, cp=0.0, max_leaves=5)
    tree.fit(X.iloc[rest].iloc[rows], np.array(["benign", "malignant"])[codes], weight)
    agreement = (tree.predict_proba(X.iloc[held]).argmax(axis=1) == p[held].argmax(axis=1)).mean()
    assert found.fidelity_["agreement"] == pytest.approx(agreement, abs=0.03)


def test_rules_with_their_fidelity(teacher: Teacher) -> None:
    found = readable(teacher, X, NAMES, kind="rules", min_bucket=10)
    assert found.fidelity_["n_rules"] == len(found.rules)
    assert found.fidelity_["agreement"] > 0.85
    assert found.fidelity_["accuracy"] > 0.85
    assert (found.predict(X) == found.rules.predict(X)).all()
    assert "default: " in str(found)
    with pytest.raises(AttributeError, match="rules name a class"):
        found.predict_proba(X)


def test_without_labels_and_of_values() -> None:
    booster = pygbt.train({"objective": "logistic", "num_boost_round": 20}, pygbt.Dataset(X[:300], y[:300]))
    found = readable(Teacher(booster, trained_on=X[:300]), X[300:], max_leaves=4)
    assert "accuracy" not in found.fidelity_
    assert found.predict_proba(X).shape == (569, 2)
    table, target = load_diabetes(return_X_y=True)
    values = readable(Teacher(pygbt.GBTRegressor(n_estimators=20)), table, target, max_leaves=6)
    assert 0.3 < values.fidelity_["agreement"] < 1.0
    assert "of the variance of the teacher's values" in str(values)
    with pytest.raises(ValueError, match="names classes"):
        readable(Teacher(pygbt.GBTRegressor()), table, target, kind="rules")
    with pytest.raises(ValueError, match="kind must be"):
        readable(booster, X, kind="forest")
