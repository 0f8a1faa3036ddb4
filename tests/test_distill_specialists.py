# SPDX-License-Identifier: Apache-2.0
"""Specialists: the combined distribution against its closed form and a minimiser, EM that never rises, sets, bias."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.datasets import load_digits

import pygbt
from pygbt.distill import Specialists, Teacher
from pygbt.distill.class_sets import class_sets, k_means, prediction_covariance
from pygbt.distill.specialist_inference import combine, objective
from pygbt.distill.specialists import reduced_margins

SIMPLEX = np.random.default_rng(0)


def shares(rng: np.random.Generator, n: int, k: int) -> np.ndarray:
    p = rng.gamma(0.7, size=(n, k)) + 1e-6
    return p / p.sum(axis=1, keepdims=True)


# --- inference -------------------------------------------------------------------------------------------------------


def test_one_active_specialist_in_closed_form() -> None:
    rng = np.random.default_rng(1)
    general, members = shares(rng, 40, 6), np.array([1, 2, 4])
    special = shares(rng, 40, 4)
    active = np.ones((40, 1), dtype=bool)
    active[7] = False
    q = combine(general, [members], [special], active)
    outside = [0, 3, 5]
    expected = general.copy()
    dustbin = general[:, outside].sum(axis=1)
    for k in range(6):
        if k in members:
            expected[:, k] = (general[:, k] + special[:, list(members).index(k)]) / 2
        else:
            expected[:, k] = general[:, k] * (dustbin + special[:, -1]) / (2 * dustbin)
    expected[7] = general[7]
    np.testing.assert_allclose(q, expected, rtol=1e-12)
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-12)


def test_several_specialists_reach_the_minimum() -> None:
    rng = np.random.default_rng(2)
    sets = [np.array([0, 1]), np.array([1, 2, 3]), np.array([3, 4])]
    general = shares(rng, 5, 6)
    special = [shares(rng, 5, len(members) + 1) for members in sets]
    active = np.array([[1, 1, 0], [1, 1, 1], [0, 1, 1], [1, 0, 1], [0, 0, 0]], dtype=bool)
    q = combine(general, sets, special, active, n_iterations=5000, tolerance=1e-14)
    for i in range(5):

        def loss(z: np.ndarray, i: int = i) -> float:
            e = np.exp(z - z.max())[None]
            row = slice(i, i + 1)
            return float(objective(e / e.sum(), general[row], sets, [s[row] for s in special], active[row])[0])

        found = minimize(loss, np.log(general[i]), method="BFGS", options={"gtol": 1e-9})
        assert objective(q, general, sets, special, active)[i] <= found.fun + 1e-8


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_no_step_raises_the_objective(seed: int) -> None:
    rng = np.random.default_rng(seed)
    k = int(rng.integers(3, 8))
    sets = [np.sort(rng.permutation(k)[: rng.integers(1, k)]) for _ in range(3)]
    general = shares(rng, 4, k)
    special = [shares(rng, 4, len(members) + 1) for members in sets]
    active = rng.random((4, 3)) < 0.7
    before = objective(general, general, sets, special, active)
    for steps in range(1, 8):
        q = combine(general, sets, special, active, n_iterations=steps, tolerance=0.0)
        after = objective(q, general, sets, special, active)
        assert (after <= before + 1e-12).all()
        before = after


# --- sets ------------------------------------------------------------------------------------------------------------


def test_covariance_is_exact_in_any_order() -> None:
    p = shares(np.random.default_rng(3), 500, 5)
    found = prediction_covariance(p)
    np.testing.assert_allclose(found, np.cov(p.T, bias=True), atol=1e-5)
    order = np.random.default_rng(4).permutation(500)
    assert prediction_covariance(p[order]).tobytes() == found.tobytes()


def test_clusters_are_found_and_numbered_alike() -> None:
    rng = np.random.default_rng(5)
    centres = np.array([[0.0, 0], [10, 0], [0, 10]])
    which = np.repeat([2, 0, 1], 8)
    cluster = k_means(centres[which] + rng.normal(0, 0.5, (24, 2)), 3)
    assert cluster.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert len(set(k_means(np.zeros((4, 2)), 3))) == 1


def test_classes_that_are_confused_share_a_set() -> None:
    rng = np.random.default_rng(6)
    groups = [[0, 3], [1, 4, 6], [2, 5]]
    p = np.full((3000, 7), 0.002)
    for i in range(3000):
        members = groups[i % 3]
        p[i, members] += rng.dirichlet(np.ones(len(members)))
    found = class_sets(p / p.sum(axis=1, keepdims=True), 3)
    assert sorted(members.tolist() for members in found) == groups


# --- models ----------------------------------------------------------------------------------------------------------

X, y = load_digits(return_X_y=True)
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
SMALL: dict[str, Any] = {"max_depth": 3, "num_boost_round": 12}


@pytest.fixture(scope="module")
def model() -> Specialists:
    return Specialists(SMALL, {"max_depth": 3, "num_boost_round": 20}, n_specialists=3).fit(X[:1200], NAMES[y[:1200]])


def test_specialists_help_where_they_are_called(model: Specialists) -> None:
    general = model.generalist_.predict(X[1200:])
    right = model.classes_[general.argmax(axis=1)] == NAMES[y[1200:]]
    assert model.score(X[1200:], NAMES[y[1200:]]) > right.mean() + 0.01
    p = model.predict_proba(X[1200:])
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-9)
    called = model.active(general).any(axis=1)
    np.testing.assert_allclose(p[~called], general[~called], atol=1e-6)
    again = clone(model).fit(X[:1200], NAMES[y[:1200]])
    assert [s.booster.digest() for s in again.specialists_] == [s.booster.digest() for s in model.specialists_]


def test_the_dustbin_has_the_others_mass_and_its_frequency_back(model: Specialists) -> None:
    margins = model.generalist_.predict(X[:50], "margin").astype(float)
    p = np.exp(margins) / np.exp(margins).sum(axis=1, keepdims=True)
    for specialist in model.specialists_:
        z = reduced_margins(margins, specialist.classes).astype(float)
        q = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        np.testing.assert_allclose(q[:, -1], 1 - p[:, specialist.classes].sum(axis=1), atol=1e-6)
        inside = np.isin(NAMES[y[:1200]], model.classes_[specialist.classes]).sum()
        drawn = min(inside, 1200 - inside)
        assert specialist.bias == pytest.approx(np.log((1200 - inside) / drawn))


def test_over_sampling_is_undone_by_the_bias() -> None:
    """A class set that the features say nothing about is called as often as it occurs."""
    rng = np.random.default_rng(7)
    labels = rng.choice(5, 4000, p=[0.05, 0.05, 0.3, 0.3, 0.3])
    noise = rng.normal(size=(4000, 2))
    found = Specialists({"max_depth": 2, "num_boost_round": 15}, sets=[[0, 1]], n_top=5).fit(noise, labels)
    margins = found.generalist_.predict(noise, "margin").astype(float)
    special = found.specialists_[0].predict_proba(noise, margins)
    assert abs(special[:, :2].sum(axis=1).mean() - 0.1) < 0.02


def test_it_is_a_teacher_and_becomes_one_model(model: Specialists) -> None:
    answers = Teacher(model, out_of_fold=False).answers(X[1200:])
    np.testing.assert_allclose(answers.probabilities(), model.predict_proba(X[1200:]), rtol=1e-9)
    assert answers.classes is not None
    assert answers.classes.tolist() == model.classes_.tolist()
    student = {"max_depth": 3, "num_boost_round": 15, "multi_strategy": "vector_leaf", "learning_rate": 0.3}
    one = model.distill(student, X[:1200], NAMES[y[:1200]], T=2, alpha=0.7, report=False)
    assert isinstance(one.model, pygbt.Booster)
    assert (one.predict(X[1200:]) == NAMES[y[1200:]]).mean() > 0.8
    same = model.distill(student, X[1200:], T=1, report=False, out_of_fold=False)
    assert same.alpha_ == 1.0


@pytest.mark.parametrize(
    "options, labels, message",
    [
        ({"generalist": {"objective": "logistic"}}, y, "objective='softmax'"),
        ({"sets": [[0, 17]]}, y, r"labels that y does not: \[17\]"),
        ({"sets": [[3]]}, y, "at least two of the classes"),
        ({"n_specialists": 0}, y, "n_specialists must be"),
        ({}, y > 4, "specialists need at least three"),
        ({}, y[:5], "y must have shape"),
    ],
)
def test_bad_arguments(options: dict[str, Any], labels: np.ndarray, message: str) -> None:
    given = {"generalist": {"num_boost_round": 1, "max_depth": 1}, "folds": 1} | options
    with pytest.raises(ValueError, match=message):
        Specialists(**given).fit(X, labels)


def test_margins_of_a_generalist_alone() -> None:
    assert isinstance(Specialists(SMALL, folds=1).fit(X[:400], y[:400]).generalist_, pygbt.Booster)
