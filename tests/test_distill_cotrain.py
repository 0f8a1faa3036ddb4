# SPDX-License-Identifier: Apache-2.0
"""Co-training and curriculum: the heavy model never sees the light one; every hint against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import GradientBoostingClassifier

import pygbt
from pygbt.distill import CoTrainingInterrupted, cotrain, curriculum
from pygbt.distill.curriculum import staged_margins
from pygbt.distill.hints import Hint, hint_gradient

X, y = load_digits(return_X_y=True)
X, y = X[:600], y[:600]
HEAVY: dict[str, Any] = {"objective": "softmax", "n_classes": 10, "max_depth": 5}
LIGHT: dict[str, Any] = {"objective": "softmax", "n_classes": 10, "max_depth": 2, "learning_rate": 0.2}


@pytest.fixture(scope="module")
def ds() -> pygbt.Dataset:
    return pygbt.Dataset(X, y)


@pytest.fixture(scope="module")
def alone(ds: pygbt.Dataset) -> dict[str, pygbt.Booster]:
    return {name: pygbt.train(params, ds, 12) for name, params in (("heavy", HEAVY), ("light", LIGHT))}


# --- laws ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"hint": "logits", "hint_weight": 0.1},
        {"hint": "probabilities", "hint_weight": 1.0},
        {"hint": "softmax", "hint_weight": 0.5, "T": 3.0},
        {"hint": "logits", "stem": 4},
        {"hint": "softmax", "every": 3},
        {"hint": "logits", "stem": 12},
    ],
)
def test_the_heavy_model_never_sees_the_light_one(ds: pygbt.Dataset, alone: Any, options: dict[str, Any]) -> None:
    both = cotrain(HEAVY, LIGHT, ds, 12, **options)
    assert both.heavy.digest() == alone["heavy"].digest()
    assert both.light.digest() != alone["light"].digest()
    stem, every = options.get("stem", 0), options.get("every", 1)
    assert both.light.n_iterations == stem + (12 - stem) // every
    if stem:
        assert both.light[:stem].digest() == both.heavy[:stem].digest()
    again = cotrain(HEAVY | {"n_threads": 1}, LIGHT | {"n_threads": 1}, ds, 12, **options)
    assert again.light.digest() == both.light.digest()


@pytest.mark.parametrize("objective", ["softmax", "logistic", "squared_error", "poisson"])
def test_without_weight_the_light_model_is_as_if_alone(objective: str) -> None:
    """Also says that the loss of the light model is the engine's, bit for bit."""
    table, labels = (X, y) if objective == "softmax" else load_breast_cancer(return_X_y=True)
    if objective in ("squared_error", "poisson"):
        table, labels = load_diabetes(return_X_y=True)
    weight = np.random.default_rng(0).integers(1, 4, len(labels))
    data = pygbt.Dataset(table, labels, weight=weight)
    params = {"objective": objective, "max_depth": 2} | ({"n_classes": 10} if objective == "softmax" else {})
    both = cotrain(params | {"max_depth": 5}, params, data, 8, hint_weight=0.0)
    assert both.light.digest() == pygbt.train(params, data, 8).digest()


def test_light_tree_uses_the_scores_after_the_heavy_tree(ds: pygbt.Dataset) -> None:
    """One round by hand, as a custom objective from the same start."""
    lam = 0.2
    both = cotrain(HEAVY, LIGHT, ds, 1, hint_weight=lam)
    after = both.heavy.predict(X, "margin").astype(np.float64)
    start = np.broadcast_to(both.light.base_score.astype(np.float64), after.shape)
    p = np.exp(start) / np.exp(start).sum(axis=1, keepdims=True)
    g = p - np.eye(10)[y] + 2 * lam * (start - after)
    h = np.maximum(p * (1 - p) * 10 / 9, 1e-16) + 2 * lam
    by_hand = pygbt.train(
        {"max_depth": 2, "learning_rate": 0.2, "n_classes": 10},
        pygbt.Dataset(X, np.eye(10)[y], base_margin=start),
        1,
        objective=lambda margins, data: (g, h),
    )
    np.testing.assert_allclose(
        by_hand.predict(X, "margin", base_margin=start), both.light.predict(X, "margin"), atol=2e-5
    )


