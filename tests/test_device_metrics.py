# SPDX-License-Identifier: Apache-2.0
"""Evaluation sets and metrics on the device: every value has the bits of the CPU's, so early stopping stops alike."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from cuda_cases import CONFIGS, TABLES, dataset, labels, signal
from emulator import EMULATED, as_cuda
from hypothesis import given, settings
from hypothesis import strategies as st

import pygbt
from pygbt import devices
from pygbt._core import probe

Spec = dict[str, Any]


@pytest.fixture
def cuda(cuda: str) -> str:
    """The name of the device for the probe."""
    return "cuda" if cuda == "gpu" else cuda


SPECS: dict[str, Spec] = {
    "squared_error": {"objective": "squared_error"},
    "quantile": {"objective": "quantile", "quantile_alpha": [0.3]},
    "poisson": {"objective": "poisson"},
    "gamma": {"objective": "gamma"},
    "tweedie": {"objective": "tweedie", "tweedie_power": 1.3},
    "logistic": {"objective": "logistic"},
    "one_vs_rest": {"objective": "one_vs_rest"},
    "softmax": {"objective": "softmax"},
    "custom": {"objective": "custom"},
}


def fitting(spec: Spec, k: int) -> list[str]:
    names = []
    for name in probe.metric_names():
        try:
            probe.check_metric(name, {**spec, "n_targets": k})
        except ValueError:
            continue
        names.append(name)
    return names


def outcome(name: str, spec: Spec, z: np.ndarray, y: np.ndarray, w: np.ndarray | None, device: str) -> Any:
    """The bits of the value, or the error."""
    try:
        value = probe.metric(name, spec, z, y, w, device=device)
    except ValueError as error:
        return str(error)
    return "nan" if np.isnan(value) else np.float64(value).tobytes()


def assert_same(spec: Spec, z: np.ndarray, y: np.ndarray, w: np.ndarray | None, device: str) -> None:
    names = fitting(spec, z.shape[1])
    assert len(names) >= 7
    for name in names:
        assert outcome(name, spec, z, y, w, device) == outcome(name, spec, z, y, w, "cpu"), name


def problem(rng: np.random.Generator, objective: str, n: int, k: int, ties: bool) -> tuple[np.ndarray, np.ndarray]:
    """Margins (n, k) and labels that the objective allows."""
    z = rng.normal(0, 2, (n, k))
    z = (z.round(1) if ties else z).astype(np.float32)
    if objective in ("softmax", "one_vs_rest"):
        return z, rng.integers(0, k, (n, 1)).astype(np.float32)
    if objective in ("logistic", "custom"):
        return z, (rng.random((n, k)) < 0.4).astype(np.float32)
    if objective in ("poisson", "tweedie", "gamma"):
        return z, (rng.poisson(1, (n, k)) + (objective == "gamma")).astype(np.float32)
    return z, rng.normal(0, 2, (n, k)).astype(np.float32)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("objective", SPECS)
def test_every_metric_of_every_objective(cuda: str, objective: str, weighted: bool) -> None:
    rng = np.random.default_rng(1)
    several = objective in ("softmax", "one_vs_rest")
    for n, k, ties in ((1, 3, False), (65, 3, True), (700, 4, False), (700, 3, True), (900, 1, True), (900, 1, False)):
        if several and k == 1:
            continue
        z, y = problem(rng, objective, n, k, ties)
        w = rng.integers(0, 5, n).astype(np.uint32) if weighted else None
        if w is not None:
            w[0] = 2
        spec = SPECS[objective]
        assert_same(spec, z, y, w, cuda)
        odd = z.copy()
        for bad in (np.nan, np.inf, -np.inf):
            odd[n // 2, k - 1] = bad
            assert_same(spec, odd, y, w, cuda)
        if w is not None:
            w[n // 2] = 0
            if w.any():
                assert_same(spec, odd, y, w, cuda)  # a row of weight 0 may hold anything


def test_labels_of_one_class_and_soft_ones(cuda: str) -> None:
    rng = np.random.default_rng(2)
    z = rng.normal(0, 2, (300, 1)).astype(np.float32)
    for y in (np.zeros((300, 1)), np.ones((300, 1)), rng.random((300, 1)), rng.integers(0, 9, (300, 1)) / 8):
        assert_same(SPECS["logistic"], z, y.astype(np.float32), None, cuda)
        assert_same(SPECS["logistic"], np.zeros_like(z), y.astype(np.float32), None, cuda)
    z = rng.normal(0, 2, (300, 3)).astype(np.float32)
    assert_same(SPECS["softmax"], z, rng.dirichlet([1, 1, 1], 300).astype(np.float32), None, cuda)
    assert_same(SPECS["softmax"], z, np.zeros((300, 1), np.float32), None, cuda)


def test_many_classes(cuda: str) -> None:
    """More than the emulator's scratch memory has room for in all blocks at once."""
    rng = np.random.default_rng(7)
    k = 700
    z, y = rng.normal(size=(150, k)).astype(np.float32), rng.integers(0, k, (150, 1)).astype(np.float32)
    for name in ("mlogloss", "rmse", "mae"):
        assert outcome(name, SPECS["softmax"], z, y, None, cuda) == outcome(name, SPECS["softmax"], z, y, None, "cpu")


