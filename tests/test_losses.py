# SPDX-License-Identifier: Apache-2.0
"""Losses against finite differences, links against SciPy, base scores against numeric minimisers, label checks."""

from typing import Any

import numpy as np
import pytest
from scipy import optimize, special

from pygbt._core import probe

Spec = dict[str, Any]
RNG_SEED = 5
REAL_LABELS: list[Spec] = [
    {"objective": "squared_error"},
    {"objective": "absolute_error"},
    {"objective": "huber", "huber_delta": 0.7},
    {"objective": "quantile", "quantile_alpha": [0.2]},
]
LOG_LINK: list[Spec] = [
    {"objective": "poisson"},
    {"objective": "gamma"},
    {"objective": "tweedie", "tweedie_power": 1.3},
    {"objective": "tweedie", "tweedie_power": 1.8},
]
LOGISTIC: list[Spec] = [{"objective": "logistic"}, {"objective": "logistic", "scale_pos_weight": 3.5}]
ELEMENTWISE = REAL_LABELS + LOG_LINK + LOGISTIC
SMOOTH = [REAL_LABELS[0], *LOG_LINK, *LOGISTIC]
HESSIANS = ["gershgorin", "diag", "k_factor", "soft"]


def spec_id(spec: Spec) -> str:
    return "-".join(str(value) for value in spec.values())


def labels_for(spec: Spec, n: int, rng: np.random.Generator) -> np.ndarray:
    objective = spec["objective"]
    if objective == "logistic":
        return np.where(rng.random(n) < 0.5, rng.integers(0, 2, n), rng.random(n)).astype(np.float32)
    if objective in ("poisson", "tweedie"):
        return rng.poisson(1.5, n).astype(np.float32)
    if objective == "gamma":
        return rng.gamma(2.0, 1.0, n).astype(np.float32) + np.float32(1e-3)
    return rng.normal(0, 2, n).astype(np.float32)


