# SPDX-License-Identifier: Apache-2.0
"""Columns of every sort for tests of a Dataset on a GPU, and what is to be equal."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from pygbt import _core, device_arrays

TYPES = ["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "?"]
MAX_BINS = [2, 3, 16, 256, 257, 65_536]
Array = npt.NDArray[Any]


class Interface:
    """An array of a library that has ``__cuda_array_interface__`` only, of a host array or a part of one."""

    def __init__(self, part: Array, whole: Array | None = None) -> None:
        whole = part if whole is None else whole
        self.memory = device_arrays.put(np.ascontiguousarray(whole).reshape(-1))
        offset = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
        self.interface = {
            "shape": part.shape, "typestr": part.dtype.str, "strides": part.strides, "version": 3, "stream": None,
            "data": (self.memory.pointer + offset, False),
        }  # fmt: skip

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return self.interface


def same(host: _core.Dataset, there: _core.Dataset) -> None:
    """Equal edges and bins, labels and weights."""
    assert (host.device, there.device) == ("cpu", "cuda")
    expected, found = host.cuts.to_arrays(), there.cuts.to_arrays()
    for name in expected:
        assert expected[name].tobytes() == found[name].tobytes(), name
    assert np.array_equal(host.bins(True), there.bins())
    assert host.labels().tobytes() == there.labels().tobytes()
    assert np.array_equal(host.fixed_weights(), there.fixed_weights())


def check(columns: Any, n_categories: Any = None, *, max_device_bytes: int = 0, **arguments: Any) -> _core.Dataset:
    host = _core.Dataset(columns, n_categories, **arguments)
    there = _core.Dataset(columns, n_categories, **arguments, device="cuda", max_device_bytes=max_device_bytes)
    same(host, there)
    return there


def values(kind: str, n: int, rng: np.random.Generator) -> Array:
    """A column as float64; types that cannot hold it take what is left of it."""
    x = rng.standard_normal(n) * 100
    if kind == "few":
        return np.round(x / 100)
    if kind == "heavy":
        return np.where(rng.random(n) < 0.8, 7.0, x)
    if kind == "constant":
        return np.full(n, 3.0)
    if kind == "missing":
        return np.full(n, np.nan)
    if kind == "gaps":
        return np.where(rng.random(n) < 0.3, np.nan, x)
    if kind == "extremes":
        picks = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e308, -1e308, 5e-324, 1e-40, -1e-40, 1.5, 2.0**24 + 1]
        return rng.choice(picks, n)
    return x


KINDS = ["normal", "few", "heavy", "constant", "missing", "gaps", "extremes"]


def cast(x: Array, dtype: str) -> Array:
    if np.dtype(dtype).kind == "f":
        with np.errstate(over="ignore"):
            return x.astype(dtype)
    x = np.clip(np.nan_to_num(x, nan=0.0, posinf=1e6, neginf=-1e6), -(2**40), 2**40)
    return x.astype(np.int64).astype(dtype)
