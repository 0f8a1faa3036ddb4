# SPDX-License-Identifier: Apache-2.0
"""Losses with a teacher: gradients against finite differences of the stated loss, curvatures against their formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

from pygbt._core import probe

Task = dict[str, Any]
K, N = 4, 60
STEP = 1e-5


def problem(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, a teacher's probabilities and class ids."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 2, (N, K)).astype(np.float32)
    q = special.softmax(rng.normal(0, 2, (N, K)), axis=1).astype(np.float32)
    return z, q, rng.integers(0, K, N)


def cross_entropy(target: np.ndarray, z: np.ndarray) -> np.ndarray:
    return -(target * special.log_softmax(z, axis=1)).sum(1)


def differences(loss: Any, z: np.ndarray) -> np.ndarray:
    """Central difference quotients of a loss of rows, one target after the other."""
    z = z.astype(np.float64)
    g = np.empty_like(z)
    for k in range(z.shape[1]):
        step = np.zeros_like(z)
        step[:, k] = STEP
        g[:, k] = (loss(z + step) - loss(z - step)) / (2 * STEP)
    return g


def gradients(task: Task, z: np.ndarray, y: np.ndarray | None, q: np.ndarray | None, **rows: Any) -> Any:
    def single(values: Any) -> Any:
        return None if values is None else np.ascontiguousarray(values, dtype=np.float32)

    given = {name: single(values) for name, values in rows.items()}
    return probe.task_gradients([task], single(z), single(y), single(q), **given)


@pytest.mark.parametrize("scale_t2", [True, False])
@pytest.mark.parametrize("temperature", [1.0, 2.5, 10.0])
@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0])
def test_softmax_at_temperature(alpha: float, temperature: float, scale_t2: bool) -> None:
    z, q, ids = problem()
    task = {"objective": "softmax", "n_targets": K, "alpha": alpha, "temperature": temperature, "scale_t2": scale_t2}
    g, h = gradients({**task, "hessian": "soft"}, z, ids[:, None], q)
    one = np.eye(K)[ids]
    factor = temperature**2 if scale_t2 else 1.0

    def loss(at: np.ndarray) -> np.ndarray:
        return alpha * factor * cross_entropy(q, at / temperature) + (1 - alpha) * cross_entropy(one, at)

    np.testing.assert_allclose(g, differences(loss, z), atol=3e-5)
    s, p = special.softmax(z / temperature, axis=1), special.softmax(z, axis=1)
    soft = s + q - 2 * s * q if scale_t2 else (s + q - 2 * s * q) / temperature**2
    np.testing.assert_allclose(h, alpha * soft + (1 - alpha) * (p + one - 2 * p * one), atol=1e-5)
    g, h = gradients({**task, "hessian": "diag"}, z, ids[:, None], q)
    soft = s * (1 - s) if scale_t2 else s * (1 - s) / temperature**2
    np.testing.assert_allclose(h, alpha * soft + (1 - alpha) * p * (1 - p), atol=1e-5)


@pytest.mark.parametrize("match", ["logits", "probabilities"])
def test_softmax_matched_otherwise(match: str) -> None:
    z, q, ids = problem(1)
    soft = np.log(q) - np.log(q).mean(1, keepdims=True) if match == "logits" else q
    g, h = gradients({"objective": "softmax", "n_targets": K, "alpha": 0.4, "match": match}, z, ids[:, None], soft)
    one = np.eye(K)[ids]

    def loss(at: np.ndarray) -> np.ndarray:
        seen = at if match == "logits" else special.softmax(at, axis=1)
        return 0.4 * 0.5 * ((seen - soft) ** 2).sum(1) + 0.6 * cross_entropy(one, at)

    np.testing.assert_allclose(g, differences(loss, z), atol=5e-5)
    p = special.softmax(z.astype(np.float64), axis=1)
    of_teacher = np.ones_like(p)
    if match == "probabilities":
        of_teacher = np.maximum(p**2 * ((1 - p) ** 2 + (p**2).sum(1, keepdims=True) - p**2), 1e-4)
    np.testing.assert_allclose(h, 0.4 * of_teacher + 0.6 * K / (K - 1) * p * (1 - p), rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("match", ["loss", "logits", "probabilities"])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_logistic(match: str, temperature: float) -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(0, 2, (N, 1)).astype(np.float32)
    y = rng.integers(0, 2, (N, 1))
    v = rng.normal(0, 2, (N, 1))
    t = temperature if match == "loss" else 1.0
    q = special.expit(v / t)
    task = {"objective": "logistic", "alpha": 0.7, "temperature": temperature, "match": match}
    g, _ = gradients(task, z, y, v if match == "logits" else q)

    def loss(at: np.ndarray) -> np.ndarray:
        def entropy(target: np.ndarray, x: np.ndarray) -> np.ndarray:
            return np.logaddexp(0, x) - target * x

        hard = entropy(y, at)
        if match == "logits":
            return (0.7 * 0.5 * (at - v) ** 2 + 0.3 * hard)[:, 0]
        if match == "probabilities":
            return (0.7 * 0.5 * (special.expit(at) - q) ** 2 + 0.3 * hard)[:, 0]
        return (0.7 * t**2 * entropy(q, at / t) + 0.3 * hard)[:, 0]

    np.testing.assert_allclose(g, differences(loss, z), atol=3e-5)


@pytest.mark.parametrize(
    "objective", ["squared_error", "poisson", "gamma", "tweedie", "huber", "absolute_error", "quantile"]
)
def test_a_regression_teacher_blends_losses(objective: str) -> None:
    rng = np.random.default_rng(3)
    z = rng.normal(0, 1, (N, 1)).astype(np.float32)
    y = rng.gamma(2.0, 1.0, (N, 1)).astype(np.float32)
    t = rng.gamma(2.0, 1.0, (N, 1)).astype(np.float32)
    task = {"objective": objective, "alpha": 0.25}
    both = gradients(task, z, y, t)
    hard, soft = gradients(task, z, y, None), gradients(task, z, t, None)
    np.testing.assert_allclose(both[0], 0.25 * soft[0] + 0.75 * hard[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(both[1], 0.25 * soft[1] + 0.75 * hard[1], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(gradients(task, z, None, t)[0], soft[0])  # the teacher alone


def test_a_bounded_teacher_pulls_towards_the_label_while_it_is_better() -> None:
    z = np.array([[0.0], [0.0], [0.0]], dtype=np.float32)
    y = np.array([[1.0], [1.0], [1.0]])
    teacher = np.array([[0.9], [3.0], [2.1]])  # better than the student; much worse; worse by 0.21
    task = {"objective": "squared_error", "alpha": 0.5, "match": "bounded", "bound": 0.1}
    g, h = gradients(task, z, y, teacher)
    np.testing.assert_allclose(g[:, 0], [-1.0, -0.5, -0.5])
    np.testing.assert_allclose(h[:, 0], [1.0, 0.5, 0.5])
    np.testing.assert_allclose(gradients({**task, "bound": 0.3}, z, y, teacher)[0][:, 0], [-1.0, -0.5, -1.0])


def test_many_temperatures_approach_the_squared_error_of_centred_logits() -> None:
    z, q, _ = problem(4)
    v = np.log(q.astype(np.float64))
    limit = ((z - z.mean(1, keepdims=True)) - (v - v.mean(1, keepdims=True))) / K
    errors = []
    for t in (10.0, 100.0, 1000.0):
        g, _ = gradients(
            {"objective": "softmax", "n_targets": K, "temperature": t}, z, None, special.softmax(v / t, axis=1)
        )
        errors.append(np.abs(g - limit).max())
    assert errors[1] < errors[0] / 5 and errors[2] < errors[0] / 20, errors


def test_rows_have_their_own_temperature_and_trust() -> None:
    z, q, ids = problem(5)
    task = {"objective": "softmax", "n_targets": K, "alpha": 0.8, "temperature": 2.0}
    factor = np.random.default_rng(5).choice([0.5, 1.0, 3.0], N)
    trust = np.random.default_rng(6).random(N)
    g, h = gradients(task, z, ids[:, None], q, trust=trust, temperature=factor)
    for i in range(0, N, 7):
        own = {**task, "alpha": float(np.float32(0.8) * np.float32(trust[i])), "temperature": 2.0 * factor[i]}
        one = gradients(own, z[i : i + 1], ids[i : i + 1, None], q[i : i + 1])
        np.testing.assert_allclose(g[i], one[0][0], rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(h[i], one[1][0], rtol=1e-5, atol=1e-7)
    alone, _ = gradients(task, z, None, q, trust=trust)
    full, _ = gradients(task, z, None, q)
    np.testing.assert_allclose(alone, full * trust[:, None], rtol=1e-4, atol=1e-6)


def test_where_label_and_teacher_are_missing_there_is_no_gradient() -> None:
    z, q, ids = problem(7)
    y = ids[:, None].astype(np.float32)
    y[::2] = np.nan
    q[::3] = np.nan
    for temperature in (1.0, 4.0):
        task = {"objective": "softmax", "n_targets": K, "temperature": temperature}
        g, h = gradients(task, z, y, q)
        assert not g[::6].any() and not h[::6].any()
        np.testing.assert_array_equal(g[3::6], gradients(task, z[3::6], y[3::6], None)[0])  # only labels
        np.testing.assert_array_equal(g[2::6], gradients(task, z[2::6], None, q[2::6])[0])  # only the teacher


def test_the_soft_curvature_bounds_the_gradient() -> None:
    z, q, ids = problem(8)
    for temperature in (1.0, 5.0):
        task = {"objective": "softmax", "n_targets": K, "alpha": 0.6, "temperature": temperature, "hessian": "soft"}
        g, h = gradients(task, z, ids[:, None], q)
        assert (np.abs(g) <= temperature * h * (1 + 1e-5)).all()


def test_entire_space() -> None:
    rng = np.random.default_rng(9)
    z = rng.normal(0, 1.5, (N, 2)).astype(np.float32)
    click = rng.integers(0, 2, N)
    conversion = rng.integers(0, 2, N).astype(float)
    conversion[click == 0] = np.nan  # never read
    task = {"objective": "entire_space", "n_targets": 2, "n_labels": 2}
    g, h = gradients(task, z, np.c_[click, conversion], None)
    both = np.where(click == 1, conversion, 0.0)

    def loss(at: np.ndarray) -> np.ndarray:
        a, r = special.expit(at[:, 0]), special.expit(at[:, 0]) * special.expit(at[:, 1])
        return -(click * np.log(a) + (1 - click) * np.log1p(-a)) - (both * np.log(r) + (1 - both) * np.log1p(-r))

    np.testing.assert_allclose(g, differences(loss, z), atol=3e-5)
    a, b = special.expit(z[:, 0]), special.expit(z[:, 1])
    r = a * b
    np.testing.assert_allclose(h[:, 0], a * (1 - a) + r * (1 - a) ** 2 / (1 - r), rtol=1e-4)
    np.testing.assert_allclose(h[:, 1], r * (1 - b) ** 2 / (1 - r), rtol=1e-4)


def test_weights_of_tasks_scale_their_gradients_alone() -> None:
    z, _, ids = problem(10)
    scores = np.c_[z, z[:, :1]]
    labels = np.c_[ids, z[:, 1] + 1]
    tasks = [{"objective": "softmax", "n_targets": K, "weight": 2.0}, {"objective": "squared_error"}]
    g, h = probe.task_gradients(tasks, scores.astype(np.float32), labels.astype(np.float32))
    alone = gradients({"objective": "softmax", "n_targets": K}, z, ids[:, None], None)
    np.testing.assert_array_equal(g[:, :K], 2 * alone[0])
    np.testing.assert_array_equal(h[:, :K], 2 * alone[1])
    np.testing.assert_array_equal(g[:, K], scores[:, K] - labels[:, 1].astype(np.float32))