def hint_loss(kind: str, z: np.ndarray, v: np.ndarray, weight: float, T: float) -> np.ndarray:
    def softmax(m: np.ndarray) -> np.ndarray:
        m = np.hstack([np.zeros_like(m), m]) if m.shape[1] == 1 else m
        e = np.exp(m - m.max(axis=1, keepdims=True))
        return e / e.sum(axis=1, keepdims=True)

    if kind == "logits":
        return weight * ((z - v) ** 2).sum(axis=1)
    if kind == "probabilities":
        return weight * ((softmax(z) - softmax(v)) ** 2).sum(axis=1)
    return -weight * T * T * (softmax(v / T) * np.log(softmax(z / T))).sum(axis=1)


@pytest.mark.parametrize("objective, k", [("softmax", 4), ("logistic", 1)])
@pytest.mark.parametrize("kind, T", [("logits", 1.0), ("probabilities", 1.0), ("softmax", 1.0), ("softmax", 4.0)])
def test_hint_gradients_by_finite_differences(objective: str, k: int, kind: str, T: float) -> None:
    rng = np.random.default_rng(1)
    z, v = rng.normal(0, 1.5, (2, 50, k)).astype(np.float32)
    g, h = hint_gradient(Hint(kind, 0.7, T), objective, z, v)
    step = 1e-5
    for c in range(k):
        up, down = z.astype(np.float64), z.astype(np.float64)
        up[:, c] += step
        down[:, c] -= step
        slope = (hint_loss(kind, up, v.astype(float), 0.7, T) - hint_loss(kind, down, v.astype(float), 0.7, T)) / (
            2 * step
        )
        np.testing.assert_allclose(g[:, c], slope, atol=2e-6, rtol=1e-4)
    assert (h > 0).all()
    if kind == "logits":
        np.testing.assert_allclose(h, 1.4)


def test_a_strong_hint_brings_the_light_model_near(ds: pygbt.Dataset, alone: Any) -> None:
    """At a learning rate near 1: a small one makes any follower lag behind a target that moves."""
    quick = LIGHT | {"learning_rate": 0.8}
    target = alone["heavy"].predict(X, "margin")

    def distance(model: pygbt.Booster) -> float:
        return float(((model.predict(X, "margin") - target) ** 2).mean())

    weak = cotrain(HEAVY, quick, ds, 12, hint_weight=0.03)
    strong = cotrain(HEAVY, quick, ds, 12, hint_weight=3.0)
    assert distance(strong.light) < 0.5 * distance(weak.light) < 0.5 * distance(pygbt.train(quick, ds, 12))


def test_both_are_scored_and_links_are_kept(ds: pygbt.Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    valid = pygbt.Dataset(X[:100], y[:100], reference=ds)
    both = cotrain(HEAVY, LIGHT, ds, 4, evals=[(valid, "valid")], metric=["mlogloss", "merror"], verbose_eval=2)
    for model in (both.heavy, both.light):
        assert model.objective == "softmax"
        assert {name: len(s) for name, s in model.evals_result["valid"].items()} == {"mlogloss": 4, "merror": 4}
        np.testing.assert_allclose(model.predict(X).sum(axis=1), 1, atol=1e-5)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:3] for line in lines] == ["[1]", "[3]"]
    assert "heavy: valid mlogloss" in lines[0]
    assert "light: valid mlogloss" in lines[0]


def test_interrupted_co_training_keeps_both(ds: pygbt.Dataset, alone: Any) -> None:
    rounds = []

    def metric(predictions: Any, data: Any) -> tuple[str, float]:
        rounds.append(0)
        if len(rounds) == 7:  # the heavy model's fourth round: the light one has three
            raise KeyboardInterrupt
        return "m", 0.0

    with pytest.raises(CoTrainingInterrupted) as stopped:
        cotrain(HEAVY, LIGHT, ds, 12, evals=[(ds, "train")], metric=metric)
    result = stopped.value.result
    assert result is not None
    assert (result.heavy.n_iterations, result.light.n_iterations) == (3, 3)
    assert result.heavy.digest() == alone["heavy"][:3].digest()


