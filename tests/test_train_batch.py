# SPDX-License-Identifier: Apache-2.0
"""Law of `train_batch`: each model equals, byte for byte, the one that `train` gives alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import pygbt

RNG = np.random.default_rng(3)
N = 480
X = RNG.normal(size=(N, 6)).astype(np.float32)
X[RNG.random(X.shape) < 0.05] = np.nan
Z = np.nan_to_num(X[:, 0]) + np.nan_to_num(X[:, 1]) * np.nan_to_num(X[:, 2]) + 0.4 * RNG.normal(size=N)
Y = {
    "squared_error": Z,
    "logistic": (Z > 0.2).astype(float),
    "softmax": np.digitize(Z, [-0.5, 0.5]).astype(float),
    "quantile": Z,
}
FOLDS = [(np.flatnonzero(np.arange(N) % 3 != k), np.flatnonzero(np.arange(N) % 3 == k)) for k in range(3)]
ROUNDS = 12


def same(got: pygbt.Booster, alone: pygbt.Booster, path: Path) -> None:
    assert got.digest() == alone.digest()
    assert got.evals_result == alone.evals_result
    assert (got.best_iteration, got.best_score) == (alone.best_iteration, alone.best_score)
    got.save(path / "a.pygbt")
    alone.save(path / "b.pygbt")
    assert (path / "a.pygbt").read_bytes() == (path / "b.pygbt").read_bytes()


def table(y: Any, **more: Any) -> pygbt.Dataset:
    return pygbt.Dataset(X, y, **more)


GRIDS = {
    "rates, depths, seeds": (
        "logistic",
        {"learning_rate": [0.1, 0.4], "max_depth": [2, 5], "seed": [0, 1], "subsample": 0.7, "colsample_bynode": 0.6},
    ),
    "classes and vector leaves": ("softmax", {"multi_strategy": ["one_tree_per_target", "vector_leaf"]}),
    "policies": ("squared_error", {"grow_policy": ["depthwise", "lossguide", "symmetric"], "max_leaves": 9}),
    "quantiles": ("quantile", {"quantile_alpha": [[0.5], [0.1, 0.9]]}),
}


@pytest.mark.parametrize("name", GRIDS)
def test_a_grid(name: str, n_threads: int, tmp_path: Path) -> None:
    objective, space = GRIDS[name]
    params = pygbt.grid(space, objective=objective)
    ds = table(Y[objective])
    batch = pygbt.train_batch(params, ds, ROUNDS, n_threads=n_threads)
    assert batch.shape == (len(params), 1)
    for got, one in zip(batch, params, strict=True):
        same(got, pygbt.train(one, ds, ROUNDS), tmp_path)


def test_objectives_mixed(n_threads: int, tmp_path: Path) -> None:
    params = [
        {"objective": "logistic"},
        {"objective": "squared_error", "num_boost_round": 5},
        {"objective": "poisson", "n_threads": 1},
        {"objective": "softmax", "eval_metric": ["merror", "mlogloss"]},
    ]
    ds = table(Y["logistic"])
    valid = pygbt.Dataset(X[::2], Y["logistic"][::2])
    batch = pygbt.train_batch(params, ds, ROUNDS, evals=[(ds, "train"), (valid, "valid")], n_threads=n_threads)
    for got, one in zip(batch, params, strict=True):
        same(got, pygbt.train(one, ds, ROUNDS, evals=[(ds, "train"), (valid, "valid")]), tmp_path)


@pytest.mark.parametrize("bins", ["shared", "own"])
@pytest.mark.parametrize("stopping", [None, 3])
def test_folds(bins: Any, stopping: int | None, n_threads: int, tmp_path: Path) -> None:
    ds = table(Y["logistic"], weight=RNG.integers(0, 4, N))
    params = pygbt.grid({"learning_rate": [0.1, 1.0], "max_depth": [1, 4]}, objective="logistic")
    batch = pygbt.train_batch(
        params, ds, 40, folds=FOLDS, bins=bins, early_stopping_rounds=stopping, n_threads=n_threads
    )
    assert batch.shape == (4, 3)
    assert batch.keys == [0, 1, 2]
    lengths = set()
    for i, one in enumerate(params):
        for k, (fit_rows, test_rows) in enumerate(FOLDS):
            fit = ds.subset(fit_rows, new_edges=bins == "own")
            evals = [(ds.subset(test_rows), "test")]
            alone = pygbt.train(one, fit, 40, evals=evals, early_stopping_rounds=stopping)
            same(batch.of(i, k), alone, tmp_path)
            lengths.add(len(alone))
    assert (len(lengths) > 1) == (stopping is not None)


@pytest.mark.parametrize("bins", ["shared", "own"])
def test_bootstrap_replicas(bins: Any, n_threads: int, tmp_path: Path) -> None:
    ds = table(Y["squared_error"])
    replicas = pygbt.bootstrap_weights(N, 4, seed=1)
    assert all(w.sum() == N for w in replicas)
    assert len({w.tobytes() for w in replicas}) == 4
    batch = pygbt.train_batch({}, ds, ROUNDS, weights=replicas, bins=bins, n_threads=n_threads)
    for got, w in zip(batch, replicas, strict=True):
        fresh = pygbt.Dataset(X, Y["squared_error"], weight=w, reference=ds if bins == "shared" else None)
        same(got, pygbt.train({}, fresh, ROUNDS), tmp_path)


@pytest.mark.parametrize("bins", ["shared", "own"])
def test_segments(bins: Any, n_threads: int, tmp_path: Path) -> None:
    ds = table(Y["squared_error"])
    ids = np.array(["north", "south", "east"])[RNG.integers(0, 3, N)]
    batch = pygbt.train_batch({"max_depth": 3}, ds, ROUNDS, segments=ids, bins=bins, n_threads=n_threads)
    assert batch.keys == ["east", "north", "south"]
    for got, key in zip(batch, batch.keys, strict=True):
        rows = ids == key
        if bins == "own":
            fresh = pygbt.Dataset(X[rows], Y["squared_error"][rows])
        else:
            fresh = pygbt.Dataset(X[rows], Y["squared_error"][rows], reference=ds)
        same(got, pygbt.train({"max_depth": 3}, fresh, ROUNDS), tmp_path)


@pytest.mark.parametrize("bins", ["shared", "own"])
@pytest.mark.parametrize("given", [True, False])
def test_targets(given: bool, bins: Any, n_threads: int, tmp_path: Path) -> None:
    """A column with missing labels is learnt from the rows that have one, and scored on those."""
    matrix = np.stack([Z, -Z, Z**2], axis=1).astype(np.float32)
    matrix[RNG.random(N) < 0.3, 1] = np.nan
    ds = table(matrix if given else Z)
    valid = pygbt.Dataset(X[::3], matrix[::3], reference=ds)
    targets = True if given else matrix
    batch = pygbt.train_batch({}, ds, ROUNDS, targets=targets, bins=bins, evals=[(valid, "valid")], n_threads=n_threads)
    for k, got in enumerate(batch):
        rows = ~np.isnan(matrix[:, k])
        fit = pygbt.Dataset(X[rows], matrix[rows, k], reference=None if bins == "own" else ds)
        scored = rows & (np.arange(N) % 3 == 0)
        alone = pygbt.train({}, fit, ROUNDS, evals=[(pygbt.Dataset(X[scored], matrix[scored, k]), "valid")])
        same(got, alone, tmp_path)


def test_a_teacher(n_threads: int, tmp_path: Path) -> None:
    p = 1.0 / (1.0 + np.exp(-2.0 * Z))
    ds = table(Y["logistic"], teacher=np.stack([1 - p, p], axis=1)[:, 1])
    params = pygbt.grid({"teacher_alpha": [0.2, 0.9], "teacher_temperature": [1.0, 3.0]}, objective="logistic")
    batch = pygbt.train_batch(params, ds, ROUNDS, folds=FOLDS, n_threads=n_threads)
    for i, one in enumerate(params):
        for k, (fit, test) in enumerate(FOLDS):
            alone = pygbt.train(one, ds.subset(fit), ROUNDS, evals=[(ds.subset(test), "test")])
            same(batch.of(i, k), alone, tmp_path)


def test_groups_of_rows(n_threads: int, tmp_path: Path) -> None:
    sizes = [8] * (N // 8)
    relevance = np.digitize(Z, [-1.0, 0.0, 1.0]).astype(float)
    ds = pygbt.Dataset(X, relevance, group=sizes)
    params = [{"objective": name} for name in ("lambdarank", "rank_pairwise", "rank_xendcg")]
    of_query = np.arange(N) // 8 % 3
    folds = [(np.flatnonzero(of_query != k), np.flatnonzero(of_query == k)) for k in range(3)]
    batch = pygbt.train_batch(params, ds, 30, folds=folds, early_stopping_rounds=2, n_threads=n_threads)
    for i, one in enumerate(params):
        for k, (fit, test) in enumerate(folds):
            alone = pygbt.train(one, ds.subset(fit), 30, [(ds.subset(test), "test")], early_stopping_rounds=2)
            same(batch.of(i, k), alone, tmp_path)


def test_categories(n_threads: int, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"x": X[:, 0], "c": pd.Categorical(RNG.integers(0, 7, N)), "d": pd.Categorical(list("ab") * (N // 2))}
    )
    ds = pygbt.Dataset(frame, Z)
    batch = pygbt.train_batch(
        [{"max_cat_to_onehot": k} for k in (1, 10)], ds, ROUNDS, folds=FOLDS, bins="own", n_threads=n_threads
    )
    for i, most in enumerate((1, 10)):
        for k, (fit, test) in enumerate(FOLDS):
            alone = pygbt.train(
                {"max_cat_to_onehot": most}, ds.subset(fit, new_edges=True), ROUNDS, [(ds.subset(test), "test")]
            )
            same(batch.of(i, k), alone, tmp_path)


def test_own_gradients_metrics_and_rates(tmp_path: Path) -> None:
    def objective(margins: np.ndarray, data: pygbt.Dataset) -> tuple[np.ndarray, np.ndarray]:
        return margins - data.label, np.ones(data.n_rows)

    def metric(predictions: np.ndarray, data: pygbt.Dataset) -> tuple[str, float, bool]:
        return "minus_error", -float(np.abs(predictions - data.label).mean()), True

    ds = table(Z)
    more: dict[str, Any] = {"objective": objective, "metric": metric, "early_stopping_rounds": 3}
    more["learning_rates"] = lambda i: 0.5 / (1 + i)
    batch = pygbt.train_batch([{"max_depth": d} for d in (1, 5)], ds, 30, folds=FOLDS, n_threads=2, **more)
    assert batch.larger_is_better == {"minus_error": True}
    for i, depth in enumerate((1, 5)):
        for k, (fit, test) in enumerate(FOLDS):
            alone = pygbt.train({"max_depth": depth}, ds.subset(fit), 30, [(ds.subset(test), "test")], **more)
            same(batch.of(i, k), alone, tmp_path)


@pytest.mark.parametrize("resident", [False, True])
def test_a_device(cuda: str, resident: bool, n_threads: int, tmp_path: Path) -> None:
    """Several models at a time, each on a queue of its own, and beside models on the CPU."""
    on_host = table(Y["logistic"])
    ds = pygbt.Dataset(X, Y["logistic"], device="cuda") if resident else on_host
    params = pygbt.grid({"max_depth": [2, 4], "seed": [0, 1]}, objective="logistic", subsample=0.8)
    beside = [] if resident else params[:2]
    batch = pygbt.train_batch(
        [{**one, "device": "cuda"} for one in params] + beside,
        ds,
        4,
        folds=FOLDS,
        early_stopping_rounds=2,
        n_threads=n_threads,
        models_on_device=3,
    )
    for i, one in enumerate([*params, *beside]):
        for k, (fit, test) in enumerate(FOLDS):
            evals = [(on_host.subset(test), "test")]
            alone = pygbt.train(one, on_host.subset(fit), 4, evals, early_stopping_rounds=2)
            same(batch.of(i, k), alone, tmp_path)


def test_device_of_all(cuda: str) -> None:
    ds = table(Z)
    batch = pygbt.train_batch([{}, {"device": "cpu"}], ds, 2, device="cuda")
    assert [job.params["device"] for job in batch.jobs] == ["cuda", "cuda"]
    assert {model.digest() for model in batch} == {pygbt.train({}, ds, 2).digest()}


# ---- failures ------------------------------------------------------------------------------------------------------


BROKEN = {"objective": "gamma"}  # its labels must be positive


def test_one_failure_does_not_lose_the_others(n_threads: int) -> None:
    ds = table(Z)
    params = [{"max_depth": 2}, BROKEN, {"max_depth": 3}]
    with pytest.raises(pygbt.BatchError, match=r"model 1 \(params\[1\], the table\) failed: ValueError") as caught:
        pygbt.train_batch(params, ds, ROUNDS, n_threads=n_threads)
    assert isinstance(caught.value.__cause__, ValueError)
    kept = pygbt.train_batch(params, ds, ROUNDS, n_threads=n_threads, on_error="keep")
    for batch in (caught.value.batch, kept):
        assert batch.finished == [0, 2]
        assert list(batch.errors) == [1]
        assert batch.get(1) is None
        assert batch[2].digest() == pygbt.train(params[2], ds, ROUNDS).digest()
        with pytest.raises(pygbt.BatchError, match="model 1 .* failed"):
            batch[1]


def test_a_part_that_cannot_be_made_fails_its_models() -> None:
    ds = pygbt.Dataset(X, np.digitize(Z, [0.0]).astype(float), group=[8] * (N // 8))
    ids = np.arange(N) // 12  # the second id begins within a query
    batch = pygbt.train_batch(
        [{"objective": "lambdarank"}, {"objective": "rank_pairwise"}],
        ds,
        2,
        segments=np.minimum(ids, 2),
        on_error="keep",
    )
    assert batch.errors
    assert all(isinstance(error, ValueError) for error in batch.errors.values())


def test_a_wrong_parameter_is_told_before_anything_is_trained() -> None:
    ds = table(Z)
    with pytest.raises(ValueError, match=r"params\[1\]: unknown parameter 'max_dept'"):
        pygbt.train_batch([{}, {"max_dept": 3}], ds, 10**9)
    batch = pygbt.train_batch([{}, {"max_dept": 3}], ds, 2, on_error="keep")
    assert list(batch.errors) == [1]
    assert batch.finished == [0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folds": FOLDS, "segments": np.zeros(N)}, "folds and segments divide the table"),
        ({"segments": np.zeros(N - 1)}, "one id a row"),
        ({"segments": np.full(N, np.nan)}, "some ids are missing"),
        ({"weights": [np.ones(N - 1)]}, "one array of shape"),
        ({"targets": True}, "targets must be True"),
        ({"bins": "own"}, 'bins="own" belongs to folds'),
        ({"folds": FOLDS, "bins": "mine"}, "bins must be"),
        ({"folds": []}, "folds is empty"),
        ({"folds": [([0], [N])]}, r"folds\[0\]"),
        ({"on_error": "ignore"}, "on_error must be"),
        ({"models_on_device": 0}, "models_on_device"),
        ({"max_memory": 1000}, "max_memory=1000 is less than model 0"),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pygbt.train_batch({}, table(Z), 10**9, **arguments)


def test_evaluation_sets_of_folds_are_their_own() -> None:
    ds = table(Z)
    with pytest.raises(ValueError, match="leave evals out"):
        pygbt.train_batch({}, ds, 3, folds=FOLDS, evals=[(ds, "train")])
    with pytest.raises(TypeError, match="Dataset"):
        pygbt.train_batch({}, X, 3)  # type: ignore[arg-type]


def test_evaluation_sets_by_key() -> None:
    ds = table(Z)
    ids = np.arange(N) % 2
    tables = {key: ds.subset(ids == key) for key in (0, 1)}
    batch = pygbt.train_batch({}, ds, 4, segments=ids, evals=lambda key: [(tables[1 - key], "other")])
    for key in (0, 1):
        alone = pygbt.train({}, tables[key], 4, [(tables[1 - key], "other")])
        assert batch[key].evals_result == alone.evals_result


def test_no_models() -> None:
    assert len(pygbt.train_batch([], table(Z), 3)) == 0
