# SPDX-License-Identifier: Apache-2.0
"""device="cuda" is device="cpu", byte for byte: on a GPU where there is one, and by the emulator everywhere.

The operations one by one are held against the naive backend in test_backend_seam.py and its neighbours.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from emulator import EMULATED, as_cuda

import pygbt
from pygbt import devices, parameters

#: Whatever decides which kernels run and on what, by name.
CONFIGS: dict[str, dict[str, Any]] = {
    "squared_error": {"objective": "squared_error"},
    "absolute_error": {"objective": "absolute_error", "max_depth": 3},
    "huber": {"objective": "huber", "huber_delta": 0.7},
    "quantile": {"objective": "quantile", "quantile_alpha": [0.2, 0.8], "max_depth": 3},
    "poisson": {"objective": "poisson"},
    "gamma": {"objective": "gamma"},
    "tweedie": {"objective": "tweedie", "tweedie_variance_power": 1.3},
    "logistic": {"objective": "logistic", "scale_pos_weight": 2.0},
    "softmax": {"objective": "softmax", "max_depth": 3},
    "one_vs_rest": {"objective": "one_vs_rest", "max_depth": 3},
    "vector_leaf": {"objective": "softmax", "multi_strategy": "vector_leaf", "max_depth": 3},
    "soft_labels": {"objective": "softmax", "max_depth": 3},
    "lossguide": {"objective": "squared_error", "grow_policy": "lossguide", "max_leaves": 20, "max_depth": 0},
    "symmetric": {"objective": "squared_error", "grow_policy": "symmetric", "max_depth": 4},
    "symmetric_vector": {
        "objective": "softmax", "grow_policy": "symmetric", "max_depth": 3, "multi_strategy": "vector_leaf",
    },
    "wide": {"objective": "squared_error", "histogram_precision": "wide"},
    "monotone": {"objective": "squared_error", "monotone_constraints": {"f0": 1, "f1": -1}},
    "interaction": {"objective": "squared_error", "interaction_constraints": [["f0", "f1"], ["f2", "f3", "f4"]]},
    "sampled": {"objective": "logistic", "subsample": 0.6, "colsample_bytree": 0.7, "colsample_bynode": 0.8},
    "counted": {"objective": "squared_error", "min_child_samples": 20},
    "penalised": {"objective": "squared_error", "reg_alpha": 0.5, "max_delta_step": 0.3, "min_split_gain": 0.1},
    "max_leaves": {"objective": "squared_error", "max_leaves": 11, "max_depth": 5},
}  # fmt: skip

#: Tables, by name: dense with missing values, categories (few and many), weights, sparse, features of 600 bins.
TABLES = ["dense", "categories", "weighted", "sparse", "two_byte"]


@pytest.fixture(params=["emulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def cuda(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "gpu":
        yield "gpu"
        return
    if EMULATED is None:
        pytest.skip("this build has no emulator")
    with as_cuda():
        yield "emulated"


def signal(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 6)).astype(np.float32)
    X[:, 3] = rng.integers(0, 5, n)
    X[:, 4] = np.where(rng.random(n) < 0.9, 0.0, X[:, 4])
    z = X[:, 0] + np.sin(2 * X[:, 1]) * X[:, 2] + 0.5 * X[:, 3] + 0.3 * rng.standard_normal(n)
    X[rng.random(X.shape) < 0.1] = np.nan
    return X, z


def labels(name: str, z: np.ndarray) -> np.ndarray:
    objective = CONFIGS[name]["objective"]
    if name == "soft_labels":
        raw = np.exp(np.column_stack([z, -z, np.sin(z)]))
        return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32)
    if objective == "logistic":
        return (z > np.median(z)).astype(np.float32)
    if objective in ("softmax", "one_vs_rest"):
        return np.digitize(z, np.quantile(z, [0.3, 0.7])).astype(np.float32)
    if objective in ("poisson", "gamma", "tweedie"):
        return np.round(np.exp(np.clip(z / 3, -2, 2)) + 0.5).astype(np.float32)
    return z.astype(np.float32)


def dataset(kind: str, name: str, n: int = 700, seed: int = 0) -> pygbt.Dataset:
    X, z = signal(n, seed)
    y = labels(name, z)
    rng = np.random.default_rng(seed + 1)
    names = [f"f{i}" for i in range(6)]
    if kind == "categories":
        X[:, 3] = rng.integers(0, 3, n)
        X[:, 5] = rng.zipf(1.6, n) % 90
        return pygbt.Dataset(X, y, feature_names=names, categorical_features=["f3", "f5"])
    if kind == "weighted":
        return pygbt.Dataset(X, y, weight=rng.integers(0, 4, n).astype(float), feature_names=names)
    if kind == "sparse":
        sparse = pytest.importorskip("scipy.sparse")
        return pygbt.Dataset(sparse.csr_matrix(np.nan_to_num(X) * (rng.random(X.shape) < 0.2)), y, feature_names=names)
    if kind == "two_byte":
        return pygbt.Dataset(X, y, max_bin=600, feature_names=names)
    return pygbt.Dataset(X, y, feature_names=names)


def fit(params: dict[str, Any], data: pygbt.Dataset, device: str, rounds: int = 3) -> pygbt.Booster:
    return pygbt.train({"max_depth": 4, **params, "device": device}, data, rounds)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_kind_of_training(cuda: str, name: str) -> None:
    for kind in TABLES:
        data = dataset(kind, name)
        expected = fit(CONFIGS[name], data, "cpu")
        assert expected.n_trees > 0 and max(len(t["feature"]) for t in core_trees(expected)) > 3
        assert fit(CONFIGS[name], data, "cuda").digest() == expected.digest(), kind


def core_trees(model: pygbt.Booster) -> list[dict[str, np.ndarray]]:
    return [model._model.tree(i) for i in range(model.n_trees)]


def test_stopping_and_continuing(cuda: str) -> None:
    runs = []
    for device in ("cpu", "cuda"):
        data = dataset("dense", "logistic")
        X, z = signal(300, 9)
        valid = pygbt.Dataset(X, (z > np.median(z)).astype(np.float32), reference=data)
        params = {"objective": "logistic", "device": device, "learning_rate": 0.5, "max_depth": 4}
        first = pygbt.train(params, data, 30, evals=[(valid, "valid")], early_stopping_rounds=2)
        more = pygbt.train(params, data, 2, init_model=first)
        runs.append((first.best_iteration, first.digest(), more.digest()))
    assert runs[0] == runs[1]
    assert 0 < runs[0][0] < 29


def test_a_custom_objective(cuda: str) -> None:
    def objective(margins: np.ndarray, data: pygbt.Dataset) -> tuple[np.ndarray, np.ndarray]:
        return np.tanh(margins - y), np.ones_like(margins)

    X, z = signal(500, 3)
    y = z.astype(np.float32)
    found = {
        device: pygbt.train({"device": device}, pygbt.Dataset(X, y), 3, objective=objective).digest()
        for device in ("cpu", "cuda")
    }
    assert found["cpu"] == found["cuda"]


def test_order_of_threads_and_blocks(cuda: str) -> None:
    data = dataset("categories", "logistic")
    digests = {fit(CONFIGS["logistic"], data, "cuda").digest() for _ in range(3)}
    assert len(digests) == 1


def test_training_leaves_nothing_behind(cuda: str) -> None:
    data = dataset("dense", "logistic", 200)
    module = devices.load_cuda()
    gc.collect()
    before = module.allocated_bytes()
    for _ in range(20):
        model = fit(CONFIGS["logistic"], data, "cuda", 1)
    gc.collect()
    assert model.n_trees == 1
    assert module.allocated_bytes() == before


def test_devices_by_number(cuda: str) -> None:
    data = dataset("dense", "logistic", 100)
    zero = fit(CONFIGS["logistic"], data, "cuda:0", 1)
    assert zero.digest() == fit(CONFIGS["logistic"], data, "gpu", 1).digest()
    with pytest.raises(ValueError, match="cuda:99"):
        fit(CONFIGS["logistic"], data, "cuda:99", 1)
    fit(CONFIGS["logistic"], data, "cuda", 1)
    for wrong in ("cuda:", "cuda:x", "cuda:-1", "cpu:0", "cuda:1.5"):
        with pytest.raises(ValueError, match="device"):
            parameters.canonical({"device": wrong})


def test_a_build_without_cuda_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "MODULE", "pygbt._no_such_module")
    for device in ("cuda", "cuda:0", "gpu"):
        with pytest.raises(NotImplementedError, match="no CUDA backend"):
            parameters.canonical({"device": device})
    assert devices.facts() == {"cuda": "not part of this build"}


def test_a_machine_without_a_device_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoDevices:
        @staticmethod
        def devices() -> list[str]:
            return []

    monkeypatch.setattr(devices.importlib, "import_module", lambda name: NoDevices)
    with pytest.raises(NotImplementedError, match="no CUDA device"):
        parameters.canonical({"device": "cuda"})
