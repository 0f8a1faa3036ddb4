# SPDX-License-Identifier: Apache-2.0
"""ndcg, map and mrr of queries: against NumPy and scikit-learn, and the same bits for any threads and backends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from ranking_oracle import average_precision, ndcg, reciprocal_rank
from sklearn.metrics import ndcg_score

import pygbt
from pygbt._core import probe

ORACLES = {"ndcg": ndcg, "map": average_precision, "mrr": reciprocal_rank}


def queries(seed: int = 0, n_queries: int = 60) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sizes 1 to 30; scores with ties; relevance, in some queries none, in some not integer."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 30, n_queries)
    n = int(sizes.sum())
    z = np.round(rng.normal(0, 1, n), 1).astype(np.float32)
    y = rng.integers(0, 5, n) * (rng.random(n) < 0.5)
    y = y + np.where(rng.random(n) < 0.1, 0.5, 0.0)
    y[: sizes[:5].sum()] = 0
    return z, y.astype(np.float32), sizes


def parts(values: np.ndarray, sizes: np.ndarray) -> list[np.ndarray]:
    return np.split(values, np.cumsum(sizes)[:-1])


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("k", [0, 1, 5, 1000])
def test_a_query_against_numpy(name: str, k: int) -> None:
    z, y, sizes = queries()
    for zi, yi in zip(parts(z, sizes), parts(y, sizes), strict=True):
        value, weight = probe.query_metric(name, "exponential", k, zi, yi)
        assert value == pytest.approx(ORACLES[name](zi, yi, k), rel=1e-12)
        assert weight == 1


@pytest.mark.parametrize("k", [None, 3])
def test_linear_ndcg_is_scikit_learns(k: int | None) -> None:
    rng = np.random.default_rng(1)
    z, y = rng.permutation(20).astype(np.float32), rng.integers(0, 40, 20).astype(np.float32)
    value, _ = probe.query_metric("ndcg", "linear", k or 0, z, y)
    assert value == pytest.approx(ndcg_score(y[None], z[None], k=k), rel=1e-12)


def test_a_perfect_order_has_ndcg_1_exactly() -> None:
    rng = np.random.default_rng(2)
    for gain in ("exponential", "linear"):
        y = (rng.integers(0, 20, 40) / 4).astype(np.float32)
        assert probe.query_metric("ndcg", gain, 0, y, y)[0] == 1.0


def train_scores(metric: list[str], device: str = "cpu", n_threads: int = 1, **dataset: Any) -> dict[str, list[float]]:
    z, y, sizes = queries()
    rng = np.random.default_rng(4)
    X = np.column_stack([z, rng.normal(size=len(z)), y + rng.normal(0, 2, len(z))]).astype(np.float32)
    ds = pygbt.Dataset(X, y, group=sizes, **dataset)
    params = {"objective": "lambdarank", "device": device, "n_threads": n_threads, "max_depth": 3}
    booster = pygbt.train(params, ds, 4, evals=[(ds, "train")], metric=metric)
    margins = booster.predict(X, output="margin")
    scores: dict[str, list[float]] = booster.evals_result["train"]
    for name in metric:
        base, _, k = name.partition("@")
        weight = dataset.get("weight", np.ones(len(z)))
        of_query = np.array([w[0] for w in parts(weight, sizes)])
        values = [ORACLES[base](a, b, int(k or 0)) for a, b in zip(parts(margins, sizes), parts(y, sizes), strict=True)]
        assert scores[name][-1] == pytest.approx(np.average(values, weights=of_query), rel=1e-12)
    return scores


NAMES = ["ndcg", "ndcg@1", "ndcg@5", "map", "map@3", "mrr", "mrr@2"]


def test_means_over_queries() -> None:
    train_scores(NAMES)


def test_queries_have_weights() -> None:
    _, _, sizes = queries()
    rng = np.random.default_rng(5)
    train_scores(NAMES, weight=np.repeat(rng.choice([0.5, 1.0, 3.0], len(sizes)), sizes))


def test_the_same_bits_everywhere(cuda: str) -> None:
    expected = train_scores(NAMES)
    for n_threads in (2, 3):
        assert train_scores(NAMES, n_threads=n_threads) == expected
    assert train_scores(NAMES, device="naive") == expected
    assert train_scores(NAMES, device="cuda") == expected


def test_a_query_weighs_the_mean_of_its_rows() -> None:
    z, y = np.arange(4, dtype=np.float32), np.ones(4, np.float32)
    assert probe.query_metric("ndcg", "linear", 0, z, y, np.array([1, 2, 3, 2], np.uint32))[1] == 2
    # rows of weight 0 are not there
    value, weight = probe.query_metric("mrr", "linear", 0, z, np.array([0, 1, 0, 0]), np.array([3, 3, 0, 0], np.uint32))
    assert (value, weight) == (1.0, 3)
    assert probe.query_metric("map", "linear", 0, z, y, np.zeros(4, np.uint32))[1] == 0


def test_early_stopping_by_a_ranking_metric() -> None:
    z, y, sizes = queries(3)
    rng = np.random.default_rng(6)
    X = np.column_stack([y + rng.normal(0, 1, len(z)), rng.normal(size=(len(z), 4))]).astype(np.float32)
    half = len(sizes) // 2
    cut = int(sizes[:half].sum())
    ds = pygbt.Dataset(X[:cut], y[:cut], group=sizes[:half])
    valid = pygbt.Dataset(X[cut:], y[cut:], group=sizes[half:], reference=ds)
    params = {"objective": "lambdarank", "eval_metric": ["map", "ndcg"], "eval_at": [3, 5]}
    booster = pygbt.train(params, ds, 60, evals=[(valid, "valid")], early_stopping_rounds=5)
    assert list(booster.evals_result["valid"]) == ["map@3", "map@5", "ndcg@3", "ndcg@5"]
    scores = booster.evals_result["valid"]["ndcg@5"]
    assert booster.best_iteration is not None and booster.best_iteration < 59
    assert booster.best_score == max(scores) == scores[booster.best_iteration]


def test_names() -> None:
    from pygbt.parameters import canonical, metric_name

    assert metric_name("ndcg@10") == "ndcg@10"
    assert metric_name("mean_average_precision@3") == "map@3"
    assert canonical({"metric": "lambdarank", "ndcg_eval_at": [1, 3]}) == {"eval_metric": ["ndcg"], "eval_at": [1, 3]}
    for bad, message in [
        ("ndcg@0", "positive integer"),
        ("ndcg@x", "positive integer"),
        ("map@", "positive integer"),
        ("rmse@3", "must be one of"),
        ("ndgc", "ndcg"),
    ]:
        with pytest.raises(ValueError, match=message):
            metric_name(bad)


@pytest.mark.parametrize("objective, metric", [("lambdarank", "ndcg"), ("rank_pairwise", "ndcg"), ("rank:map", "map")])
def test_default_metric(objective: str, metric: str) -> None:
    z, y, sizes = queries()
    ds = pygbt.Dataset(z[:, None], y, group=sizes)
    booster = pygbt.train({"objective": objective, "eval_at": [3]}, ds, 1, evals=[(ds, "train")])
    assert list(booster.evals_result["train"]) == [f"{metric}@3"]


def test_bad_input() -> None:
    z, y, sizes = queries()
    ds = pygbt.Dataset(z[:, None], y)
    with pytest.raises(ValueError, match=r"group.*ndcg"):
        pygbt.train({"objective": "squared_error"}, ds, 1, evals=[(ds, "train")], metric="ndcg")
    ds = pygbt.Dataset(z[:, None], y - 5, group=sizes)
    with pytest.raises(ValueError, match="ndcg needs relevance"):
        pygbt.train({"objective": "squared_error"}, ds, 1, evals=[(ds, "train")], metric="ndcg@3")
    ds = pygbt.Dataset(z[:, None], np.minimum(y, 2).astype(int), group=sizes)
    with pytest.raises(ValueError, match="one output"):
        pygbt.train({"objective": "softmax"}, ds, 1, evals=[(ds, "train")], metric="mrr")