@pytest.mark.parametrize(
    "heavy, light, options, message",
    [
        (HEAVY, {"objective": "squared_error"}, {}, "same objective"),
        (HEAVY, LIGHT, {"hint": "features"}, "hint must be one of"),
        (HEAVY, LIGHT, {"T": 2.0}, 'T is the temperature of hint="softmax"'),
        (HEAVY, LIGHT, {"hint_weight": -1.0}, "hint_weight"),
        (HEAVY, LIGHT, {"stem": 20}, "stem=20 is more than"),
        (HEAVY, LIGHT, {"every": 0}, "every must be"),
        (HEAVY | {"num_boost_round": 3}, LIGHT, {}, "no parameter of co-training"),
        (
            {"objective": "squared_error"},
            {"objective": "squared_error"},
            {"hint": "softmax"},
            "compares class probabilities",
        ),
    ],
)
def test_bad_arguments(ds: pygbt.Dataset, heavy: Any, light: Any, options: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cotrain(heavy, light, ds, 12, **options)


def test_labels_are_needed() -> None:
    with pytest.raises(ValueError, match="no label"):
        cotrain(HEAVY, LIGHT, pygbt.Dataset(X), 3)


# --- curriculum ------------------------------------------------------------------------------------------------------


def test_stages_of_a_booster_are_its_slices(alone: Any) -> None:
    heavy = alone["heavy"]
    stages = [1, 1, 4, 9, 12]
    for stage, margins in zip(stages, staged_margins(heavy, X, stages), strict=True):
        np.testing.assert_array_equal(margins, heavy.predict(X, "margin", iteration_range=(0, stage)))


def test_one_stage_a_round_is_co_training(ds: pygbt.Dataset, alone: Any) -> None:
    student = curriculum(alone["heavy"], LIGHT, X, y, 12, hint_weight=0.2)
    assert student.digest() == cotrain(HEAVY, LIGHT, ds, 12, hint_weight=0.2).light.digest()


def test_the_last_round_has_the_finished_teacher(alone: Any) -> None:
    heavy = alone["heavy"]
    arrays = [heavy.predict(X, "margin", iteration_range=(0, stage)) for stage in (3, 6, 9, 12)]
    by_stage = curriculum(heavy, LIGHT, X, y, 4, hint_weight=0.2)
    by_array = curriculum(arrays, LIGHT, X, y, 4, hint_weight=0.2)
    by_function = curriculum(lambda table: iter(arrays), LIGHT, X, y, 4, hint_weight=0.2, n_stages=4)
    assert by_stage.digest() == by_array.digest() == by_function.digest()


def test_any_staged_teacher() -> None:
    table, labels = load_breast_cancer(return_X_y=True)
    theirs = GradientBoostingClassifier(n_estimators=8).fit(table, labels)
    params = {"objective": "logistic", "max_depth": 2, "learning_rate": 0.8}
    near = curriculum(theirs, params, table, labels, 8, hint_weight=2.0)
    target = theirs.decision_function(table)
    far = pygbt.train(params, pygbt.Dataset(table, labels), 8)
    distances = [((m.predict(table, "margin") - target) ** 2).mean() for m in (near, far)]
    assert distances[0] < 0.5 * distances[1]


def test_curriculum_says_what_is_wrong(alone: Any) -> None:
    with pytest.raises(ValueError, match="how many stages"):
        curriculum(lambda table: [], LIGHT, X, y, 4)
    with pytest.raises(ValueError, match="has 1 stages"):
        curriculum(lambda table: [np.zeros((600, 10))], LIGHT, X, y, 4, n_stages=4)
    with pytest.raises(ValueError, match="hint has 1 outputs a row, the light model 10"):
        curriculum([np.zeros(600)], LIGHT, X, y, 4)
    with pytest.raises(TypeError, match="staged_decision_function"):
        curriculum(object(), LIGHT, X, y, 4, n_stages=2)
