# SPDX-License-Identifier: Apache-2.0
"""Metrics against scikit-learn, and the same bits for any order of rows, threads, workers and way to weigh."""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as skm

from pygbt._core import probe

Spec = dict[str, Any]
N = 500
SQUARED: Spec = {"objective": "squared_error"}


def integer_weights(rng: np.random.Generator, n: int = N) -> np.ndarray:
    return rng.integers(0, 5, n).astype(np.uint32)


def regression(k: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    y = rng.normal(1, 2, (N, k)).astype(np.float32)
    return (y + rng.normal(0, 1, (N, k))).astype(np.float32), y, integer_weights(rng)


def counts(k: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    z = rng.normal(0, 1, (N, k)).astype(np.float32)
    return z, rng.poisson(np.exp(z)).astype(np.float32), integer_weights(rng)


def binary(k: int = 1, ties: bool = True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    z = rng.normal(0, 2, (N, k))
    z = (z.round(1) if ties else z).astype(np.float32)
    return z, (rng.random((N, k)) < special.expit(z)).astype(np.float32), integer_weights(rng)


def classes(k: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    z = rng.normal(0, 1.5, (N, k)).astype(np.float32)
    ids = (z + rng.gumbel(size=z.shape)).argmax(axis=1).astype(np.float32)
    return z, ids[:, None], integer_weights(rng)


Oracle = Callable[[np.ndarray, np.ndarray, np.ndarray], float]
REGRESSION: dict[str, Oracle] = {
    "rmse": lambda v, y, w: math.sqrt(skm.mean_squared_error(y, v, sample_weight=w)),
    "mae": lambda v, y, w: skm.mean_absolute_error(y, v, sample_weight=w),
    "mape": lambda v, y, w: skm.mean_absolute_percentage_error(y, v, sample_weight=w),
    "r2": lambda v, y, w: skm.r2_score(y, v, sample_weight=w),
}


@pytest.mark.parametrize("name", REGRESSION)
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_regression_metrics(name: str, k: int, weighted: bool) -> None:
    z, y, w = regression(k)
    if not weighted:
        w = np.ones(N, dtype=np.uint32)
    got = probe.metric(name, SQUARED, z, y, w)
    if name == "rmse" and k > 1:  # over all cells, not the mean of the columns' roots
        expected = math.sqrt(skm.mean_squared_error(y.astype(float), z.astype(float), sample_weight=w))
    else:
        expected = REGRESSION[name](z.astype(float), y.astype(float), w)
    assert got == pytest.approx(expected, rel=1e-12)


def test_values_not_margins_are_compared() -> None:
    z, y, w = counts()
    mean = np.exp(z.astype(float))
    assert probe.metric("rmse", {"objective": "poisson"}, z, y, w) == pytest.approx(REGRESSION["rmse"](mean, y, w))
    assert probe.metric("mae", {"objective": "tweedie"}, z, y, w) == pytest.approx(REGRESSION["mae"](mean, y, w))
    z, y, w = binary()
    brier = skm.brier_score_loss(y[:, 0], special.expit(z[:, 0].astype(float)), sample_weight=w)
    assert probe.metric("rmse", {"objective": "logistic"}, z, y, w) == pytest.approx(math.sqrt(brier))
    z, y, w = classes()
    p = special.softmax(z.astype(float), axis=1)
    one_hot = np.eye(4)[y[:, 0].astype(int)]
    assert probe.metric("mae", {"objective": "softmax"}, z, y, w) == pytest.approx(
        skm.mean_absolute_error(one_hot, p, sample_weight=w), rel=1e-6
    )


@pytest.mark.parametrize("alpha", [0.1, 0.5, 0.8])
def test_quantile_metric(alpha: float) -> None:
    z, y, w = regression()
    got = probe.metric("quantile", {"objective": "quantile", "quantile_alpha": [alpha]}, z, y, w)
    assert got == pytest.approx(skm.mean_pinball_loss(y, z.astype(float), alpha=alpha, sample_weight=w))


def test_quantile_metric_is_the_mean_over_levels() -> None:
    z, _, w = regression(3)
    y = regression()[1]
    levels = [0.1, 0.5, 0.8]
    got = probe.metric("quantile", {"objective": "quantile", "quantile_alpha": levels}, z, y, w)
    each = [
        skm.mean_pinball_loss(y[:, 0], z[:, i].astype(float), alpha=a, sample_weight=w) for i, a in enumerate(levels)
    ]
    assert got == pytest.approx(np.mean(each))


def test_deviances() -> None:
    z, y, w = counts()
    mean = np.exp(z[:, 0].astype(float))
    assert probe.metric("poisson_deviance", {"objective": "poisson"}, z, y, w) == pytest.approx(
        skm.mean_poisson_deviance(y[:, 0], mean, sample_weight=w)
    )
    positive = y + np.float32(0.25)
    assert probe.metric("gamma_deviance", {"objective": "gamma"}, z, positive, w) == pytest.approx(
        skm.mean_gamma_deviance(positive[:, 0], mean, sample_weight=w)
    )
    for power in [1.2, 1.5, 1.9]:
        got = probe.metric("tweedie_deviance", {"objective": "tweedie", "tweedie_power": power}, z, y, w)
        exact = skm.mean_tweedie_deviance(y[:, 0], mean, sample_weight=w, power=float(np.float32(power)))
        assert got == pytest.approx(exact, rel=1e-9)


def test_binary_metrics() -> None:
    z, y, w = binary()
    p = special.expit(z[:, 0].astype(float))
    spec = {"objective": "logistic"}
    assert probe.metric("logloss", spec, z, y, w) == pytest.approx(skm.log_loss(y[:, 0], p, sample_weight=w))
    assert probe.metric("error", spec, z, y, w) == pytest.approx(
        skm.zero_one_loss(y[:, 0], z[:, 0] > 0, sample_weight=w), rel=1e-12
    )


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_areas(ties: bool, weighted: bool) -> None:
    z, y, w = binary(ties=ties)
    if not weighted:
        w = np.ones(N, dtype=np.uint32)
    for objective in ["logistic", "squared_error", "custom"]:
        spec = {"objective": objective}
        assert probe.metric("auc", spec, z, y, w) == pytest.approx(
            skm.roc_auc_score(y[:, 0], z[:, 0], sample_weight=w), rel=1e-12
        )
        assert probe.metric("aucpr", spec, z, y, w) == pytest.approx(
            skm.average_precision_score(y[:, 0], z[:, 0], sample_weight=w), rel=1e-12
        )


def test_auc_is_the_share_of_ordered_pairs() -> None:
    """Against exact rational counting over all pairs, ties one half."""
    z, y, w = (a[:60] for a in binary())
    pairs, total = Fraction(0), 0
    for i in np.flatnonzero(y[:, 0] == 1):
        for j in np.flatnonzero(y[:, 0] == 0):
            weight = int(w[i]) * int(w[j])
            total += weight
            pairs += weight * (Fraction(1, 2) if z[i, 0] == z[j, 0] else Fraction(int(z[i, 0] > z[j, 0])))
    assert probe.metric("auc", {"objective": "logistic"}, z, y, w) == float(pairs / total)


def test_areas_of_several_targets_are_means() -> None:
    z, y, w = binary(k=3)
    spec = {"objective": "logistic"}
    each = [skm.roc_auc_score(y[:, k], z[:, k], sample_weight=w) for k in range(3)]
    assert probe.metric("auc", spec, z, y, w) == pytest.approx(np.mean(each), rel=1e-12)
    z, ids, w = classes()
    p = probe.link_values({"objective": "softmax"}, z).astype(float)
    p /= p.sum(axis=1, keepdims=True)
    macro = skm.roc_auc_score(ids[:, 0], p, sample_weight=w, multi_class="ovr", average="macro")
    assert probe.metric("auc", {"objective": "softmax"}, z, ids, w) == pytest.approx(macro, rel=1e-9)


def test_extreme_scores_rank_properly() -> None:
    z = np.array([[-3e38], [-1e-40], [-0.0], [0.0], [1e-40], [3e38]], dtype=np.float32)
    y = np.array([[0], [0], [1], [0], [1], [1]], dtype=np.float32)
    assert probe.metric("auc", {"objective": "logistic"}, z, y) == (9 - 0.5) / 9


def test_multiclass_metrics() -> None:
    z, ids, w = classes()
    p = special.softmax(z.astype(float), axis=1)
    spec = {"objective": "softmax"}
    assert probe.metric("mlogloss", spec, z, ids, w) == pytest.approx(skm.log_loss(ids[:, 0], p, sample_weight=w))
    wrong = skm.zero_one_loss(ids[:, 0], z.argmax(axis=1), sample_weight=w)
    for objective in ["softmax", "one_vs_rest", "custom"]:
        assert probe.metric("merror", {"objective": objective}, z, ids, w) == pytest.approx(wrong, rel=1e-12)


def test_mlogloss_of_probabilities_is_the_cross_entropy() -> None:
    z, _, w = classes()
    q = np.random.default_rng(8).dirichlet(np.ones(4), N).astype(np.float32)
    log_p = special.log_softmax(z.astype(float), axis=1)
    expected = np.average(-(q.astype(float) * log_p).sum(axis=1), weights=w)
    assert probe.metric("mlogloss", {"objective": "softmax"}, z, q, w) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["logloss", "error", "auc", "aucpr"])
def test_soft_labels_are_weighted_hard_rows(name: str) -> None:
    """A label of j / 8 is j positive and 8 - j negative rows."""
    z, _, _ = binary()
    eighths = np.random.default_rng(6).integers(0, 9, N)
    spec = {"objective": "logistic"}
    hard = probe.metric(
        name,
        spec,
        np.concatenate([z, z]),
        np.repeat([[1.0], [0.0]], N, axis=0),
        np.concatenate([eighths, 8 - eighths]).astype(np.uint32),
    )
    assert probe.metric(name, spec, z, eighths[:, None] / 8) == pytest.approx(hard, rel=1e-14)


def test_confident_predictions_have_finite_log_loss() -> None:
    z = np.array([[1e4], [-1e4]], dtype=np.float32)
    spec = {"objective": "logistic"}
    assert probe.metric("logloss", spec, z, np.array([[0], [1]])) == pytest.approx(1e4)
    assert probe.metric("logloss", spec, z, np.array([[1], [0]])) < 1e-300
    wide = np.array([[1e4, -1e4], [-1e4, 1e4]], dtype=np.float32)
    assert probe.metric("mlogloss", {"objective": "softmax"}, wide, np.array([[1], [0]])) == pytest.approx(2e4)


CASES: list[tuple[str, Spec, Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]]] = [
    *[(name, SQUARED, lambda: regression(2)) for name in REGRESSION],
    ("quantile", {"objective": "quantile", "quantile_alpha": [0.3]}, regression),
    ("poisson_deviance", {"objective": "poisson"}, counts),
    ("gamma_deviance", {"objective": "gamma"}, lambda: (counts()[0], counts()[1] + np.float32(0.1), counts()[2])),
    ("tweedie_deviance", {"objective": "tweedie"}, counts),
    *[(name, {"objective": "logistic"}, binary) for name in ["logloss", "error", "auc", "aucpr"]],
    *[(name, {"objective": "softmax"}, classes) for name in ["mlogloss", "merror", "auc"]],
]


@pytest.mark.parametrize(("name", "spec", "case"), CASES, ids=[f"{c[0]}-{c[1]['objective']}" for c in CASES])
def test_same_bits_for_any_order_threads_workers_and_weighing(name: str, spec: Spec, case: Any) -> None:
    z, y, w = case()
    reps = 50  # enough rows for several threads
    z, y, w = np.tile(z, (reps, 1)), np.tile(y, (reps, 1)), np.tile(w, reps)
    z *= np.linspace(0.5, 1.5, len(z), dtype=np.float32)[:, None]
    value = probe.metric(name, spec, z, y, w)
    assert np.isfinite(value)
    order = np.random.default_rng(0).permutation(len(z))
    assert probe.metric(name, spec, z[order], y[order], w[order]) == value
    assert probe.metric(name, spec, np.repeat(z, w, axis=0), np.repeat(y, w, axis=0)) == value
    assert probe.metric(name, spec, z, y, w * np.uint32(1024)) == value  # another weight unit
    assert probe.metric(name, spec, z, y, w, n_threads=3) == value
    assert probe.metric(name, spec, z, y, w, n_workers=4) == value


@pytest.mark.parametrize(("name", "spec", "case"), CASES, ids=[f"{c[0]}-{c[1]['objective']}" for c in CASES])
def test_direction_and_non_finite_margins(name: str, spec: Spec, case: Any) -> None:
    """A row of weight 0 may hold anything; otherwise a margin that is no number makes the metric no number."""
    z, y, w = case()
    bad = z.copy()
    bad[7] = np.nan
    assert np.isnan(probe.metric(name, spec, bad, y, np.where(np.arange(N) == 7, 1, w)))
    ignored = probe.metric(name, spec, bad, y, np.where(np.arange(N) == 7, 0, w))
    assert ignored == probe.metric(name, spec, np.delete(z, 7, 0), np.delete(y, 7, 0), np.delete(w, 7))


def test_undefined_areas_are_nan() -> None:
    z = np.zeros((5, 1), dtype=np.float32)
    for label in [0.0, 1.0]:
        assert np.isnan(probe.metric("auc", {"objective": "logistic"}, z, np.full((5, 1), label)))
    assert np.isnan(probe.metric("aucpr", {"objective": "logistic"}, z, np.zeros((5, 1))))
    assert probe.metric("aucpr", {"objective": "logistic"}, z, np.ones((5, 1))) == 1.0


def test_r2_of_a_constant_label_follows_scikit_learn() -> None:
    y = np.full((4, 1), 2.5, dtype=np.float32)
    assert probe.metric("r2", SQUARED, y, y) == 1.0
    assert probe.metric("r2", SQUARED, y + 1, y) == 0.0


@pytest.mark.parametrize(
    ("name", "spec", "message"),
    [
        ("rsme", SQUARED, "no metric is called 'rsme'; there are rmse"),
        ("logloss", SQUARED, "logloss has no meaning for objective 'squared_error'"),
        ("error", {"objective": "softmax", "n_targets": 3}, "use merror"),
        ("mlogloss", {"objective": "logistic"}, "use logloss"),
        ("merror", {"objective": "logistic"}, "use error"),
        ("mlogloss", {"objective": "custom"}, "several classes"),
        ("poisson_deviance", SQUARED, "poisson, gamma or tweedie"),
    ],
)
def test_metrics_that_do_not_fit_are_refused(name: str, spec: Spec, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        probe.check_metric(name, spec)


def test_labels_that_do_not_fit_the_metric_are_refused() -> None:
    z = np.zeros((3, 1), dtype=np.float32)
    with pytest.raises(ValueError, match=r"labels in \[0, 1\]"):
        probe.metric("auc", SQUARED, z, np.array([[0], [1], [2]]))
    with pytest.raises(ValueError, match=r"labels in \[0, 1\]"):
        probe.metric("logloss", {"objective": "custom"}, z, np.array([[0], [1], [2]]))
    with pytest.raises(ValueError, match=r"values > 0"):
        probe.metric("gamma_deviance", {"objective": "poisson"}, z, np.array([[0], [1], [2]]))
    with pytest.raises(ValueError, match=r"class numbers 0 .. 1"):
        probe.metric("merror", {"objective": "custom"}, np.zeros((3, 2)), np.array([[0], [1], [2]]))
    with pytest.raises(ValueError, match=r"labels in \[0, 1\]"):  # one worker's label fails on all
        probe.metric("auc", SQUARED, z, np.array([[0], [1], [2]]), n_workers=3)


def test_metric_table() -> None:
    names = probe.metric_names()
    assert len(set(names)) == len(names) == 17
    assert {name for name in names if probe.metric_larger_is_better(name)} == {
        *("auc", "aucpr", "r2", "ndcg", "map", "mrr")
    }
    for objective in ["squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie"]:
        probe.check_metric(probe.default_metric({"objective": objective}), {"objective": objective})
    for objective in ["lambdarank", "rank_pairwise", "rank_xendcg"]:
        probe.check_metric(probe.default_metric({"objective": objective}), {"objective": objective})
    for objective in ["logistic", "softmax", "one_vs_rest", "custom"]:
        spec = {"objective": objective, "n_targets": 3}
        probe.check_metric(probe.default_metric(spec), spec)


# --- exact sums


def exact(values: np.ndarray, weights: np.ndarray) -> float:
    total = sum((Fraction(float(v)) * int(w) for v, w in zip(values, weights, strict=True)), Fraction(0))
    return float(total)  # correctly rounded


@pytest.mark.parametrize("scale", ["ordinary", "wide", "subnormal", "cancelling"])
def test_exact_sum_is_the_correctly_rounded_sum(scale: str) -> None:
    rng = np.random.default_rng(4)
    values = rng.normal(size=999)
    if scale == "wide":
        values *= 2.0 ** rng.integers(-1000, 950, 999)
    elif scale == "subnormal":
        values *= 1e-309
    elif scale == "cancelling":
        values = np.concatenate([values * 1e15, -values * 1e15, rng.normal(size=3)])
    weights = rng.integers(0, 2**32, len(values), dtype=np.uint64).astype(np.uint32)
    if scale == "cancelling":
        weights[: len(weights) // 2] = 7
        weights[len(weights) // 2 :] = 7
    expected = exact(values, weights)
    assert probe.exact_sum(values, weights) == expected
    order = rng.permutation(len(values))
    assert probe.exact_sum(values[order], weights[order]) == expected
    assert probe.exact_sum(-values, weights) == -expected


def test_exact_sum_at_the_ends_of_the_range() -> None:
    big = np.finfo(float).max
    tiny = 5e-324
    assert probe.exact_sum([big, tiny, -big]) == tiny
    assert probe.exact_sum([big, big, -big]) == big
    assert probe.exact_sum([]) == 0.0
    assert probe.exact_sum([0.0, -0.0]) == 0.0
    assert math.isnan(probe.exact_sum([1.0, np.inf])) and math.isnan(probe.exact_sum([np.nan]))
    assert probe.exact_sum([1.0, np.nan], np.array([3, 0], dtype=np.uint32)) == 3.0


@pytest.mark.parametrize("alpha", [0.1, 0.3, 0.5, 0.9])
def test_quantile_rank_of_tenths_is_exact(alpha: float) -> None:
    for total in [10, 1000, 10**9]:
        assert probe.quantile_rank(alpha, total) == round(alpha * total)
    assert probe.quantile_rank(alpha, 10**13) == pytest.approx(alpha * 10**13, rel=1e-8)
    assert probe.quantile_rank(alpha, 1) == 1
