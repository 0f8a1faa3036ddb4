# SPDX-License-Identifier: Apache-2.0
"""Arguments of `train_batch` are read once and refused before anything is trained; what it gives can be kept."""

from __future__ import annotations

import gc
import pickle
import traceback
import weakref
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pygbt

RNG = np.random.default_rng(3)
N = 240
X = RNG.normal(size=(N, 4)).astype(np.float32)
Z = X[:, 0] + X[:, 1] * X[:, 2]
FOLDS = [(np.flatnonzero(np.arange(N) % 3 != k), np.flatnonzero(np.arange(N) % 3 == k)) for k in range(3)]
BOTH = np.stack([Z, -Z], 1)
BROKEN = {"objective": "gamma"}  # its labels must be positive


def table(y: Any) -> pygbt.Dataset:
    return pygbt.Dataset(X, y)


def test_arguments_that_can_be_read_once_serve_every_model() -> None:
    def changed() -> Any:
        params: dict[str, Any] = {}
        for depth in (1, 5):
            params["max_depth"] = depth
            yield params

    ds = table(Z)
    batch = pygbt.train_batch(
        changed(), ds, 3, folds=FOLDS, metric=(m for m in ("mae", "rmse")), learning_rates=(r for r in (0.1, 0.2, 0.3))
    )
    for i, depth in enumerate((1, 5)):
        for k, (fit, test) in enumerate(FOLDS):
            alone = pygbt.train(
                {"max_depth": depth},
                ds.subset(fit),
                3,
                [(ds.subset(test), "test")],
                metric=["mae", "rmse"],
                learning_rates=[0.1, 0.2, 0.3],
            )
            assert batch.of(i, k).digest() == alone.digest()
            assert batch.of(i, k).evals_result == alone.evals_result


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (
            {"folds": [([0.5, 1.7], [2.9])]},
            ValueError,
            r"folds\[0\] train rows must be a list of row numbers or a mask",
        ),
        ({"folds": [(np.arange(9), np.ones(5, bool))]}, ValueError, r"folds\[0\] test rows: a mask must have shape"),
        ({"folds": [(np.arange(9), [])]}, ValueError, r"folds\[0\] has no test rows"),
        ({"folds": [(["a"], [1])]}, ValueError, r"folds\[0\] train rows must be a list"),
        ({"folds": [1, 2]}, TypeError, "folds must be a list of .train rows, test rows. pairs"),
        ({"folds": 5}, TypeError, r"KFold\(5\).split\(X\)"),
        ({"weights": 1.0}, TypeError, "weights must be a list of arrays"),
        ({"segments": np.array(["a", None] * (N // 2), dtype=object)}, ValueError, "segments: some ids are missing"),
        ({"segments": pd.Series(["a", np.nan] * (N // 2))}, ValueError, "segments: some ids are missing"),
        ({"segments": pd.array([1, None] * (N // 2), dtype="Int64")}, ValueError, "segments: some ids are missing"),
        (
            {"segments": np.array(["2020-01-01", "NaT"] * (N // 2), "M8[D]")},
            ValueError,
            "segments: some ids are missing",
        ),
        ({"segments": np.array(["a", 1] * (N // 2), dtype=object)}, TypeError, "segments: ids of several types"),
        ({"early_stopping_rounds": 3}, ValueError, "needs an evaluation set"),
        ({"folds": FOLDS, "early_stopping_rounds": -3}, ValueError, "early_stopping_rounds must be an integer"),
        ({"folds": FOLDS, "early_stopping_rounds": 3, "min_delta": -1.0}, ValueError, "min_delta must be"),
        ({"folds": FOLDS, "metric": "rmsle"}, ValueError, "eval_metric must be one of"),
        ({"objective": "logistic"}, TypeError, "objective must be a function"),
        ({"learning_rates": [0.1]}, ValueError, r"params\[0\]: learning_rates has 1 values"),
        ({"learning_rates": [-0.1]}, ValueError, "learning_rates must be positive"),
        ({"learning_rates": 0.1}, TypeError, "learning_rates must be a list or a function"),
        ({"max_memory": "2GB"}, TypeError, "max_memory must be a number of bytes"),
        ({"max_memory": True}, TypeError, "max_memory must be a number of bytes"),
        ({"n_threads": "2"}, TypeError, "n_threads must be an integer"),
        ({"n_threads": -2}, ValueError, "n_threads must be in"),
        ({"evals": None}, TypeError, "evals must be a list of"),
        ({"params": None}, TypeError, "params must be a dictionary or a list of them"),
        ({"params": 3}, TypeError, "params must be a dictionary or a list of them"),
        ({"params": "max_depth"}, TypeError, "params must be a dictionary or a list of them"),
        ({"params": [{}, None]}, TypeError, r"params\[1\]: params must be a dictionary"),
        ({"params": [{}, {"max_bin": 64}]}, ValueError, r"params\[1\]: max_bin=64"),
        ({"params": [{}, {"monotone_constraints": [1]}]}, ValueError, r"params\[1\]: monotone_constraints has 1"),
        ({"params": {"objective": "custom"}}, ValueError, r"params\[0\]: objective='custom' needs a callable"),
        ({"params": {"eval_metric": "mae"}, "metric": "rmse"}, ValueError, r"params\[0\]: metric is given twice"),
        ({"params": {"early_stopping_rounds": 2}}, ValueError, r"params\[0\]: early_stopping_rounds needs"),
        ({"ds": pygbt.Dataset(X)}, ValueError, "ds has no label"),
        ({"ds": pygbt.Dataset(X, teacher=Z), "folds": FOLDS}, ValueError, "folds: ds has no label"),
        ({"evals": [(pygbt.Dataset(X), "valid")]}, ValueError, "evals: data set 'valid' has no label"),
        ({"targets": np.stack([Z, Z], 1), "evals": [(table(Z), "valid")]}, ValueError, "'valid' has no label column 1"),
        (
            {"folds": FOLDS, "early_stopping_rounds": 3, "early_stopping_metric": "mea", "metric": ["mae", "rmse"]},
            ValueError,
            r"params\[0\]: early_stopping_metric='mea' is none of the metrics: mae, rmse; name one of them, or add it",
        ),
        (
            {
                "params": [{}, {"objective": "absolute_error", "early_stopping_rounds": 3}],
                "folds": FOLDS,
                "early_stopping_metric": "rmse",
            },
            ValueError,
            r"params\[1\]: early_stopping_metric='rmse' is none of the metrics: mae",
        ),
        (
            {"folds": FOLDS, "early_stopping_rounds": 3, "early_stopping_metric": max},
            TypeError,
            r"params\[0\]: early_stopping_metric must be the name of a metric",
        ),
        (
            {"ds": pygbt.Dataset(X, BOTH, base_margin=BOTH), "targets": True},
            ValueError,
            r"params\[0\]: ds: base_margin has 2 columns, but the model of one target has 1 output; pass base_margin",
        ),
        (
            {
                "ds": pygbt.Dataset(X, BOTH),
                "targets": True,
                "evals": [(pygbt.Dataset(X, BOTH, base_margin=BOTH), "valid")],
            },
            ValueError,
            r"evals: data set 'valid': base_margin has 2 columns, but the model of one target has 1 output",
        ),
        (
            {"ds": pygbt.Dataset(X, Z, base_margin=BOTH)},
            ValueError,
            r"params\[0\]: ds: base_margin has 2 columns, but the model has 1 output",
        ),
        (
            {
                "params": {"objective": "quantile", "quantile_alpha": [0.1, 0.5, 0.9]},
                "ds": pygbt.Dataset(X, Z, base_margin=BOTH),
            },
            ValueError,
            "base_margin has 2 columns, but the model has 3 outputs",
        ),
        (
            {"segments": np.arange(N) % 2, "bins": "own", "evals": [(pygbt.Dataset(X[:, :3], Z), "valid")]},
            ValueError,
            "evals: data set 'valid' has other columns than the training table: X has 3 features",
        ),
        (
            {"segments": np.arange(N) % 2, "evals": [(pygbt.Dataset(X[:, :3], Z), "valid")]},
            ValueError,
            "evals: data set 'valid' has other columns than the training table: X has 3 features",
        ),
    ],
)
def test_wrong_arguments_are_told_before_anything_is_trained(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    given = {"params": {}, "ds": table(Z), "num_boost_round": 10**9, **arguments}
    with pytest.raises(error, match=message) as caught:
        pygbt.train_batch(**given)
    assert not isinstance(caught.value, pygbt.BatchError)


def test_margins_that_fit_are_taken() -> None:
    """A column for each output: of a target, of the classes (which the labels tell), of the levels."""
    one = pygbt.Dataset(X, BOTH, base_margin=Z)
    assert len(pygbt.train_batch({}, one, 1, targets=True, evals=[(one, "train")])) == 2
    classes = np.stack([np.arange(N) % 3, np.arange(N) % 2], 1).astype(float)
    margins = np.zeros((N, 3))
    ds = pygbt.Dataset(X, classes, base_margin=margins)
    with pytest.raises(pygbt.BatchError, match=r"target 1\) failed: .*base_margin has 3 columns"):
        pygbt.train_batch({"objective": "softmax"}, ds, 1, targets=True)
    assert len(pygbt.train_batch({"objective": "softmax", "n_classes": 3}, ds, 1, targets=True)) == 2
    levels = {"objective": "quantile", "quantile_alpha": [0.1, 0.5, 0.9]}
    assert len(pygbt.train_batch(levels, pygbt.Dataset(X, Z, base_margin=margins), 1)) == 1
    queries = pygbt.Dataset(X, classes[:, 0], group=np.full(N // 8, 8), base_margin=Z)
    ranked = pygbt.train_batch(
        {"objective": "lambdarank"}, queries, 1, weights=[np.ones(N)], bins="own", evals=[(queries, "train")]
    )
    assert len(ranked) == 1


def test_the_deciding_metric_goes_by_its_other_names() -> None:
    ds = table(Z)
    given = {"early_stopping_rounds": 2, "metric": ["rmse", "mae"]}
    batch = pygbt.train_batch({}, ds, 5, folds=FOLDS, early_stopping_metric="l1", **given)
    fit, test = FOLDS[0]
    alone = pygbt.train({}, ds.subset(fit), 5, [(ds.subset(test), "test")], early_stopping_metric="mae", **given)
    assert batch[0].digest() == alone.digest() and batch[0].best_score == alone.best_score
    evals = [(ds, "train")]
    for call in (
        lambda: pygbt.train({}, ds, 10**9, evals, 3, early_stopping_metric="mape"),
        lambda: pygbt.cv({}, ds, 10**9, early_stopping_rounds=3, early_stopping_metric="mape"),
    ):
        with pytest.raises(ValueError, match="early_stopping_metric='mape' is none of the metrics: rmse"):
            call()


def test_dates_are_segments_by_their_values() -> None:
    days = np.array(["2020-01-01", "2021-01-01"], dtype="M8[ns]")
    batch = pygbt.train_batch({}, table(Z), 1, segments=days[np.arange(N) % 2])
    assert batch.keys == list(days)


def test_one_target_is_scored_on_tables_of_one_label() -> None:
    ds = table(Z)
    batch = pygbt.train_batch({}, ds, 3, targets=Z[:, None], evals=[(ds, "train")])
    assert batch[0].evals_result == pygbt.train({}, ds, 3, [(ds, "train")]).evals_result


def test_results_are_pickled() -> None:
    with pytest.raises(pygbt.BatchError) as caught:
        pygbt.train_batch([{}, BROKEN], table(Z), 2, folds=FOLDS)
    error = pickle.loads(pickle.dumps(caught.value))
    assert str(error) == str(caught.value)
    again = error.batch
    assert [again[i].digest() for i in again.finished] == [caught.value.batch[i].digest() for i in range(3)]
    assert list(again.errors) == [3, 4, 5]
    assert [str(job) for job in again.jobs] == [str(job) for job in caught.value.batch.jobs]
    assert pickle.loads(pickle.dumps(pygbt.BatchInterrupted(again))).batch.finished == [0, 1, 2]


def test_a_batch_holds_no_tables() -> None:
    """Neither those of its parts nor, through what ended a model, those it was trained on."""
    seen: list[Any] = []

    def metric(predictions: np.ndarray, data: pygbt.Dataset) -> tuple[str, float]:
        seen.append(weakref.ref(data))
        if data.n_rows == len(FOLDS[1][1]) and data.label is not None and data.label[0] == np.float32(Z[1]):
            raise ArithmeticError("fold 1")
        return "m", 0.0

    valid = table(Z)
    seen.append(weakref.ref(valid))
    batch = pygbt.train_batch({}, table(Z), 2, folds=FOLDS, metric=metric, on_error="keep")
    by_id = pygbt.train_batch({}, table(Z), 2, segments=np.arange(N) % 2, evals=[(valid, "valid")])
    assert list(batch.errors) == [1]
    assert "metric" in "".join(traceback.format_exception(batch.errors[1]))
    del valid
    gc.collect()
    assert len(by_id) == 2
    assert [ref() for ref in seen] == [None] * len(seen)


def test_numbers_of_replicas_are_checked() -> None:
    with pytest.raises(ValueError, match="n_replicas must be an integer of at least 0"):
        pygbt.bootstrap_weights(10, -1)
    with pytest.raises(ValueError, match="n_rows must be an integer of at least 0"):
        pygbt.bootstrap_weights(10.5, 2)  # type: ignore[arg-type]


def test_arrays_may_be_filled_again() -> None:
    """Weights are copied: a buffer that is used again changes no model."""
    replicas = pygbt.bootstrap_weights(N, 3)
    buffer = np.empty(N)

    def filled() -> Any:
        for replica in replicas:
            buffer[:] = replica
            yield buffer

    ds = table(Z)
    batch = pygbt.train_batch({}, ds, 2, weights=filled())
    for got, replica in zip(batch, replicas, strict=True):
        assert got.digest() == pygbt.train({}, ds.replace(weight=replica), 2).digest()
    buffer[:] = replicas[0]
    sizes = np.full(N // 8, 8)
    weighed = pygbt.Dataset(X, Z, weight=buffer, group=sizes)
    buffer[:], sizes[:] = 0.0, 0
    np.testing.assert_array_equal(weighed.subset(np.arange(16)).weight, replicas[0][:16])
    np.testing.assert_array_equal(weighed.group, np.full(N // 8, 8))


class TwoPartError(Exception):
    """Its arguments are not those of its base: pickle reads it back with too few."""

    def __init__(self, where: str, what: str) -> None:
        super().__init__(f"{where}: {what}")


def test_errors_that_cannot_be_pickled_are_told() -> None:
    def metric(predictions: np.ndarray, data: pygbt.Dataset) -> tuple[str, float]:
        raise TwoPartError("here", "this")

    batch = pygbt.train_batch({}, table(Z), 2, folds=FOLDS, metric=metric, on_error="keep")
    assert isinstance(batch.errors[0], TwoPartError)
    assert str(pickle.loads(pickle.dumps(batch)).errors[0]) == "TwoPartError: here: this"


def test_errors_may_be_their_own_cause() -> None:
    def metric(predictions: np.ndarray, data: pygbt.Dataset) -> tuple[str, float]:
        try:
            raise ArithmeticError("once")
        except ArithmeticError as error:
            raise error from error

    batch = pygbt.train_batch({}, table(Z), 2, folds=FOLDS, metric=metric, on_error="keep")
    assert [str(error) for error in batch.errors.values()] == ["once"] * 3


@pytest.mark.parametrize("seed", [None, 1.5, True, "1"])
def test_a_seed_is_an_integer(seed: Any) -> None:
    ds = table(Z)
    for call in (
        lambda: pygbt.bootstrap_weights(N, 2, seed),
        lambda: pygbt.cv({}, ds, 2, seed=seed),
        lambda: pygbt.search({"max_depth": [2, 3]}, ds, 2, n_iter=1, seed=seed),
    ):
        with pytest.raises(ValueError, match="seed must be an integer"):
            call()


def test_an_interruption_is_pickled() -> None:
    booster = pygbt.train({}, table(Z), 2)
    again = pickle.loads(pickle.dumps(pygbt.training.TrainingInterrupted(booster)))
    assert again.booster.digest() == booster.digest() and "after 2 rounds" in str(again)
