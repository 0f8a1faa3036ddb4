# SPDX-License-Identifier: Apache-2.0
"""Gradients of ranking losses: against NumPy's reading of the definitions and finite differences of float64 losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from ranking_oracle import Array, lambdas, pair_loss, softmax_loss, teacher_loss

from pygbt import _core
from pygbt._core import probe

N = 24


def gradient(objective: str, z: Array, y: Any = None, t: Any = None, *, params: Any = None, **call: Any) -> Any:
    core = _core.Params({"objective": objective, **(params or {})})
    return probe.rank_gradient(core, np.asarray(z, np.float32), y, t, **call)


def query(seed: int, n: int = N, *, grades: int = 5) -> tuple[Array, Array, Array]:
    """Scores with some ties, graded relevance of which some is no integer, scores of a teacher."""
    rng = np.random.default_rng(seed)
    z = rng.normal(0, 1, n).astype(np.float32)
    z[: n // 4] = z[n // 2 : n // 2 + n // 4]
    y = rng.integers(0, grades, n).astype(np.float32)
    y[::5] += np.float32(0.25)
    return z, y, rng.normal(0, 2, n).astype(np.float32)


def difference_quotients(loss: Callable[[Array], float], z: Array, step: float = 1e-4) -> tuple[Array, Array]:
    """First and second derivatives by each score."""
    z = z.astype(np.float64)
    first, second = np.zeros(len(z)), np.zeros(len(z))
    for i in range(len(z)):
        e = np.zeros(len(z))
        e[i] = step
        up, down = loss(z + e), loss(z - e)
        first[i] = (up - down) / (2 * step)
        second[i] = (up - 2 * loss(z) + down) / step**2
    return first, second


@pytest.mark.parametrize("metric", ["ndcg", "map"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("truncation", [0, 3, 30])
@pytest.mark.parametrize("gain", ["exponential", "linear"])
def test_lambdarank_is_its_definition(metric: str, normalize: bool, truncation: int, gain: str) -> None:
    params = {
        "lambdarank_metric": metric,
        "lambdarank_normalize": normalize,
        "lambdarank_truncation": truncation,
        "lambdarank_gain": gain,
    }
    for seed in range(3):
        z, y, _ = query(seed, grades=3)
        g, h = gradient("lambdarank", z, y, params=params)
        expected = lambdas(z, y, metric, truncation, normalize, gain)
        np.testing.assert_allclose(g, expected[0], rtol=3e-5, atol=2e-6)
        np.testing.assert_allclose(h, expected[1], rtol=3e-5, atol=2e-6)
        assert abs(g.sum()) < 1e-5


def test_equal_scores_are_not_divided_by_their_distance() -> None:
    _, y, _ = query(0)
    z = np.zeros(N, np.float32)
    np.testing.assert_allclose(gradient("lambdarank", z, y)[0], lambdas(z, y)[0], rtol=3e-5, atol=2e-6)


@pytest.mark.parametrize("truncation", [0, 4])
def test_rank_pairwise_is_the_derivative_of_its_loss(truncation: int) -> None:
    z, y, _ = query(1)
    z += np.linspace(0, 0.5, N, dtype=np.float32)  # no ties: the order stays under the small steps
    g, h = gradient("rank_pairwise", z, y, params={"lambdarank_truncation": truncation})
    first, second = difference_quotients(lambda x: pair_loss(x, y, truncation), z)
    np.testing.assert_allclose(g, first, rtol=2e-5, atol=1e-5)
    np.testing.assert_allclose(h, second, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("gain", ["exponential", "linear"])
def test_xendcg_is_the_derivative_of_its_loss(gain: str) -> None:
    z, y, _ = query(2)
    draw = np.array([probe.random_bits(7, 8, 5, 100 + row, 0) for row in range(N)]) / 2.0**32
    phi = (np.exp2(y.astype(float)) if gain == "exponential" else y.astype(float) + 1.0) - draw
    q = phi / phi.sum()
    g, h = gradient("rank_xendcg", z, y, params={"seed": 7, "lambdarank_gain": gain}, iteration=5, first_row=100)
    first, _ = difference_quotients(lambda x: softmax_loss(x, q), z)
    p = np.exp(z.astype(float)) / np.exp(z.astype(float)).sum()
    np.testing.assert_allclose(g, first, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(h, p + q - 2 * p * q, rtol=1e-5, atol=1e-7)
    other, _ = gradient("rank_xendcg", z, y, params={"seed": 7, "lambdarank_gain": gain}, iteration=6, first_row=100)
    assert not np.array_equal(g, other)


TEACHERS: list[dict[str, Any]] = [
    {"kind": "listnet"},
    {"kind": "listnet", "temperature": 3.0},
    {"kind": "listmle"},
    {"kind": "listmle", "top": 5},
    {"kind": "listmle", "top": 5, "weight": "inverse", "decay": 2.0},
    {"kind": "listmle", "top": 9, "weight": "exponential", "decay": 4.0},
    {"kind": "pairwise"},
    {"kind": "pairwise", "top": 6, "temperature": 0.5},
    {"kind": "pairwise", "top": 6, "weight": "ndcg"},
    {"kind": "pointwise", "top": 4},
    {"kind": "pointwise", "top": 4, "weight": "inverse", "decay": 0.5},
    {"kind": "pointwise", "top": 4, "weight": "exponential", "decay": 3.0},
]


def teacher_params(case: dict[str, Any]) -> dict[str, Any]:
    return {
        "rank_teacher": case["kind"],
        "rank_teacher_top": case.get("top", 0),
        "rank_teacher_weight": case.get("weight", "uniform"),
        "rank_teacher_decay": case.get("decay", 1.0),
    }


@pytest.mark.parametrize("case", TEACHERS, ids=lambda case: "-".join(map(str, case.values())))
def test_teacher_gradient_is_the_derivative_of_its_loss(case: dict[str, Any]) -> None:
    z, _, t = query(3)
    t[4] = t[5]  # a tie: the earlier row comes first
    g, h = gradient("lambdarank", z, None, t, params=teacher_params(case), temperature=case.get("temperature", 1.0))
    first, second = difference_quotients(lambda x: teacher_loss(x, t, **case), z)
    np.testing.assert_allclose(g, first, rtol=2e-5, atol=5e-6)
    if case["kind"] == "listnet":  # p + q - 2pq, which does not vanish with the gradient
        p, q = (np.exp(x) / np.exp(x).sum() for x in (z.astype(float), t.astype(float) / case.get("temperature", 1.0)))
        second = p + q - 2 * p * q
    np.testing.assert_allclose(h, second, rtol=2e-4, atol=2e-5)


def test_listmle_over_all_places_with_equal_weights_is_plain_listmle() -> None:
    """d/dz_r of sum_i [log sum over j >= i of e^z_j - z_i] = sum over i <= r of e^z_r / S_i - 1."""
    z, _, t = query(4)
    order = np.argsort(-t, kind="stable")
    e = np.exp(z[order].astype(np.float64))
    tail = np.cumsum(e[::-1])[::-1]
    expected = np.empty(N)
    expected[order] = e * np.cumsum(1 / tail) - 1.0
    g, _ = gradient("lambdarank", z, None, t, params={"rank_teacher": "listmle", "rank_teacher_top": N})
    np.testing.assert_allclose(g, expected, rtol=1e-6, atol=1e-6)
    every = gradient("lambdarank", z, None, t, params={"rank_teacher": "listmle", "rank_teacher_top": 0})
    np.testing.assert_array_equal(g, every[0])


@pytest.mark.parametrize("hot", [0, 7, N - 1])
def test_listnet_with_a_one_hot_teacher_is_softmax_over_the_query(hot: int) -> None:
    z, _, _ = query(5)
    t = np.zeros(N, np.float32)
    t[hot] = 1e4
    g, h = gradient("lambdarank", z, None, t, params={"rank_teacher": "listnet"})
    spec = {"objective": "softmax", "softmax_hessian": "soft"}
    as_class = probe.gradients(spec, z[None, :], np.array([[hot]], np.float32))
    np.testing.assert_array_equal(g, as_class[0][0])
    np.testing.assert_allclose(h, as_class[1][0], rtol=1e-6)


def test_negatives_are_drawn_anew_and_beyond_the_top() -> None:
    z, _, t = query(6)
    params = {**teacher_params({"kind": "pointwise", "top": 4}), "rank_teacher_negatives": 0.5, "seed": 3}
    top = np.argsort(-t, kind="stable")[:4]
    seen = []
    for iteration in range(40):
        g, _ = gradient("lambdarank", z, None, t, params=params, iteration=iteration, first_row=50)
        drawn = np.array([probe.random_bits(3, 9, iteration, 50 + row, 0) < 2**31 for row in range(N)])
        first, _ = difference_quotients(lambda x, d=drawn: teacher_loss(x, t, "pointwise", top=4, negatives=d), z)
        np.testing.assert_allclose(g, first, rtol=2e-5, atol=5e-6)
        assert (g[top] < 0).all()
        seen.append(g > 0)
    share = np.delete(np.mean(seen, axis=0), top)
    assert 0.4 < share.mean() < 0.6


MIXED = [("lambdarank", "listnet"), ("rank_pairwise", "pairwise"), ("rank_xendcg", "listmle")]


@pytest.mark.parametrize("objective, kind", MIXED)
def test_alpha_weighs_the_teacher(objective: str, kind: str) -> None:
    z, y, t = query(7)
    params = {"rank_teacher": kind}
    hard = np.array(gradient(objective, z, y, params=params))
    soft = np.array(gradient(objective, z, None, t, params=params))
    np.testing.assert_array_equal(gradient(objective, z, y, t, params=params, alpha=0.0), hard)
    np.testing.assert_array_equal(gradient(objective, z, y, t, params=params, alpha=1.0), soft)
    mixed = gradient(objective, z, y, t, params=params, alpha=0.25)
    np.testing.assert_allclose(mixed, 0.75 * hard + 0.25 * soft, rtol=1e-5, atol=1e-6)


EVERY = [("lambdarank", "listnet"), *MIXED[1:], ("lambdarank", "pointwise"), ("rank_xendcg", "pairwise")]


@pytest.mark.parametrize("objective, kind", EVERY)
def test_rows_without_label_or_weight_are_not_in_the_list(objective: str, kind: str) -> None:
    z, y, t = query(8)
    params = {"rank_teacher": kind, "rank_teacher_top": 3, "rank_teacher_negatives": 1.0}
    gone = np.zeros(N, bool)
    gone[[2, 3, 11]] = True
    kept = np.flatnonzero(~gone)
    if objective == "rank_xendcg":  # rows draw by their number: those that go must be the last
        gone[:], gone[-3:] = False, True
        kept = np.flatnonzero(~gone)
    expected = gradient(objective, z[kept], y[kept], t[kept], params=params)
    nan = np.where(gone, np.float32(np.nan), 0).astype(np.float32)
    for got in (
        gradient(objective, z, y + nan, t + nan, params=params),
        gradient(objective, z, y, t, params=params, weights=(~gone).astype(np.uint32)),
    ):
        np.testing.assert_array_equal(np.array(got)[:, kept], expected)
        assert not np.array(got)[:, gone].any()


@pytest.mark.parametrize("objective, kind", [*EVERY, ("lambdarank", "listmle")])
@pytest.mark.parametrize("scale", [0.0, 50.0, 1e30])
def test_extreme_scores_give_finite_gradients(objective: str, kind: str, scale: float) -> None:
    z, y, t = query(9)
    z = (z * scale).astype(np.float32)
    for teacher in (None, t, (t * 1e4).astype(np.float32)):
        g, h = gradient(objective, z, y, teacher, params={"rank_teacher": kind})
        assert np.isfinite(g).all() and np.isfinite(h).all() and (h >= 0).all()


@pytest.mark.parametrize("objective", ["lambdarank", "rank_pairwise", "rank_xendcg"])
def test_queries_that_say_nothing(objective: str) -> None:
    one = np.array(gradient(objective, np.ones(1), np.ones(1)))
    assert not one.any()
    if objective != "rank_xendcg":
        same = np.array(gradient(objective, query(1)[0], np.full(N, 2.0)))
        assert not same.any()
    nothing = np.array(gradient(objective, query(1)[0], np.full(N, np.nan), np.full(N, np.nan)))
    assert not nothing.any()


@pytest.mark.parametrize("objective", ["lambdarank", "rank_pairwise"])
def test_order_of_the_rows_does_not_matter_without_ties(objective: str) -> None:
    rng = np.random.default_rng(3)
    z, y = rng.permutation(N).astype(np.float32) / 7, rng.integers(0, 4, N).astype(np.float32)
    g, h = gradient(objective, z, y)
    mixed = rng.permutation(N)
    g2, h2 = gradient(objective, z[mixed], y[mixed])
    np.testing.assert_array_equal(g2, g[mixed])
    np.testing.assert_array_equal(h2, h[mixed])
