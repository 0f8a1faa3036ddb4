# SPDX-License-Identifier: Apache-2.0
"""Objectives and metrics that users write: what they are given, and what is made of what they return."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from . import _core, device_arrays
from .data import Dataset
from .device_arrays import DeviceArray

__all__ = ["CustomMetric", "CustomObjective", "on_device"]

CustomObjective = Callable[[Any, Dataset], tuple[Any, Any]]
CustomMetric = Callable[[Any, Dataset], tuple[str, float] | tuple[str, float, bool]]


class OnDevice:
    """A function that `on_device` marked."""

    def __init__(self, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)


def on_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark an objective or a metric that works on arrays on the GPU.

    With ``device="cuda"`` it is given margins or predictions where they lie: a cupy.ndarray if cupy is installed, else
    a `DeviceArray`, which cupy, torch and jax take without a copy. The margins of an objective are the engine's own:
    read them, and only until the function returns. Trained on the CPU, the function is given NumPy arrays.

    An objective may return arrays of any library that has ``__cuda_array_interface__`` or ``__dlpack__``, float32 or
    float64, with any strides; whatever lies on the host is copied to the GPU. Functions that are not marked are given
    NumPy arrays, and may return arrays on the GPU, too.

    >>> @pygbt.on_device
    ... def objective(margins, ds):
    ...     return margins - y, cupy.ones_like(margins)
    >>> pygbt.train({"device": "cuda"}, ds, objective=objective)
    """
    if not callable(function):
        raise TypeError(f"on_device marks a callable, got {type(function).__name__}")
    return OnDevice(function)


def squeezed(shape: tuple[int, int]) -> tuple[int, ...]:
    """The shape that callables see: one output has no axis of its own."""
    return shape[:1] if shape[1] == 1 else shape


def margins_for(
    objective: CustomObjective, trainer: _core.Trainer, shape: tuple[int, int], ordinal: int
) -> npt.NDArray[np.float32] | Any:
    """Margins of the training rows for an objective; `shape` is (n_rows, n_outputs)."""
    if isinstance(objective, OnDevice):
        pointer = trainer.device_scores()
        if pointer is not None:
            array = DeviceArray(pointer, squeezed(shape), np.float32, ordinal=ordinal, owner=trainer)
            return device_arrays.handed_out(array)
    return trainer.scores(-1).reshape(squeezed(shape))


def predictions_for(
    metric: CustomMetric, trainer: _core.Trainer, i: int, n_rows: int, ordinal: int
) -> npt.NDArray[np.float32] | Any:
    """Predictions of evaluation set `i`, -1 the training rows, for a metric."""
    shape = (n_rows, trainer.n_outputs)
    if isinstance(metric, OnDevice) and trainer.on_device:
        array = device_arrays.empty(squeezed(shape), np.float32, ordinal)
        trainer.device_values(i, array.pointer)
        return device_arrays.handed_out(array)
    return trainer.values(i).reshape(squeezed(shape))


def step_custom(
    trainer: _core.Trainer, learning_rate: float, result: Any, shape: tuple[int, int], ordinal: int
) -> None:
    """One round from what an objective returned."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise ValueError("objective must return two arrays: gradient and hessian")
    gradient, hessian = result
    if trainer.on_device:
        views = [device_arrays.view(part) for part in result]
        if any(view is not None for view in views):
            arrays = []  # what is copied to the device lives until the step is done
            for name, part, view in zip(("gradient", "hessian"), result, views, strict=True):
                arrays.append(device_arrays.put(_on_host(name, part, shape), ordinal) if view is None else view)
            g, h = (_given(n, a, shape, ordinal) for n, a in zip(("gradient", "hessian"), arrays, strict=True))
            trainer.step_custom_device(learning_rate, g, h)
            return
    trainer.step_custom(learning_rate, _checked("gradient", gradient, shape), _checked("hessian", hessian, shape))


def _require_shape(name: str, found: tuple[int, ...], shape: tuple[int, int]) -> None:
    if found not in (shape, squeezed(shape)):
        raise ValueError(f"objective: the {name} must have shape {shape}, got {found}")


def _on_host(name: str, part: Any, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    array = np.asarray(part, dtype=np.float32)
    _require_shape(name, array.shape, shape)
    return np.ascontiguousarray(array.reshape(shape))


def _checked(name: str, part: Any, shape: tuple[int, int]) -> npt.NDArray[np.float32]:
    array = _on_host(name, part, shape)
    if not np.isfinite(array).all():
        raise ValueError(f"objective: the {name} must be finite")
    if name == "hessian" and (array < 0).any():
        raise ValueError("objective: the hessian must not be negative")
    return array


def _given(name: str, array: DeviceArray, shape: tuple[int, int], ordinal: int) -> tuple[int, int, int, bool]:
    """Address, strides of rows and columns, and whether float64."""
    _require_shape(name, array.shape, shape)
    if array.dtype.str not in ("<f4", "<f8"):
        raise TypeError(f"objective: the {name} on the GPU is {array.dtype}; make it float32 or float64")
    if array.ordinal != ordinal:
        raise ValueError(f"objective: the {name} lies on cuda:{array.ordinal}, the training on cuda:{ordinal}")
    columns = array.strides[1] if array.ndim == 2 else array.dtype.itemsize
    return array.pointer, array.strides[0], columns, array.dtype.itemsize == 8
