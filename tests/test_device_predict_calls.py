# SPDX-License-Identifier: Apache-2.0
"""Calls of prediction on a device: arrays of other libraries, what is refused, what stays there between calls."""

from __future__ import annotations

import functools
import gc
import threading
from typing import Any

import numpy as np
import pytest
from cuda_cases import CONFIGS, dataset, fit, signal
from emulator import as_cuda
from test_device_arrays import Dlpack, Interface, strided

import pygbt
from pygbt import device_arrays, devices

# --- the interface --------------------------------------------------------------------------------------------------


@functools.cache
def logistic_model() -> pygbt.Booster:
    return fit(CONFIGS["logistic"], dataset("dense", "logistic"), "cpu", rounds=8)


@pytest.fixture
def trained(cuda: str) -> tuple[pygbt.Booster, np.ndarray]:
    """A model that no other device holds, and a table."""
    return logistic_model()[:], signal(200, 11)[0]


def test_arrays_of_other_libraries(cuda: str, trained: tuple[pygbt.Booster, np.ndarray]) -> None:
    booster, X = trained
    there = device_arrays.put(X)
    expected = booster.predict(X).tobytes()
    for x in (there, Interface(there), Dlpack(there, True), Dlpack(there, False)):
        found = booster.predict(x)
        assert isinstance(found, pygbt.DeviceArray)
        assert found.shape == (200,) and found.numpy().tobytes() == expected
        assert booster.predict(x, device="cuda:0").numpy().tobytes() == expected
    assert booster.predictor().predict(there).numpy().tobytes() == expected


def test_margins_of_any_type_and_place(cuda: str) -> None:
    for name in ("logistic", "softmax"):
        booster = fit(CONFIGS[name], dataset("dense", name), "cpu", rounds=3)
        X, _ = signal(80, 1)
        k = booster.n_outputs
        whole = np.random.default_rng(0).normal(size=(80, k + 2)) * 3
        for dtype in (np.float32, np.float64, np.int8, np.int64, np.uint64):
            numbers = np.abs(whole).astype(dtype)
            if dtype in (np.int64, np.uint64):
                numbers[::3] = 2**60 + 3
            margin = numbers[:, 1 : k + 1]
            expected = booster.predict(X, base_margin=margin, output="margin").tobytes()
            there = strided(margin, device_arrays.put(numbers), numbers)
            for x in (device_arrays.put(X), X):
                for given_margin in (there, margin, Interface(there)):
                    found = booster.predict(x, base_margin=given_margin, output="margin", device="cuda")
                    found = found if isinstance(found, np.ndarray) else found.numpy()
                    assert found.tobytes() == expected, (name, dtype)
        if k == 1:
            flat = device_arrays.put(np.float32(whole[:, 0]))
            found = booster.predict(device_arrays.put(X), base_margin=flat)
            assert found.numpy().tobytes() == booster.predict(X, base_margin=np.float32(whole[:, 0])).tobytes()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_margins_must_be_finite(cuda: str, trained: tuple[pygbt.Booster, np.ndarray], bad: float) -> None:
    booster, X = trained
    margin = np.zeros(len(X))
    margin[-1] = bad
    there = device_arrays.put(X)
    for given_margin in (device_arrays.put(margin), margin):
        with pytest.raises(ValueError, match="base_margin must be finite"):
            booster.predict(there, base_margin=given_margin)
    assert booster.predict(there).numpy().tobytes() == booster.predict(X).tobytes()


