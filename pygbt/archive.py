# SPDX-License-Identifier: Apache-2.0
"""Model files: a safetensors file whose bytes follow from the model alone.

A file is the arrays of `_core.Model.to_arrays` and a few strings of JSON. Reading checks the layout (safetensors), the
format version and a SHA-256 over everything, then `_core.Model.from_arrays` proves every index in range. There is no
pickle inside and nothing in a file is executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors

from . import _core
from .errors import ModelFileError

__all__ = ["FORMAT_VERSION", "Content", "digest", "dumps", "estimator_kind", "load", "loads", "save"]

FORMAT = "pygbt.model"
FORMAT_VERSION = (1, 0)  # a reader refuses a newer major version; a newer minor version only adds strings

Arrays = Mapping[str, npt.NDArray[Any]]

_DTYPES = {
    "U8": "|u1",
    "I32": "<i4",
    "U32": "<u4",
    "I64": "<i8",
    "F32": "<f4",
    "F64": "<f8",
}
_CODES = {np.dtype(dtype): code for code, dtype in _DTYPES.items()}
_deserialize: Callable[[bytes], list[tuple[str, dict[str, Any]]]] = safetensors.deserialize
_HEADER_LIMIT = 100_000_000  # of the safetensors format


@dataclass(frozen=True)
class Content:
    """What a model file holds.

    Attributes
    ----------
    arrays : mapping of str to ndarray
        Flat arrays of `_core.Model.to_arrays`.
    model : mapping
        Its scalars: objective, trees an iteration, constants of the loss.
    schema : JSON-able
        Column names, categories and groups.
    params, history, extra : mapping
        Training parameters; best iteration, best score and recorded metrics; whatever the caller wants kept.
    """

    arrays: Arrays
    model: Mapping[str, Any]
    schema: Any = None
    params: Mapping[str, Any] = field(default_factory=dict)
    history: Mapping[str, Any] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


def digest(content: Content) -> str:
    """SHA-256 over what decides predictions: the arrays, the model's scalars and the schema, as 64 hex digits."""
    return _hash(content.arrays, {"model": _json(content.model), "schema": _json(content.schema)})


def estimator_kind(content: Content) -> str | None:
    """Name of the class whose estimator a file holds; None for a Booster."""
    kind = content.model.get("kind") if isinstance(content.model, dict) else None
    return kind if isinstance(kind, str) else None


def dumps(content: Content) -> bytes:
    """The bytes of a model file; equal content gives equal bytes.

    Raises
    ------
    ValueError
        Names and parameters need more than the 100 MB that the format allows.
    """
    strings = {
        "format": FORMAT,
        "format_version": ".".join(map(str, FORMAT_VERSION)),
        "library_version": _core.build_info()["version"],
        "model": _json(content.model),
        "schema": _json(content.schema),
        "params": _json(content.params),
        "history": _json(content.history),
        "extra": _json(content.extra),
    }
    strings["sha256"] = _hash(content.arrays, strings)

    # Written here, not by the safetensors package, whose order of strings differs from run to run.
    arrays = {name: np.ascontiguousarray(array) for name, array in content.arrays.items()}
    order = sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))  # widest first: all stay aligned
    header: dict[str, Any] = {"__metadata__": strings}
    begin = 0
    for name in order:
        array = arrays[name]
        end = begin + array.nbytes
        header[name] = {"dtype": _code(array.dtype), "shape": list(array.shape), "data_offsets": [begin, end]}
        begin = end
    text = _json(header).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > _HEADER_LIMIT:
        raise ValueError(f"the names and parameters of the model take {len(text)} bytes; a file holds {_HEADER_LIMIT}")
    return b"".join(
        [len(text).to_bytes(8, "little"), text, *(arrays[name].reshape(-1).data.cast("B") for name in order)]
    )