def scores_and_labels(spec: Spec, n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(RNG_SEED)
    y = labels_for(spec, n, rng)
    z = rng.normal(0, 2, n).astype(np.float32)
    if spec in REAL_LABELS:  # keep away from the kinks, where the difference quotient has no meaning
        gap = np.abs(z - y)
        z = np.where((gap < 0.01) | (np.abs(gap - 0.7) < 0.01), z + np.float32(0.05), z)
    return z[:, None], y[:, None]


def difference_quotient(spec: Spec, z: np.ndarray, y: np.ndarray, k: int = 0, step: float = 1e-5) -> np.ndarray:
    up, down = z.astype(np.float64), z.astype(np.float64)
    up[:, k] += step
    down[:, k] -= step
    return (probe.losses(spec, up, y) - probe.losses(spec, down, y)) / (2 * step)


@pytest.mark.parametrize("spec", ELEMENTWISE, ids=spec_id)
def test_gradient_is_the_derivative_of_the_loss(spec: Spec) -> None:
    z, y = scores_and_labels(spec)
    g, _ = probe.gradients(spec, z, y)
    np.testing.assert_allclose(g[:, 0], difference_quotient(spec, z, y), rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("spec", SMOOTH, ids=spec_id)
def test_hessian_is_the_second_derivative(spec: Spec) -> None:
    z, y = scores_and_labels(spec)
    _, h = probe.gradients(spec, z, y)
    x = z.astype(np.float64)
    step = 1e-3
    second = (
        probe.losses(spec, x + step, y) - 2 * probe.losses(spec, x, y) + probe.losses(spec, x - step, y)
    ) / step**2
    np.testing.assert_allclose(h[:, 0], second, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spec", REAL_LABELS[1:], ids=spec_id)
def test_piecewise_losses_count_rows(spec: Spec) -> None:
    _, h = probe.gradients(spec, *scores_and_labels(spec))
    assert np.all(h == 1.0)


@pytest.mark.parametrize("spec", ELEMENTWISE, ids=spec_id)
def test_extreme_scores_give_finite_gradients_and_positive_hessians(spec: Spec) -> None:
    z = np.array([-1e30, -1e4, -90, -30, 0, 30, 90, 1e4, 1e30], dtype=np.float32)
    positive = spec["objective"] == "gamma"
    for label in [1e-30, 1.0] if positive else [0.0, 1.0]:
        g, h = probe.gradients(spec, z[:, None], np.full((len(z), 1), label))
        assert np.all(np.isfinite(g)) and np.all(np.isfinite(h))
        assert np.all(h > 0)


def test_logistic_gradient_does_not_cancel() -> None:
    """A row that is almost right keeps a gradient of full relative precision."""
    z = np.array([[20.0], [40.0], [80.0]], dtype=np.float32)
    g, _ = probe.gradients({"objective": "logistic"}, z, np.ones((3, 1)))
    np.testing.assert_allclose(g[:, 0], -special.expit(-z[:, 0].astype(np.float64)), rtol=1e-6)


@pytest.mark.parametrize("weight", [1.0, 4.0])
def test_soft_logistic_row_is_its_weighted_hard_rows(weight: float) -> None:
    rng = np.random.default_rng(0)
    spec = {"objective": "logistic", "scale_pos_weight": weight}
    z = rng.normal(0, 3, (200, 1)).astype(np.float32)
    y = rng.random((200, 1)).astype(np.float32)
    soft = np.array(probe.gradients(spec, z, y))
    hard = y * np.array(probe.gradients(spec, z, np.ones_like(y))) + (1 - y) * np.array(
        probe.gradients(spec, z, np.zeros_like(y))
    )
    np.testing.assert_allclose(soft, hard, rtol=1e-5, atol=1e-7)


def test_one_vs_rest_is_logistic_on_one_hot_labels() -> None:
    rng = np.random.default_rng(1)
    z = rng.normal(0, 2, (100, 4)).astype(np.float32)
    ids = rng.integers(0, 4, (100, 1)).astype(np.float32)
    by_id = probe.gradients({"objective": "one_vs_rest"}, z, ids)
    by_column = probe.gradients({"objective": "logistic"}, z, np.eye(4, dtype=np.float32)[ids[:, 0].astype(int)])
    np.testing.assert_array_equal(by_id, by_column)


def test_quantile_levels_are_targets() -> None:
    rng = np.random.default_rng(2)
    z, y = rng.normal(size=(50, 3)).astype(np.float32), rng.normal(size=(50, 1)).astype(np.float32)
    g, _ = probe.gradients({"objective": "quantile", "quantile_alpha": [0.1, 0.5, 0.9]}, z, y)
    for k, alpha in enumerate([0.1, 0.5, 0.9]):
        one, _ = probe.gradients({"objective": "quantile", "quantile_alpha": [alpha]}, z[:, k : k + 1], y)
        np.testing.assert_array_equal(g[:, k : k + 1], one)


def softmax_case(kind: str, n: int = 200, k: int = 5, scale: float = 2.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, labels as the engine takes them, and target probabilities (n, K)."""
    rng = np.random.default_rng(9)
    z = rng.normal(0, scale, (n, k)).astype(np.float32)
    if kind == "ids":
        ids = rng.integers(0, k, (n, 1)).astype(np.float32)
        return z, ids, np.eye(k)[ids[:, 0].astype(int)]
    q = special.softmax(rng.normal(0, 2, (n, k)), axis=1).astype(np.float32)
    return z, q, q.astype(np.float64)


@pytest.mark.parametrize("hessian", HESSIANS)
@pytest.mark.parametrize("kind", ["ids", "soft"])
def test_softmax_gradient_and_curvature_rules(kind: str, hessian: str) -> None:
    z, labels, q = softmax_case(kind)
    spec = {"objective": "softmax", "softmax_hessian": hessian}
    g, h = probe.gradients(spec, z, labels)
    quotient = np.stack([difference_quotient(spec, z, labels, k) for k in range(z.shape[1])], axis=1)
    np.testing.assert_allclose(g, quotient, rtol=2e-6, atol=2e-6)
    p = special.softmax(z.astype(np.float64), axis=1)
    k = z.shape[1]
    rule = {
        "gershgorin": 2 * p * (1 - p),
        "diag": p * (1 - p),
        "k_factor": k / (k - 1) * p * (1 - p),
        "soft": p + q - 2 * p * q,
    }[hessian]
    np.testing.assert_allclose(h, rule, rtol=2e-6, atol=1e-12)


@pytest.mark.parametrize("scale", [0.1, 3.0, 100.0])
@pytest.mark.parametrize("kind", ["ids", "soft"])
def test_soft_curvature_bounds_the_gradient(kind: str, scale: float) -> None:
    z, labels, _ = softmax_case(kind, scale=scale)
    g, h = probe.gradients({"objective": "softmax", "softmax_hessian": "soft"}, z, labels)
    assert np.all(np.abs(g) <= h)
    assert np.all(h > 0)


def test_soft_softmax_row_is_its_weighted_hard_rows() -> None:
    z, q, _ = softmax_case("soft", n=50)
    spec = {"objective": "softmax", "softmax_hessian": "soft"}
    expanded = sum(
        q[:, c, None] * np.array(probe.gradients(spec, z, np.full((len(z), 1), c))) for c in range(z.shape[1])
    )
    np.testing.assert_allclose(np.array(probe.gradients(spec, z, q)), expanded, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("hessian", HESSIANS)
def test_one_hot_probabilities_are_class_ids_bit_for_bit(hessian: str) -> None:
    z, ids, one_hot = softmax_case("ids", scale=30.0)
    spec = {"objective": "softmax", "softmax_hessian": hessian}
    np.testing.assert_array_equal(probe.gradients(spec, z, ids), probe.gradients(spec, z, one_hot))


def test_softmax_with_extreme_scores() -> None:
    z = np.array([[1e30, -1e30, 0], [-1e30, -1e30, -1e30], [3e38, -3e38, 3e38]], dtype=np.float32)
    for hessian in HESSIANS:
        g, h = probe.gradients({"objective": "softmax", "softmax_hessian": hessian}, z, np.ones((3, 1)))
        assert np.all(np.isfinite(g)) and np.all(np.isfinite(h)) and np.all(h > 0)
    np.testing.assert_allclose(g[1], [1 / 3, -2 / 3, 1 / 3], rtol=1e-6)


def test_softmax_auto_is_one_of_the_rules() -> None:
    z, labels, _ = softmax_case("soft")
    auto = probe.gradients({"objective": "softmax"}, z, labels)[1]
    rules = {
        name: probe.gradients({"objective": "softmax", "softmax_hessian": name}, z, labels)[1] for name in HESSIANS
    }
    assert sum(np.array_equal(h, auto) for h in rules.values()) == 1


def test_links_against_scipy() -> None:
    z = np.random.default_rng(3).normal(0, 4, (300, 3)).astype(np.float32)
    wide = z.astype(np.float64)
    exact = {
        "squared_error": wide,
        "custom": wide,
        "poisson": np.exp(wide),
        "tweedie": np.exp(wide),
        "logistic": special.expit(wide),
        "one_vs_rest": special.expit(wide),
        "softmax": special.softmax(wide, axis=1),
    }
    for objective, expected in exact.items():
        np.testing.assert_allclose(probe.link_values({"objective": objective}, z), expected, rtol=2e-6)


# --- base scores


def weighted_labels(spec: Spec, n: int = 301) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(11)
    return labels_for(spec, n, rng)[:, None], rng.integers(0, 5, n).astype(np.uint32)


@pytest.mark.parametrize("spec", [s for s in ELEMENTWISE if s["objective"] != "huber"], ids=spec_id)
def test_base_score_minimises_the_loss(spec: Spec) -> None:
    y, w = weighted_labels(spec)

    def total(z: float) -> float:
        return float(w @ probe.losses(spec, np.full((len(y), 1), z), y))

    best = optimize.minimize_scalar(total, bounds=(-10, 10), method="bounded", options={"xatol": 1e-10})
    margin = probe.base_score(spec, y, w)
    assert margin.shape == (1,) and margin.dtype == np.float32
    assert total(float(margin[0])) <= best.fun * (1 + 1e-9) + 1e-9
    if spec in SMOOTH:
        assert margin[0] == pytest.approx(best.x, abs=1e-5)


@pytest.mark.parametrize("alpha", [0.1, 0.25, 0.3, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("n", [1, 2, 10, 101])
def test_quantile_base_score_is_numpys_inverted_cdf(alpha: float, n: int) -> None:
    y = np.random.default_rng(n).normal(0, 3, (n, 1)).round(1).astype(np.float32)
    margin = probe.base_score({"objective": "quantile", "quantile_alpha": [alpha]}, y)
    assert margin[0] == np.quantile(y[:, 0], alpha, method="inverted_cdf")


def test_median_base_scores() -> None:
    y, w = weighted_labels({"objective": "huber"})
    median = np.quantile(y[:, 0], 0.5, method="inverted_cdf", weights=w.astype(float))
    for objective in ["huber", "absolute_error"]:
        assert probe.base_score({"objective": objective}, y, w)[0] == median


def test_quantile_levels_each_get_their_own_base_score() -> None:
    y = np.arange(100, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(
        probe.base_score({"objective": "quantile", "quantile_alpha": [0.1, 0.5, 0.95]}, y), [9, 49, 94]
    )


def test_softmax_base_score_is_the_log_of_the_class_shares() -> None:
    rng = np.random.default_rng(4)
    ids = rng.integers(0, 4, (200, 1)).astype(np.float32)
    w = rng.integers(1, 4, 200).astype(np.uint32)
    shares = np.bincount(ids[:, 0].astype(int), weights=w) / w.sum()
    margins = probe.base_score({"objective": "softmax"}, ids, w)
    np.testing.assert_allclose(special.softmax(margins.astype(float)), shares, rtol=1e-6)
    one_hot = np.eye(4, dtype=np.float32)[ids[:, 0].astype(int)]
    np.testing.assert_array_equal(probe.base_score({"objective": "softmax"}, one_hot, w), margins)
    absent = probe.base_score({"objective": "softmax"}, ids, w, n_classes=6)
    assert len(absent) == 6 and np.all(np.isfinite(absent)) and absent[4] < -10
    ovr = probe.base_score({"objective": "one_vs_rest"}, ids, w)
    np.testing.assert_allclose(special.expit(ovr.astype(float)), shares, rtol=1e-6)


@pytest.mark.parametrize("spec", [*ELEMENTWISE, {"objective": "softmax"}, {"objective": "one_vs_rest"}], ids=spec_id)
def test_base_score_does_not_depend_on_order_weights_threads_or_workers(spec: Spec) -> None:
    rng = np.random.default_rng(12)
    if spec["objective"] in ("softmax", "one_vs_rest"):
        y = rng.dirichlet(np.ones(3), 20_000).astype(np.float32)
        y[:, 2] = 1 - y[:, 0] - y[:, 1]
        y = np.clip(y, 0, 1)
    else:
        y = labels_for(spec, 20_000, rng)[:, None] * np.float32(0.37)
    w = rng.integers(0, 4, len(y)).astype(np.uint32)
    bits = probe.base_score(spec, y, w).tobytes()
    order = rng.permutation(len(y))
    assert probe.base_score(spec, y[order], w[order]).tobytes() == bits
    assert probe.base_score(spec, np.repeat(y, w, axis=0)).tobytes() == bits
    assert probe.base_score(spec, y, w, n_threads=4).tobytes() == bits
    assert probe.base_score(spec, y, w, n_workers=3).tobytes() == bits


@pytest.mark.parametrize(
    ("objective", "user"), [("squared_error", -2.5), ("poisson", 3.0), ("logistic", 0.2), ("gamma", 1e-3)]
)
def test_given_base_score_is_a_value(objective: str, user: float) -> None:
    y = np.array([[0.5], [1.0], [0.25]], dtype=np.float32)
    margin = probe.base_score({"objective": objective}, y, user=user)
    assert probe.link_values({"objective": objective}, margin[None])[0, 0] == pytest.approx(user, rel=1e-6)


@pytest.mark.parametrize(
    ("objective", "user"), [("poisson", 0.0), ("logistic", 1.0), ("logistic", -0.1), ("squared_error", np.nan)]
)
def test_impossible_base_score_is_refused(objective: str, user: float) -> None:
    with pytest.raises(ValueError, match="base_score"):
        probe.base_score({"objective": objective}, np.array([[0.5], [1.0]]), user=user)


# --- labels


@pytest.mark.parametrize(
    ("spec", "labels", "n_classes", "expected"),
    [
        ({"objective": "squared_error"}, np.zeros((4, 3)), 0, (3, False)),
        ({"objective": "quantile", "quantile_alpha": [0.1, 0.9]}, np.zeros((4, 1)), 0, (2, False)),
        ({"objective": "quantile"}, np.zeros((4, 2)), 0, (2, False)),
        ({"objective": "softmax"}, [[0], [2], [5]], 0, (6, False)),
        ({"objective": "softmax"}, [[0], [2], [1]], 8, (8, False)),
        ({"objective": "softmax"}, [[0.25, 0.75], [0.5, 0.5]], 0, (2, True)),
        ({"objective": "one_vs_rest"}, [[0], [2], [1]], 0, (3, False)),
        ({"objective": "one_vs_rest"}, [[0, 1, 1], [0.5, 0, 1]], 0, (3, False)),
        ({"objective": "logistic"}, [[0], [1]], 0, (1, False)),
        ({"objective": "logistic"}, [[0.5], [0.5]], 0, (1, False)),
        ({"objective": "custom"}, [[0], [1]], 3, (3, False)),
        ({"objective": "custom"}, [[-5], [1]], 0, (1, False)),
    ],
)
def test_number_of_targets(spec: Spec, labels: Any, n_classes: int, expected: tuple[int, bool]) -> None:
    assert probe.resolve_labels(spec, np.asarray(labels, dtype=np.float32), n_classes=n_classes) == expected


@pytest.mark.parametrize(
    ("spec", "labels", "n_classes", "message"),
    [
        ({"objective": "logistic"}, [[0], [1], [1.5]], 0, r"label: logistic .*row 2 holds 1.5"),
        ({"objective": "logistic"}, [[0], [-1]], 0, r"row 1 holds -1"),
        ({"objective": "logistic"}, [[1], [1]], 0, r"label: logistic needs two classes"),
        ({"objective": "logistic"}, [[0], [0]], 0, r"label: logistic needs two classes"),
        ({"objective": "logistic"}, [[0], [1]], 3, r"n_classes"),
        ({"objective": "squared_error"}, [[0], [1]], 3, r"n_classes"),
        ({"objective": "squared_error"}, [[0], [2e30]], 0, r"label: squared_error .*row 1"),
        ({"objective": "poisson"}, [[1], [-1]], 0, r"label: poisson needs values >= 0; row 1 holds -1"),
        ({"objective": "poisson"}, [[0], [0]], 0, r"label: poisson needs a label above 0"),
        ({"objective": "tweedie"}, [[1, 0], [1, 0]], 0, r"label: tweedie .*column 1"),
        ({"objective": "gamma"}, [[1], [0]], 0, r"label: gamma needs values > 0; row 1 holds 0"),
        ({"objective": "softmax"}, [[0], [1.5]], 0, r"label: softmax needs class numbers.*row 1 holds 1.5"),
        ({"objective": "softmax"}, [[0], [-1]], 0, r"row 1 holds -1"),
        ({"objective": "softmax"}, [[0], [3]], 3, r"class numbers 0 .. 2.*row 1 holds 3"),
        ({"objective": "softmax"}, [[0], [70000]], 0, r"row 1 holds 70000"),
        ({"objective": "softmax"}, [[0], [0]], 0, r"at least two classes"),
        ({"objective": "softmax"}, [[1], [1]], 0, r"at least two classes"),
        ({"objective": "softmax"}, [[0.5, 0.5], [0.5, 0.4]], 0, r"row 1 sums to 0.9"),
        ({"objective": "softmax"}, [[0.5, 0.5], [1.5, -0.5]], 0, r"probabilities in \[0, 1\].*row 1"),
        ({"objective": "softmax"}, [[0.5, 0.5], [0.5, 0.5]], 3, r"n_classes is 3 but label has 2 columns"),
        ({"objective": "one_vs_rest"}, [[2], [2]], 0, r"at least two classes"),
        ({"objective": "quantile", "quantile_alpha": [0.1, 0.9]}, [[0, 1]], 0, r"one label column"),
    ],
)
def test_bad_labels_are_refused(spec: Spec, labels: Any, n_classes: int, message: str) -> None:
    y = np.asarray(labels, dtype=np.float32)
    with pytest.raises(ValueError, match=message):
        probe.resolve_labels(spec, y, n_classes=n_classes)


def test_a_bad_label_on_one_worker_fails_on_all() -> None:
    y = np.array([[0], [1], [0], [1], [0], [7]], dtype=np.float32)
    with pytest.raises(ValueError, match="label: logistic"):
        probe.resolve_labels({"objective": "logistic"}, y, n_workers=3)


def test_workers_agree_on_the_number_of_classes() -> None:
    y = np.array([[0], [1], [0], [0], [0], [4]], dtype=np.float32)
    assert probe.resolve_labels({"objective": "softmax"}, y, n_workers=3) == (5, False)


def test_a_class_of_weight_zero_does_not_count() -> None:
    with pytest.raises(ValueError, match="two classes"):
        probe.resolve_labels({"objective": "logistic"}, np.array([[0], [1]]), np.array([2, 0]))


def test_evaluation_labels_must_fit_the_training_labels() -> None:
    probe.check_labels({"objective": "logistic"}, np.array([[1], [1]]))  # one class is fine here
    probe.check_labels({"objective": "softmax", "n_targets": 3}, np.array([[1], [2]]))
    with pytest.raises(ValueError, match=r"class numbers 0 .. 2"):
        probe.check_labels({"objective": "softmax", "n_targets": 3}, np.array([[1], [3]]))
    with pytest.raises(ValueError, match="label has 2 columns"):
        probe.check_labels({"objective": "squared_error", "n_targets": 3}, np.zeros((2, 2)))