def test_what_is_refused(cuda: str, trained: tuple[pygbt.Booster, np.ndarray]) -> None:
    booster, X = trained
    there = device_arrays.put(X)
    for x, match in (
        (device_arrays.put(X[:, :3]), "X has 3 features, but Booster is expecting 6"),
        (device_arrays.put(X[0]), "2D"),
        (device_arrays.put(X.astype(np.float16)), "float16"),
        (device_arrays.put(X.astype(np.complex64)), "complex64"),
        (pygbt.DeviceArray(there.pointer, there.shape, ">f4", owner=there), ">f4"),
    ):
        with pytest.raises(ValueError, match=match):
            booster.predict(x)
    for arguments, error, match in (
        ({"output": "contrib"}, NotImplementedError, "contrib"),
        ({"output": "shap"}, ValueError, "output must be"),
        ({"device": "cuda:99"}, ValueError, "cuda:99"),
        ({"device": "naive"}, ValueError, "to predict"),
        ({"iteration_range": (0, 99)}, ValueError, "iteration_range"),
        ({"base_margin": np.zeros((200, 2))}, ValueError, "base_margin must have shape"),
        ({"base_margin": device_arrays.put(np.zeros((200, 2)))}, ValueError, "base_margin must have shape"),
        ({"base_margin": device_arrays.put(np.zeros(7))}, ValueError, "base_margin must have 1 values for each of"),
        ({"base_margin": np.zeros(7)}, ValueError, "base_margin must have 1 values for each of"),
        ({"base_margin": device_arrays.put(np.zeros(200, np.float16))}, ValueError, "base_margin has dtype float16"),
    ):
        with pytest.raises(error, match=match):
            booster.predict(there, **arguments)
    assert booster.predict(there).numpy().tobytes() == booster.predict(X).tobytes()


def test_estimators(cuda: str) -> None:
    pytest.importorskip("sklearn")
    X, z = signal(300, 12)
    there = device_arrays.put(X)
    y3 = np.digitize(z, [-0.5, 0.8])
    margin = np.linspace(-1, 1, 300, dtype=np.float32)

    def same(found: Any, expected: np.ndarray) -> None:
        assert isinstance(found, pygbt.DeviceArray)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.numpy().tobytes() == expected.tobytes()

    regressor = pygbt.GBTRegressor(n_estimators=5).fit(X, z)
    same(regressor.predict(there), regressor.predict(X))
    same(regressor.predict(there, base_margin=margin), regressor.predict(X, base_margin=margin))
    same(regressor.apply(there), regressor.apply(X))
    two = pygbt.GBTRegressor(n_estimators=5).fit(X, np.column_stack([z, -z]))
    same(two.predict(there, iteration_range=(1, 3)), two.predict(X, iteration_range=(1, 3)))
    many = np.digitize(z, np.quantile(z, np.arange(1, 12) / 12))
    for y in (z > 0, (z > 0) * 2.0, y3.astype(np.int64) * 10, y3.astype(np.uint8), many):
        classifier = pygbt.GBTClassifier(n_estimators=4, max_depth=3).fit(X, y)
        for method in ("predict", "predict_proba", "decision_function", "apply"):
            same(getattr(classifier, method)(there), getattr(classifier, method)(X))
    shares = pygbt.GBTClassifier(n_estimators=4, objective="one_vs_rest").fit(X, y3)
    same(shares.predict_proba(there), shares.predict_proba(X))
    text = pygbt.GBTClassifier(n_estimators=4).fit(X, np.array(["a", "b", "c"])[y3])
    same(text.predict_proba(there), text.predict_proba(X))
    with pytest.raises(TypeError, match="classes_"):
        text.predict(there)
    with pytest.raises(ValueError, match="X has 2 features, but GBTClassifier is expecting 6"):
        text.predict_proba(device_arrays.put(X[:, :2]))


# --- what stays on the device ---------------------------------------------------------------------------------------


def test_the_model_stays_and_goes_with_its_owner(cuda: str) -> None:
    X, _ = signal(300, 13)
    booster = fit(CONFIGS["softmax"], dataset("categories", "softmax"), "cpu", rounds=4)
    module = devices.load_cuda()
    there = device_arrays.put(X)
    gc.collect()
    before = module.allocated_bytes()
    for n in (1, 300):  # both paths
        booster.predict(X[:n], device="cuda")
    held = module.allocated_bytes()
    assert held > before
    for _ in range(3):
        booster.predict(X, device="cuda")
        booster.predict(X[:1], device="cuda")
        booster.predict(there)
        gc.collect()
        assert module.allocated_bytes() == held
    half = booster[:2]
    half.predict(X, device="cuda")
    assert held < module.allocated_bytes() < 2 * held
    del half, booster
    gc.collect()
    assert module.allocated_bytes() == before