def loads(data: bytes, source: str = "the model") -> Content:
    """Read the bytes of `dumps`.

    Parameters
    ----------
    data : bytes
        A whole file.
    source : str
        Names the file in messages.

    Raises
    ------
    ModelFileError
        The bytes are truncated, altered, of a newer format version, or no model.
    """
    strings = _strings(data, source)
    try:
        tensors = _deserialize(data)
    except safetensors.SafetensorError as error:
        raise ModelFileError(f"{source} is truncated or damaged: {error}") from None
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, tensor in tensors:
        if tensor["dtype"] not in _DTYPES:
            raise ModelFileError(f"{source} is damaged: array {name!r} has the unknown type {tensor['dtype']!r}")
        arrays[name] = np.frombuffer(tensor["data"], dtype=_DTYPES[tensor["dtype"]]).reshape(tensor["shape"])
    stored = strings.pop("sha256", None)
    if stored != _hash(arrays, strings):
        raise ModelFileError(f"{source} was altered: its SHA-256 does not match its content")
    try:
        parts = {key: json.loads(strings[key]) for key in ("model", "schema", "params", "history", "extra")}
    except (KeyError, ValueError, RecursionError) as error:
        raise ModelFileError(f"{source} is damaged: {error!r}") from None
    return Content(arrays=arrays, **parts)


def save(path: str | os.PathLike[str], content: Content) -> None:
    """Write a model file under a temporary name beside `path`, flush it to the disk, then rename it.

    Raises
    ------
    OSError
        The file cannot be written, for example because the disk is full; a file already at `path` is untouched.
    """
    data = dumps(content)
    target = os.path.realpath(os.fspath(path))  # a link keeps pointing at the file it points at
    folder, name = os.path.split(target)
    temporary = os.path.join(folder, f".{name}.{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    with contextlib.suppress(OSError):  # the new name itself; not every file system can
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load(path: str | os.PathLike[str]) -> Content:
    """Read a model file.

    Raises
    ------
    ModelFileError
        The file is truncated, altered, of a newer format version, or no model file.
    OSError
        The file cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read()
    return loads(data, os.fspath(path))


def _strings(data: bytes, source: str) -> dict[str, str]:
    """The metadata of a file of this format and a version that can be read."""
    foreign = ModelFileError(f"{source} is not a pygbt model file")
    size = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= size <= _HEADER_LIMIT:
        raise foreign
    if len(data) < 8 + size:
        raise ModelFileError(f"{source} is truncated, or no pygbt model file")
    try:
        strings = json.loads(data[8 : 8 + size])["__metadata__"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise foreign from None
    if not isinstance(strings, dict) or strings.get("format") != FORMAT:
        raise foreign
    if not all(isinstance(value, str) for value in strings.values()):
        raise ModelFileError(f"{source} is damaged: its metadata are not strings")
    version = strings.get("format_version", "")
    major = version.partition(".")[0]
    if not major.isdecimal():
        raise ModelFileError(f"{source} is damaged: its format version is {version!r}")
    if int(major) > FORMAT_VERSION[0]:
        raise ModelFileError(
            f"{source} has format version {version}, written by pygbt {strings.get('library_version', '?')}; this "
            f"version reads up to {FORMAT_VERSION[0]}: upgrade pygbt"
        )
    return strings


def _hash(arrays: Arrays, strings: Mapping[str, str]) -> str:
    """SHA-256 over named arrays and strings; every item with its name and length, so that none runs into the next."""
    state = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        state.update(_json(["array", name, _code(array.dtype), list(array.shape)]).encode())
        state.update(array.data.cast("B") if array.size else b"")
    for name in sorted(strings):
        text = strings[name].encode()
        state.update(_json(["string", name, len(text)]).encode())
        state.update(text)
    return state.hexdigest()


def _code(dtype: np.dtype[Any]) -> str:
    if dtype not in _CODES:
        raise ValueError(f"a model file cannot hold arrays of {dtype}")
    return _CODES[dtype]


def _json(value: Any) -> str:
    """One spelling for equal values. NumPy numbers and arrays count as numbers and lists."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a model file cannot hold {type(value).__name__} objects: {value!r}")
