# SPDX-License-Identifier: Apache-2.0
"""Python and NumPy values as JSON and back, with their types."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["pack", "pack_array", "unpack", "unpack_array"]

_PLAIN = (bool, int, float, str)
_DTYPE = re.compile(r"\|b1|[<>|][iu][1248]|[<>]f[248]|[<>]U[0-9]{1,6}|\|O")

_MOST_BYTES = 1 << 28


def pack(value: Any) -> Any:
    """JSON of None, bool, int, float, str, and lists, tuples, dictionaries, scalars and arrays of NumPy over them.

    Raises
    ------
    TypeError
        The value, or something in it, is none of these.
    """
    if value is None or type(value) in _PLAIN:
        return value
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [pack(item) for item in value]}
    if isinstance(value, Mapping):
        return {"dict": [[pack(key), pack(item)] for key, item in value.items()]}
    if isinstance(value, np.generic):
        return {"scalar": pack_array(np.asarray(value))}
    if isinstance(value, np.ndarray):
        return {"array": pack_array(value)}
    raise TypeError(f"a model file cannot hold {type(value).__name__} objects: {value!r}")


def unpack(packed: Any) -> Any:
    """The value of `pack`. Raises ValueError or TypeError for anything else."""
    if packed is None or type(packed) in _PLAIN:
        return packed
    ((kind, content),) = packed.items()
    if kind == "list":
        return [unpack(item) for item in content]
    if kind == "tuple":
        return tuple(unpack(item) for item in content)
    if kind == "dict":
        return {unpack(key): unpack(item) for key, item in content}
    if kind == "scalar":
        return unpack_array(content)[()]
    if kind == "array":
        return unpack_array(content)
    raise ValueError(f"unknown kind of value {kind!r}")


def pack_array(array: npt.NDArray[Any]) -> dict[str, Any]:
    """JSON of an array of numbers, bool or text, or of objects that are Python's own of these.

    Raises
    ------
    TypeError
        It holds something else.
    """
    if array.dtype.kind == "T":  # variable-width strings
        array = array.astype(object)
    dtype = array.dtype.str
    values = array.ravel().tolist()
    if _DTYPE.fullmatch(dtype) is None or not all(type(value) in _PLAIN for value in values):
        raise TypeError(f"a model file cannot hold arrays of {array.dtype} with such values: {values[:3]!r}")
    return {"dtype": dtype, "shape": list(array.shape), "values": values}


def unpack_array(packed: Mapping[str, Any]) -> npt.NDArray[Any]:
    """The array of `pack_array`. Raises ValueError, TypeError or KeyError for anything else."""
    dtype, shape, values = packed["dtype"], packed["shape"], packed["values"]
    if type(dtype) is not str or _DTYPE.fullmatch(dtype) is None:
        raise ValueError(f"unknown type of array {dtype!r}")
    if not all(type(n) is int and n >= 0 for n in shape) or int(np.prod(shape, dtype=object)) != len(values):
        raise ValueError("shape and values of an array do not fit")
    if not all(type(value) in _PLAIN for value in values):
        raise TypeError("an array holds something that is no number and no text")
    if np.dtype(dtype).itemsize * len(values) > _MOST_BYTES:
        raise ValueError("an array is too large")
    array = np.empty(len(values), dtype=dtype)
    array[:] = values
    if array.tolist() != values and not any(value != value for value in values):
        raise ValueError("an array holds values that its type cannot")
    return array.reshape(shape)