def test_a_call_waits_once(cuda: str, trained: tuple[pygbt.Booster, np.ndarray]) -> None:
    booster, X = trained
    module = devices.load_cuda()
    for n in (1, 100):
        there = device_arrays.put(X[:n])
        booster.predict(there)
        before = module.waits()
        booster.predict(there)
        assert module.waits() - before == 1
        booster.predict(X[:5], device="cuda")
        assert module.waits() - before == 2


def test_many_threads(cuda: str, trained: tuple[pygbt.Booster, np.ndarray]) -> None:
    booster, X = trained
    fresh = booster[:]
    expected = fresh.predict(X).tobytes()
    leaves = fresh.predict(X[:5], "leaf").tobytes()
    wrong: list[str] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        for _ in range(3):
            if fresh.predict(X, device="cuda").tobytes() != expected:
                wrong.append("scores")
            if fresh.predict(device_arrays.put(X[:5]), "leaf").numpy().tobytes() != leaves:
                wrong.append("leaves")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_memory_that_runs_out(cuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if cuda != "emulated":
        pytest.skip("the emulator's memory is what a test can set")
    X, z = signal(3000, 14)
    booster = pygbt.train({"max_depth": 8}, pygbt.Dataset(X, z), 60)
    module = devices.load_cuda()
    gc.collect()
    before = module.allocated_bytes()
    monkeypatch.setenv("PYGBT_EMULATED_MIB", "0")
    with pytest.raises(MemoryError, match="out of memory"):
        booster.predict(X, device="cuda")
    assert module.allocated_bytes() == before
    monkeypatch.undo()
    with as_cuda():
        assert booster.predict(X, device="cuda").tobytes() == booster.predict(X).tobytes()


# --- on a GPU -------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
@pytest.mark.parametrize("library", ["cupy", "torch", "jax"])
def test_arrays_of_libraries(library: str) -> None:
    pytest.importorskip(library)
    devices.load_cuda()
    X, z = signal(5000, 15)
    booster = pygbt.train({"objective": "logistic"}, pygbt.Dataset(X, z > 0), 30)
    there = to_library(library, X)
    for output in ("value", "margin", "leaf"):
        found = booster.predict(there, output)
        assert type(found).__module__.partition(".")[0] in (library, library + "lib")
        assert to_host(found).tobytes() == booster.predict(X, output).tobytes()
    margin = np.linspace(-1, 1, len(X), dtype=np.float32)
    found = booster.predict(there, base_margin=to_library(library, margin))
    assert to_host(found).tobytes() == booster.predict(X, base_margin=margin).tobytes()
    assert to_host(booster.predict(there.T.T[:100])).tobytes() == booster.predict(X[:100]).tobytes()
    if library != "jax":  # float64 only where it is switched on
        classifier = pygbt.GBTClassifier(n_estimators=5).fit(X, z > 0)
        assert to_host(classifier.predict_proba(there)).tobytes() == classifier.predict_proba(X).tobytes()


def to_library(library: str, x: np.ndarray) -> Any:
    if library == "cupy":
        import cupy

        return cupy.asarray(x)
    if library == "torch":
        import torch

        return torch.from_numpy(x.copy()).to("cuda")
    import jax

    return jax.device_put(x, jax.devices("gpu")[0])


def to_host(x: Any) -> np.ndarray:
    if hasattr(x, "get"):
        return np.asarray(x.get())
    return np.asarray(x.cpu().numpy()) if hasattr(x, "cpu") else np.asarray(x)
