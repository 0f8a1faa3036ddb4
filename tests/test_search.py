# SPDX-License-Identifier: Apache-2.0
"""`search` against a loop over `train` written by hand; `grid` and `draw` against their definitions."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest
from scipy import stats

import pygbt
from pygbt.cross_validation import make_folds
from pygbt.grids import draw

RNG = np.random.default_rng(5)
N = 400
X = RNG.normal(size=(N, 5)).astype(np.float32)
Z = X[:, 0] + X[:, 1] * X[:, 2] + 0.5 * RNG.normal(size=N)
Y = (Z > 0).astype(float)
SPACE = {"max_depth": [1, 3, 5], "learning_rate": [0.1, 0.8]}
FIXED = {"objective": "logistic"}


def by_hand(
    ds: pygbt.Dataset, folds: Any, rounds: int, stopping: int | None, metric: str, *, larger: bool, own: bool = False
) -> list[tuple[int, list[float], dict[str, Any]]]:
    """(round, test scores of the folds there, parameters) of every combination."""
    result = []
    for values in itertools.product(*SPACE.values()):
        params = {**FIXED, **dict(zip(SPACE, values, strict=True))}
        curves = []
        for fit, test in folds:
            model = pygbt.train(
                params,
                ds.subset(fit, new_edges=own),
                rounds,
                [(ds.subset(test), "test")],
                early_stopping_rounds=stopping,
                metric=metric,
            )
            curves.append(model.evals_result["test"][metric])
        n = min(map(len, curves))
        means = np.mean([curve[:n] for curve in curves], axis=0)
        best = n - 1 if stopping is None else int(np.argmax(means if larger else -means))
        result.append((best, [curve[best] for curve in curves], params))
    return result


@pytest.mark.parametrize(("metric", "larger"), [("logloss", False), ("auc", True)])
@pytest.mark.parametrize("stopping", [None, 4])
@pytest.mark.parametrize("bins", ["shared", "own"])
def test_a_search_is_the_loop_by_hand(metric: str, larger: bool, stopping: int | None, bins: Any) -> None:
    ds = pygbt.Dataset(X, Y)
    found = pygbt.search(
        SPACE, ds, 30, params=FIXED, nfold=4, seed=2, metric=metric, early_stopping_rounds=stopping, bins=bins
    )
    folds = make_folds(N, 4, strata=Y, seed=2)
    for (fit, test), (own_fit, own_test) in zip(found.folds, folds, strict=True):
        np.testing.assert_array_equal(fit, own_fit)
        np.testing.assert_array_equal(test, own_test)
    expected = by_hand(ds, folds, 30, stopping, metric, larger=larger, own=bins == "own")
    assert found.metric == metric
    assert found.larger_is_better == larger
    assert found.table["params"] == [params for _, _, params in expected]
    assert found.table["param_max_depth"] == [1, 1, 3, 3, 5, 5]
    assert found.table["best_iteration"] == [at for at, _, _ in expected]
    for k in range(4):
        assert found.table[f"split{k}_test_score"] == [scores[k] for _, scores, _ in expected]
    means = np.array([np.mean(scores) for _, scores, _ in expected])
    np.testing.assert_array_equal(found.table["mean_test_score"], means)
    np.testing.assert_array_equal(found.table["std_test_score"], [np.std(scores) for _, scores, _ in expected])
    best = int(np.argmax(means if larger else -means))
    assert (found.best_index, found.best_score) == (best, means[best])
    assert found.table["rank_test_score"][best] == 1
    assert sorted(found.table["rank_test_score"]) == list(range(1, 7))
    assert found.best_params == expected[best][2]
    assert found.best_iteration == expected[best][0]
    alone = pygbt.train(found.best_params, ds, found.best_iteration + 1)
    assert found.booster is not None
    assert found.booster.digest() == alone.digest()


def test_any_number_of_threads_finds_the_same(n_threads: int) -> None:
    ds = pygbt.Dataset(X, Y)
    one = pygbt.search(SPACE, ds, 8, params=FIXED, n_threads=1)
    other = pygbt.search(SPACE, ds, 8, params=FIXED, n_threads=n_threads)
    assert one.table == other.table
    assert [model.digest() for model in one.batch] == [model.digest() for model in other.batch]


def test_draws_are_reproducible_and_distinct() -> None:
    ds = pygbt.Dataset(X, Z)
    space = {"learning_rate": stats.loguniform(0.05, 0.5), "max_depth": [2, 3], "seed": lambda draws: draws.randint(9)}
    one, same = (pygbt.search(space, ds, 4, n_iter=5, seed=3, nfold=2, refit=False) for _ in range(2))
    assert one.table == same.table
    assert one.booster is None
    assert len({params["learning_rate"] for params in one.table["params"]}) == 5
    assert all(0.05 <= params["learning_rate"] <= 0.5 for params in one.table["params"])
    assert pygbt.search(space, ds, 4, n_iter=5, seed=4, nfold=2, refit=False).table != one.table
    few = draw(SPACE, 4, 0)
    assert len(few) == 4
    assert all(params in pygbt.grid(SPACE) for params in few)
    assert len({tuple(params.values()) for params in few}) == 4
    assert len(draw(SPACE, 100, 0)) == 6


def test_grids() -> None:
    assert pygbt.grid({"a": [1, 2], "b": "x", "c": np.array([0.5])}, d=7) == [
        {"d": 7, "a": 1, "b": "x", "c": 0.5},
        {"d": 7, "a": 2, "b": "x", "c": 0.5},
    ]
    assert pygbt.grid([{"a": [1]}, {"b": range(2)}]) == [{"a": 1}, {"b": 0}, {"b": 1}]
    assert pygbt.grid({"monotone_constraints": [[1, 0], [0, 0]]})[0] == {"monotone_constraints": [1, 0]}
    with pytest.raises(ValueError, match="a has no value"):
        pygbt.grid({"a": []})
    with pytest.raises(ValueError, match="a is both fixed"):
        pygbt.grid({"a": [1]}, a=2)
    with pytest.raises(TypeError, match="a is a distribution"):
        pygbt.grid({"a": stats.uniform()})
    with pytest.raises(ValueError, match="n_iter must be"):
        draw({"a": [1]}, 0, 0)


def test_groups_stay_whole() -> None:
    ds = pygbt.Dataset(X, np.digitize(Z, [-1, 0, 1]).astype(float), group=[8] * (N // 8))
    found = pygbt.search({"max_depth": [1, 3]}, ds, 10, params={"objective": "lambdarank"}, nfold=3)
    assert found.metric == "ndcg"
    assert found.larger_is_better
    for fit, test in found.folds:
        assert len(np.unique(fit // 8)) == len(fit) / 8
        assert len(np.unique(test // 8)) == len(test) / 8


def test_a_combination_that_fails_is_told_and_does_not_win() -> None:
    ds = pygbt.Dataset(X, Z)
    found = pygbt.search({"objective": ["gamma", "squared_error"]}, ds, 5, nfold=2, metric="rmse")
    assert found.best_params == {"objective": "squared_error"}
    assert found.table["rank_test_score"] == [2, 1]
    assert found.table["error"][0].startswith("ValueError")
    assert found.table["error"][1] is None
    assert np.isnan(found.table["mean_test_score"][0])
    with pytest.raises(pygbt.BatchError, match="model 0"):
        pygbt.search({"objective": ["gamma"]}, ds, 5, nfold=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"space": []}, "space is empty"),
        ({"space": {"max_dept": [1]}}, "combination 0: unknown parameter"),
        ({"space": SPACE, "num_boost_round": 0}, "at least 1"),
        ({"space": SPACE, "params": {"max_depth": 3}}, "max_depth is both fixed"),
        ({"space": SPACE, "nfold": 1}, "nfold"),
        ({"space": None}, "a dictionary or a list of them, got NoneType"),
        ({"space": SPACE, "params": ["eta"]}, "params must be a dictionary, got list"),
        ({"space": SPACE, "score": print}, "score must be the name of a metric"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        pygbt.search(ds=pygbt.Dataset(X, Y), **arguments)


def test_combinations_must_be_scored_alike() -> None:
    """rmse of one and mae of another cannot be compared."""
    ds = pygbt.Dataset(X, Y)
    for space in ({"objective": ["logistic", "squared_error"]}, {"eval_metric": ["mae", "rmse"]}):
        with pytest.raises(ValueError, match="by different metrics .*give metric="):
            pygbt.search(space, ds, 10**9)
    found = pygbt.search({"eval_metric": [["mae", "rmse"], ["rmse", "mae"]]}, ds, 3, score="mae")
    assert found.table["mean_test_score"][0] == found.table["mean_test_score"][1]


@pytest.mark.parametrize(
    ("objective", "space", "metric"),
    [
        ("tweedie", {"tweedie_variance_power": [1.1, 1.9]}, "tweedie_deviance"),
        ("quantile", {"quantile_alpha": [0.1, 0.5]}, "quantile"),
        ("lambdarank", {"lambdarank_gain": ["linear", "exponential"]}, "ndcg"),
    ],
)
def test_what_a_metric_depends_on_is_not_varied(objective: str, space: dict[str, Any], metric: str) -> None:
    ds = pygbt.Dataset(X, Y, group=[8] * (N // 8))
    params = {"objective": objective}
    for more in ({}, {"metric": metric}, {"score": metric}):
        with pytest.raises(ValueError, match=f"{metric} depends on {next(iter(space))}, which differs"):
            pygbt.search(space, ds, 10**9, params=params, **more)
    other = {"tweedie": "rmse", "quantile": "mae", "lambdarank": "map"}[objective]
    assert pygbt.search(space, ds, 2, params=params, nfold=2, metric=other).metric == other


def test_the_score_is_one_of_the_metrics() -> None:
    ds = pygbt.Dataset(X, Z)
    with pytest.raises(ValueError, match="score='foo' is none of the metrics: mae, rmse"):
        pygbt.search({"max_depth": [1, 3]}, ds, 10**9, metric=["mae", "rmse"], score="foo")
    with pytest.raises(pygbt.BatchError, match="score='foo' is none of the metrics: m$"):
        pygbt.search({"max_depth": [1, 3]}, ds, 2, metric=lambda p, data: ("m", 0.0), score="foo")
    with pytest.raises(ValueError, match="eval_metric must be one of"):
        pygbt.search({"max_depth": [1, 3]}, ds, 10**9, score="foo")
    by_name = pygbt.search({"max_depth": [1, 3]}, ds, 3, score="mae")
    assert by_name.table == pygbt.search({"max_depth": [1, 3]}, ds, 3, metric="mae").table
    assert by_name.metric == "mae"
    assert pygbt.search({"max_depth": [1, 3]}, ds, 3, metric=["l1", "rmse"], score="l1").metric == "mae"


def test_metrics_that_can_be_read_once() -> None:
    ds = pygbt.Dataset(X, Z)
    once = pygbt.search({"max_depth": [1, 3]}, ds, 3, metric=(name for name in ("rmse", "mae")))
    assert once.table == pygbt.search({"max_depth": [1, 3]}, ds, 3, metric=["rmse", "mae"]).table


def test_no_score_is_no_best_combination() -> None:
    ds = pygbt.Dataset(X, Z)
    for value in (float("nan"), float("inf")):

        def metric(predictions: np.ndarray, data: pygbt.Dataset, value: float = value) -> tuple[str, float]:
            return "m", value

        space = {"objective": ["gamma", "squared_error"]}  # gamma fails
        if np.isnan(value):
            with pytest.raises(pygbt.BatchError, match="m is NaN for every combination") as caught:
                pygbt.search(space, ds, 2, metric=metric)
            assert len(caught.value.batch.finished) == 5
        else:
            found = pygbt.search(space, ds, 2, metric=metric)
            assert found.best_params == {"objective": "squared_error"}


def test_combinations_without_rounds() -> None:
    with pytest.raises(ValueError, match="combination 0: num_boost_round must be at least 1"):
        pygbt.search({"num_boost_round": [0, 10**9]}, pygbt.Dataset(X, Z))


def test_what_is_found_is_pickled() -> None:
    found = pygbt.search({"max_depth": [1, 3]}, pygbt.Dataset(X, Z), 3)
    again = pickle.loads(pickle.dumps(found))
    assert again.table == found.table
    assert again.booster is not None
    assert found.booster is not None
    assert again.booster.digest() == found.booster.digest()
    assert [model.digest() for model in again.batch] == [model.digest() for model in found.batch]
