# SPDX-License-Identifier: Apache-2.0
"""device="cuda" is device="cpu", byte for byte: on a GPU where there is one, and by the emulator everywhere.

The operations one by one are held against the naive backend in test_backend_seam.py and its neighbours.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import numpy as np
import pytest
from cuda_cases import CONFIGS, TABLES, dataset, fit, signal
from emulator import EMULATED, as_cuda

import pygbt
from pygbt import devices, parameters

@pytest.fixture(params=["emulated", pytest.param("gpu", marks=pytest.mark.gpu)])
def cuda(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "gpu":
        yield "gpu"
        return
    if EMULATED is None:
        pytest.skip("this build has no emulator")
    with as_cuda():
        yield "emulated"


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
