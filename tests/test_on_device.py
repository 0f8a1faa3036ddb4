# SPDX-License-Identifier: Apache-2.0
"""Objectives and metrics on arrays of the GPU: the model of the same function in NumPy, byte for byte."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from cuda_cases import signal

import pygbt
from pygbt import device_arrays, devices

Arrays = tuple[np.ndarray, np.ndarray]


def table(k: int, n: int = 500) -> pygbt.Dataset:
    X, z = signal(n, 3)
    y = np.column_stack([z, -z, np.sin(z)][:k]).astype(np.float32)
    return pygbt.Dataset(X, y)


def pseudo_huber(margins: np.ndarray, data: pygbt.Dataset) -> Arrays:
    """Float32 operations that are rounded alike everywhere."""
    residual = margins - np.asarray(data.label, np.float32).reshape(margins.shape)
    scale = np.sqrt(residual * residual + np.float32(1))
    return residual / scale, np.float32(1) / scale


def host(array: Any) -> np.ndarray:
    """What a function was given, for functions that compute on the host here: there is no cupy."""
    seen = device_arrays.view(array)
    assert seen is not None
    return seen.numpy()


class Foreign:
    """An array of another library."""

    def __init__(self, array: pygbt.DeviceArray) -> None:
        self.array = array

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.array.__cuda_array_interface__


def transposed(x: np.ndarray) -> pygbt.DeviceArray:
    """`x` in Fortran order on the device."""
    base = device_arrays.put(np.ascontiguousarray(x.T))
    return pygbt.DeviceArray(base.pointer, x.shape, x.dtype, strides=base.strides[::-1], owner=base)


def gaps(x: np.ndarray) -> pygbt.DeviceArray:
    """Every third element of a longer array, from the end."""
    wide = np.zeros((*x.shape[:-1], 3 * x.shape[-1]), x.dtype)
    wide[..., ::-3] = x
    base = device_arrays.put(wide)
    strides = (*base.strides[:-1], -3 * x.itemsize)
    return pygbt.DeviceArray(
        base.pointer + (wide.shape[-1] - 1) * x.itemsize, x.shape, x.dtype, strides=strides, owner=base
    )


RETURNS: dict[str, Callable[[np.ndarray], Any]] = {
    "DeviceArray": device_arrays.put,
    "foreign": lambda x: Foreign(device_arrays.put(x)),
    "float64": lambda x: device_arrays.put(x.astype(np.float64)),
    "Fortran order": transposed,
    "gaps": gaps,
    "host": lambda x: x,
}


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("returns", RETURNS)
def test_the_same_model(cuda: str, k: int, returns: str) -> None:
    data = table(k)
    expected = pygbt.train({"n_classes": k, "max_depth": 3}, data, 4, objective=pseudo_huber).digest()
    give = RETURNS[returns]

    @pygbt.on_device
    def marked(margins: Any, ds: pygbt.Dataset) -> Any:
        g, h = pseudo_huber(host(margins), ds)
        return give(g), device_arrays.put(h)

    def plain(margins: Any, ds: pygbt.Dataset) -> Any:
        assert isinstance(margins, np.ndarray)
        g, h = pseudo_huber(margins, ds)
        return give(g), give(h)

    params = {"device": "cuda", "n_classes": k, "max_depth": 3}
    for objective in (marked, plain):
        assert pygbt.train(params, data, 4, objective=objective).digest() == expected


def test_gradients_with_heavy_tails(cuda: str) -> None:
    """The precision of the histograms follows from them: a backend may guess it and have to think again."""

    def heavy(margins: np.ndarray, data: pygbt.Dataset) -> Arrays:
        g, h = pseudo_huber(margins, data)
        far = 1e4 if margins[0] < 0.1 else 1.0
        return g * np.where(np.arange(len(g)) % 97 == 0, far, 1).astype(np.float32), h

    def marked(margins: Any, ds: pygbt.Dataset) -> Any:
        return tuple(map(device_arrays.put, heavy(host(margins), ds)))

    data = table(1)
    expected = pygbt.train({"max_depth": 3}, data, 6, objective=heavy).digest()
    params = {"device": "cuda", "max_depth": 3}
    assert pygbt.train(params, data, 6, objective=pygbt.on_device(marked)).digest() == expected
    assert pygbt.train(params, data, 6, objective=heavy).digest() == expected


def test_margins_are_the_engines_own(cuda: str) -> None:
    pointers, values = set(), []

    @pygbt.on_device
    def objective(margins: Any, ds: pygbt.Dataset) -> Any:
        seen = device_arrays.view(margins)
        assert seen is not None and seen.shape == (500,) and seen.dtype == np.float32
        pointers.add(seen.pointer)
        values.append(seen.numpy())
        return pseudo_huber(seen.numpy(), ds)

    model = pygbt.train({"device": "cuda"}, data := table(1), 3, objective=objective)
    assert len(pointers) == 1  # no copy
    for i, margins in enumerate(values):
        assert np.array_equal(margins, model.predict(signal(500, 3)[0], output="margin", iteration_range=(0, i)))
    del data


def test_on_the_cpu_it_is_given_numpy() -> None:
    @pygbt.on_device
    def objective(margins: Any, ds: pygbt.Dataset) -> Any:
        """Docs stay."""
        assert isinstance(margins, np.ndarray)
        return pseudo_huber(margins, ds)

    assert objective.__doc__ == "Docs stay." and objective.__name__ == "objective"
    found = pygbt.train({}, table(1), 3, objective=objective).digest()
    assert found == pygbt.train({}, table(1), 3, objective=pseudo_huber).digest()
    with pytest.raises(TypeError, match="marks a callable"):
        pygbt.on_device(3)  # type: ignore[arg-type]


BAD: dict[str, tuple[Callable[[np.ndarray, np.ndarray], Any], type[Exception], str]] = {
    "nan": (lambda g, h: (np.where(np.arange(len(g)) == 7, np.nan, g), h), ValueError, "gradient must be finite"),
    "overflow": (lambda g, h: (np.full(len(g), 1e300), h), ValueError, "gradient must be finite"),
    "inf": (lambda g, h: (g, h + np.float32(np.inf)), ValueError, "hessian must be finite"),
    "negative": (lambda g, h: (g, h - np.float32(2)), ValueError, "hessian must not be negative"),
    "shape": (lambda g, h: (g[1:], h), ValueError, r"gradient must have shape \(500, 1\), got \(499,\)"),
    "one": (lambda g, h: (g,), ValueError, "two arrays"),
}


@pytest.mark.parametrize("what", BAD)
@pytest.mark.parametrize("where", ["host", "device"])
def test_refusals_are_those_of_the_host(cuda: str, what: str, where: str) -> None:
    change, error, match = BAD[what]

    @pygbt.on_device
    def objective(margins: Any, ds: pygbt.Dataset) -> Any:
        found = change(*pseudo_huber(host(margins), ds))
        return tuple(map(device_arrays.put, found)) if where == "device" else found

    with pytest.raises(error, match=match), np.errstate(over="ignore"):
        pygbt.train({"device": "cuda", "max_depth": 2}, table(1), 2, objective=objective)


def test_refusals_of_arrays(cuda: str) -> None:
    def train(change: Callable[[pygbt.DeviceArray], Any]) -> None:
        def objective(margins: Any, ds: pygbt.Dataset) -> Any:
            g, h = pseudo_huber(margins, ds)
            return device_arrays.put(g), change(device_arrays.put(h))

        pygbt.train({"device": "cuda", "max_depth": 2}, table(1), 2, objective=objective)

    def elsewhere(a: pygbt.DeviceArray) -> pygbt.DeviceArray:
        return pygbt.DeviceArray(a.pointer, a.shape, a.dtype, ordinal=3, owner=a)

    def crooked(a: pygbt.DeviceArray) -> pygbt.DeviceArray:
        return pygbt.DeviceArray(a.pointer, a.shape, a.dtype, strides=(3,), owner=a)

    with pytest.raises(TypeError, match="hessian on the GPU is int32; make it float32 or float64"):
        train(lambda a: device_arrays.put(a.numpy().astype(np.int32)))
    with pytest.raises(ValueError, match="hessian lies on cuda:3, the training on cuda:0"):
        train(elsewhere)
    with pytest.raises(ValueError, match="not aligned"):
        train(crooked)
    train(lambda a: a)


def test_metrics_of_predictions_on_the_device(cuda: str) -> None:
    X, z = signal(400, 8)
    given: list[np.ndarray] = []

    @pygbt.on_device
    def mean(predictions: Any, ds: pygbt.Dataset) -> tuple[str, float]:
        given.append(host(predictions) if device_arrays.view(predictions) is not None else predictions)
        return "mean", float(given[-1].sum(dtype=np.float64))

    results = []
    for objective, y in (("logistic", z > 0), ("softmax", np.digitize(z, [-1, 1])), ("squared_error", z)):
        data = pygbt.Dataset(X, y.astype(np.float32))
        valid = pygbt.Dataset(X[:150], y[:150].astype(np.float32), reference=data)
        for device in ("cpu", "cuda"):
            model = pygbt.train(
                {"objective": objective, "device": device}, data, 3, [(data, "a"), (valid, "b")], metric=mean
            )
            results.append((model.digest(), model.evals_result))
            assert given[-1].shape == ((150,) if objective != "softmax" else (150, 3))
        assert results[-1] == results[-2]


def test_nothing_is_left_behind(cuda: str) -> None:
    module = devices.load_cuda()
    data = table(1)
    gc.collect()
    before = module.allocated_bytes()

    @pygbt.on_device
    def objective(margins: Any, ds: pygbt.Dataset) -> Any:
        g, h = pseudo_huber(host(margins), ds)
        return device_arrays.put(g), h

    for _ in range(5):
        pygbt.train({"device": "cuda", "max_depth": 2}, data, 2, objective=objective)
    gc.collect()
    assert module.allocated_bytes() == before


@pytest.mark.gpu
def test_an_objective_in_cupy() -> None:
    cupy = pytest.importorskip("cupy")
    data = table(3)
    y = cupy.asarray(data.label)

    @pygbt.on_device
    def objective(margins: Any, ds: pygbt.Dataset) -> Any:
        assert isinstance(margins, cupy.ndarray)
        residual = margins - y
        return cupy.clip(residual, -1, 1), cupy.broadcast_to(cupy.ones(1, cupy.float32), margins.shape)

    def same(margins: np.ndarray, ds: pygbt.Dataset) -> Arrays:
        return np.clip(margins - ds.label, -1, 1), np.ones_like(margins)

    expected = pygbt.train({"n_classes": 3}, data, 5, objective=same).digest()
    assert pygbt.train({"device": "cuda", "n_classes": 3}, data, 5, objective=objective).digest() == expected


@pytest.mark.gpu
def test_an_objective_in_torch() -> None:
    torch = pytest.importorskip("torch")
    data = table(1)
    y = torch.tensor(np.asarray(data.label).ravel(), device="cuda")

    @pygbt.on_device
    def objective(margins: Any, ds: pygbt.Dataset) -> Any:
        residual = torch.as_tensor(margins, device="cuda") - y
        return residual.clamp(-1, 1), torch.ones_like(residual)

    def same(margins: np.ndarray, ds: pygbt.Dataset) -> Arrays:
        return np.clip(margins - np.asarray(ds.label).reshape(margins.shape), -1, 1), np.ones_like(margins)

    expected = pygbt.train({}, data, 5, objective=same).digest()
    assert pygbt.train({"device": "cuda"}, data, 5, objective=objective).digest() == expected