def test_refusals_are_those_of_the_host(cuda: str) -> None:
    z = np.zeros((300, 1), np.float32)
    y = np.arange(300, dtype=np.float32)[:, None]
    for spec in (SPECS["squared_error"], SPECS["custom"]):
        assert_same(spec, z, y, None, cuda)
    with pytest.raises(ValueError, match=r"auc and aucpr need labels in \[0, 1\]"):
        probe.metric("auc", SPECS["custom"], z, y, device=cuda)
    with pytest.raises(ValueError, match=r"labels in \[0, 1\]"):
        probe.metric("logloss", SPECS["custom"], z, y, device=cuda)


def test_values_of_every_size(cuda: str) -> None:
    """Limbs from the smallest to the largest, sums of 2^32 rows' weight, groups of equal scores over many blocks."""
    rng = np.random.default_rng(3)
    n = 2000
    z = (rng.normal(size=(n, 1)) * 2.0 ** rng.integers(-140, 120, (n, 1))).astype(np.float32)
    y = (rng.normal(size=(n, 1)) * 2.0 ** rng.integers(-140, 90, (n, 1))).astype(np.float32)
    w = rng.integers(0, 2**32, n, dtype=np.uint64).astype(np.uint32)
    assert_same(SPECS["squared_error"], z, y, w, cuda)
    assert_same(SPECS["logistic"], z, (y > 0).astype(np.float32), w >> np.uint32(8), cuda)
    for runs in (1, 2, 7, 500, n):  # equal scores
        tied = (np.arange(n) // runs % 11).astype(np.float32)[:, None]
        assert_same(SPECS["logistic"], tied, (y > 0).astype(np.float32), w >> np.uint32(8), cuda)
    zeros = np.array([[0.0], [-0.0], [1e-45], [-1e-45]], np.float32)
    assert_same(SPECS["logistic"], zeros, np.array([[1], [0], [1], [0]], np.float32), None, cuda)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_metric(data: st.DataObject) -> None:
    if EMULATED is None:
        pytest.skip("this build has no emulator")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    objective = data.draw(st.sampled_from(sorted(SPECS)))
    k = data.draw(st.integers(2 if objective in ("softmax", "one_vs_rest") else 1, 5))
    n = data.draw(st.integers(1, 400))
    z, y = problem(rng, objective, n, k, data.draw(st.booleans()))
    if data.draw(st.booleans()):
        z[rng.random(z.shape) < 0.01] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    w = rng.integers(0, data.draw(st.sampled_from([2, 100, 2**24])), n).astype(np.uint32)
    w[0] = 1
    assert_same(SPECS[objective], z, y, w, "emulated")


#: The metrics of trainings, by objective.
METRICS: dict[str, list[str]] = {
    "logistic": ["logloss", "error", "auc", "aucpr", "rmse"],
    "softmax": ["mlogloss", "merror", "auc", "mae", "r2"],
    "one_vs_rest": ["logloss", "merror", "aucpr"],
    "squared_error": ["rmse", "mae", "mape", "r2"],
    "quantile": ["quantile", "mae"],
    "poisson": ["poisson_deviance", "rmse"],
    "gamma": ["gamma_deviance"],
    "tweedie": ["tweedie_deviance"],
}


def evaluated(name: str, kind: str, device: str, **arguments: Any) -> pygbt.Booster:
    data = dataset(kind, name)
    other = dataset(kind, name, n=330, seed=4)
    params = {"max_depth": 4, **CONFIGS[name], "device": device}
    metric = METRICS.get(str(params["objective"]), ["mae"])
    return pygbt.train(params, data, 3, evals=[(data, "train"), (other, "other")], metric=metric, **arguments)


@pytest.mark.parametrize("name", CONFIGS)
def test_trainings_are_evaluated_alike(cuda: str, name: str) -> None:
    for kind in TABLES if name in ("logistic", "softmax", "vector_leaf", "sampled") else ("dense", "categories"):
        expected, found = evaluated(name, kind, "cpu"), evaluated(name, kind, "cuda")
        assert found.evals_result == expected.evals_result, kind
        assert found.digest() == expected.digest()
        assert all(np.isfinite(v).all() for scores in found.evals_result.values() for v in scores.values())


def test_evaluation_goes_on_from_a_model(cuda: str) -> None:
    first = evaluated("softmax", "categories", "cpu")
    results = [evaluated("softmax", "categories", device, init_model=first).evals_result for device in ("cpu", "cuda")]
    assert results[0] == results[1]
    assert len(results[0]["other"]["mlogloss"]) == 6


@pytest.mark.parametrize("metric", ["logloss", "auc", "aucpr", "error"])
def test_early_stopping_stops_in_the_same_round(cuda: str, metric: str) -> None:
    runs = []
    for device in ("cpu", "cuda"):
        data = dataset("weighted", "logistic")
        X, z = signal(300, 9)
        valid = pygbt.Dataset(X, labels("logistic", z), reference=data)
        model = pygbt.train(
            {"objective": "logistic", "device": device, "learning_rate": 0.7, "max_depth": 4},
            data,
            40,
            evals=[(data, "train"), (valid, "valid")],
            early_stopping_rounds=3,
            metric=["mae", metric],
        )
        runs.append((model.best_iteration, model.best_score, model.n_iterations, model.evals_result, model.digest()))
    assert runs[0] == runs[1]
    assert runs[0][2] < 40


def test_cross_validation_is_alike(cuda: str) -> None:
    data = dataset("dense", "logistic", 300)
    params = {"objective": "logistic", "max_depth": 3, "eval_metric": ["auc", "logloss"]}
    found = [pygbt.cv({**params, "device": device}, data, 3, nfold=3) for device in ("cpu", "cuda")]
    assert repr(found[0]) == repr(found[1])


def test_metrics_of_users_get_the_same_predictions(cuda: str) -> None:
    given_to: dict[str, list[bytes]] = {"cpu": [], "cuda": []}
    for device, seen in given_to.items():

        def metric(predictions: np.ndarray, ds: pygbt.Dataset, seen: list[bytes] = seen) -> tuple[str, float]:
            seen.append(predictions.tobytes())
            return "n", float(len(predictions))

        data, other = dataset("dense", "softmax"), dataset("dense", "softmax", n=200, seed=4)
        pygbt.train({"objective": "softmax", "device": device}, data, 2, [(data, "a"), (other, "b")], metric=metric)
    assert given_to["cpu"] == given_to["cuda"]


def test_waits_for_the_device(cuda: str) -> None:
    """One a metric and evaluation set: its sum."""
    data, other = dataset("dense", "logistic"), dataset("dense", "logistic", n=200, seed=4)
    module = devices.load_cuda()
    waits = []
    for evals, metrics in (([(data, "a")], ["mae"]), ([(data, "a"), (other, "b")], ["logloss", "auc", "mae"])):
        before = module.waits()
        pygbt.train({"objective": "logistic", "device": "cuda", "max_depth": 3}, data, 5, evals, metric=metrics)
        waits.append(module.waits() - before)
    assert waits[1] - waits[0] == 5 * (2 * 3 - 1)


def test_nothing_is_left_behind(cuda: str) -> None:
    module = devices.load_cuda()
    gc.collect()
    before = module.allocated_bytes()
    for name in ("logistic", "softmax"):
        evaluated(name, "dense", "cuda")
    gc.collect()
    assert module.allocated_bytes() == before


def test_memory_that_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """By an evaluation set, and by a metric that sorts."""
    if EMULATED is None:
        pytest.skip("this build has no emulator")
    with as_cuda():
        module = devices.load_cuda()
        data = dataset("dense", "logistic", 200)
        X, z = signal(120_000, 4)
        large = pygbt.Dataset(X, labels("logistic", z), reference=data)
        gc.collect()
        before = module.allocated_bytes()
        params = {"objective": "logistic", "device": "cuda", "max_depth": 2}
        for mib, metric in (("1", "logloss"), ("3", "auc")):
            monkeypatch.setenv("PYGBT_EMULATED_MIB", mib)
            with pytest.raises(MemoryError, match="out of memory"):
                pygbt.train(params, data, 1, [(large, "l")], metric=metric)
            gc.collect()
            assert module.allocated_bytes() == before
        pygbt.train(params, data, 1, [(large, "l")], metric="logloss")  # a sum needs no room
        monkeypatch.undo()
        small = [(dataset("dense", "logistic", 100, 4), "s")]
        results = [
            pygbt.train({"objective": "logistic", "device": d}, data, 1, small, metric="auc") for d in ("cpu", "cuda")
        ]
        assert results[0].evals_result == results[1].evals_result


@pytest.mark.gpu
def test_large_tables_on_a_gpu() -> None:
    devices.load_cuda()
    rng = np.random.default_rng(5)
    n = 3_000_000
    for ties in (False, True):
        z, y = problem(rng, "logistic", n, 1, ties)
        w = rng.integers(0, 2**24, n).astype(np.uint32)
        assert_same(SPECS["logistic"], z, y, w, "cuda")
    z, y = problem(rng, "softmax", 300_000, 5, False)
    assert_same(SPECS["softmax"], z, y, None, "cuda")
