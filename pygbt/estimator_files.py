# SPDX-License-Identifier: Apache-2.0
"""Model files of the classical estimators: what they learnt as arrays and JSON, what they were told as parameters.

An estimator takes part by two methods, `_file_parts` and `_from_file_parts`. A file names its class; only classes of
`pygbt.tree`, `pygbt.ensemble` and `pygbt.multitask` are ever made from one, and nothing in a file is executed.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from . import archive
from .errors import ModelFileError
from .parameters import ALIASES
from .schema import Schema
from .typed_json import pack, pack_array, unpack, unpack_array

__all__ = ["FileParts", "SavedEstimator", "read_estimator"]

Arrays = Mapping[str, npt.NDArray[Any]]

FOLDERS = ("pygbt.tree", "pygbt.ensemble", "pygbt.multitask")


@dataclass(frozen=True)
class FileParts:
    """What an estimator learnt, apart from what all of them have (classes, names of the columns).

    Attributes
    ----------
    arrays : mapping of str to ndarray
    state : mapping of str to JSON
    schema : Schema
    """

    arrays: Arrays
    state: Mapping[str, Any]
    schema: Schema
    source: str = field(default="the model", compare=False)

    def require(self, sound: bool, otherwise: str) -> None:
        """Raise ModelFileError unless `sound`."""
        if not sound:
            raise ModelFileError(f"{self.source} is damaged: {otherwise}")

    def take(self, name: str, kind: type) -> Any:
        """An entry of the state of exactly this type."""
        value = self.state.get(name)
        self.require(type(value) is kind, f"{name!r} is no {kind.__name__}")
        return value

    def flag(self, name: str) -> bool:
        """True or False."""
        return bool(self.take(name, bool))

    def text(self, name: str) -> str:
        """A string."""
        return str(self.take(name, str))

    def number(self, name: str) -> float:
        """A float."""
        return float(self.take(name, float))

    def integer(self, name: str, least: int = 0, most: int = 2**31 - 1) -> int:
        """An integer within bounds."""
        value = int(self.take(name, int))
        self.require(least <= value <= most, f"{name!r} is out of range")
        return value

    def list_of(self, name: str, length: int | None = None) -> list[Any]:
        """A list, of a known length if one is given."""
        values: list[Any] = self.take(name, list)
        self.require(length is None or len(values) == length, f"{name!r} has a wrong length")
        return values

    def array(self, name: str, dtype: Any, shape: tuple[int, ...] | None = None) -> npt.NDArray[Any]:
        """An array of exactly this type, of a known shape if one is given."""
        array = self.arrays.get(name)
        self.require(
            array is not None and array.dtype == np.dtype(dtype), f"array {name!r} is missing or of a wrong type"
        )
        assert array is not None
        self.require(shape is None or array.shape == shape, f"array {name!r} has a wrong shape")
        return array


class SavedEstimator:
    """An estimator that can be written to a model file. A subclass defines `_file_parts` and `_from_file_parts`."""

    n_features_in_: int
    _fitted_on_frame: bool
    _classes_in_common = True  # `classes_` is one array of labels; else the parts hold them

    def _file_parts(self) -> FileParts:
        """What was learnt. Raises ValueError where it cannot be written."""
        raise NotImplementedError

    def _from_file_parts(self, parts: FileParts) -> None:
        """Set what was learnt, on an estimator that has its parameters and its classes. Everything is proven in range:
        `FileParts.require` raises ModelFileError.
        """
        raise NotImplementedError

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the fitted estimator to a file that `pygbt.load` reads, atomically.

        Parameters that a file cannot hold (functions, random generators) come back as their defaults.

        Raises
        ------
        OSError
            The file cannot be written; a file already at `path` is untouched.
        ValueError
            Something that was learnt cannot be written, for example an estimator that is not one of pygbt.
        """
        archive.save(path, self._content())

    def digest(self) -> str:
        """SHA-256 of what decides predictions, as 64 hex digits: equal for equal data, parameters and seed, whatever
        the number of threads.
        """
        return archive.digest(self._content())

    def _content(self) -> archive.Content:
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        kind = type(self).__name__
        if _classes().get(kind) is not type(self):
            raise ValueError(f"a model file holds estimators of {', '.join(FOLDERS)}, not {type(self)!r}")
        parts = self._file_parts()
        common: dict[str, Any] = {
            "n_features_in": int(self.n_features_in_),
            "on_frame": bool(self._fitted_on_frame),
            "names": [str(name) for name in self.feature_names_in_] if hasattr(self, "feature_names_in_") else None,
            "classes": pack_array(self.classes_) if self._classes_in_common and hasattr(self, "classes_") else None,
        }
        return archive.Content(
            arrays=parts.arrays,
            model={"kind": kind, "common": common, "state": dict(parts.state)},
            schema=parts.schema.to_json(),
            params=pack_params(self),
        )


def pack_params(estimator: Any) -> dict[str, Any]:
    """Parameters of an estimator as JSON; estimators of pygbt among them too."""
    defaults = inspect.signature(type(estimator).__init__).parameters
    packed = {}
    for name, value in estimator.get_params(deep=False).items():
        try:
            packed[name] = _pack_value(value)
        except TypeError:
            if name in defaults:
                packed[name] = _pack_value(defaults[name].default)
    return packed


def _pack_value(value: Any) -> Any:
    kind = type(value).__name__
    if _classes().get(kind) is type(value):
        return {"estimator": kind, "params": pack_params(value)}
    if hasattr(value, "get_params") and not isinstance(value, type):
        raise ValueError(f"a model file cannot hold {value!r}: it is no estimator of pygbt; use pickle or joblib")
    return pack(value)


def _unpack_value(value: Any) -> Any:
    if isinstance(value, dict) and "estimator" in value:
        return new_estimator(value["estimator"], value["params"])
    return unpack(value)


def new_estimator(kind: Any, params: Any) -> Any:
    """An unfitted estimator by the name of its class."""
    made = _classes()[kind]
    parameters = inspect.signature(made.__init__).parameters
    known = set(parameters) - {"self"}
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        known |= set(ALIASES)
    if not isinstance(params, dict) or set(params) - known:
        raise ModelFileError(f"{kind} has no parameters {sorted(set(params) - known)}; upgrade pygbt")
    return made(**{name: _unpack_value(value) for name, value in params.items()})


def read_estimator(content: archive.Content, source: str = "the model") -> Any:
    """The estimator of a file.

    Raises
    ------
    ModelFileError
        The content is damaged, or of a class that this version does not know.
    """
    kind = archive.estimator_kind(content)
    if kind not in _classes():
        raise ModelFileError(f"{source} holds a {kind}, which this version of pygbt does not know; upgrade pygbt")
    with _damage_named(source):
        estimator = new_estimator(kind, content.params)
        common, state = content.model["common"], content.model["state"]
        schema = Schema.from_json(content.schema)
        parts = FileParts(dict(content.arrays), state, schema, source)
        parts.require(isinstance(state, dict) and isinstance(common, dict), "its description is no dictionary")
        _set_common(estimator, common, parts)
        estimator._from_file_parts(parts)
        return estimator


def _set_common(estimator: Any, common: Mapping[str, Any], parts: FileParts) -> None:
    n_features, names, on_frame = common["n_features_in"], common["names"], common["on_frame"]
    parts.require(type(n_features) is int and n_features == parts.schema.n_features, "columns do not fit")
    parts.require(type(on_frame) is bool, "its description is damaged")
    estimator.n_features_in_ = n_features
    estimator._fitted_on_frame = on_frame
    if names is not None:
        parts.require(len(names) == n_features and all(type(name) is str for name in names), "names do not fit")
        estimator.feature_names_in_ = np.array(names, dtype=object)
    classes, sorts = common["classes"], estimator._classes_in_common and hasattr(estimator, "predict_proba")
    parts.require((classes is not None) == sorts, "classes are missing, or there should be none")
    if classes is not None:
        labels = unpack_array(classes)
        parts.require(labels.ndim == 1 and len(labels) >= 1, "there are no classes")
        parts.require(np.array_equal(np.unique(labels), labels), "classes are not in order")
        estimator.classes_ = labels
        estimator.n_classes_ = len(labels)


@contextmanager
def _damage_named(source: str) -> Iterator[None]:
    """Whatever goes wrong while a file is read is damage of the file."""
    try:
        yield
    except ModelFileError:
        raise
    except (
        ArithmeticError,
        AssertionError,
        AttributeError,
        LookupError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise ModelFileError(f"{source} is damaged: {error!r}") from None


def _classes() -> Mapping[str, Any]:
    """Estimators that a file may hold, by name."""
    found: dict[str, Any] = {}
    for folder in FOLDERS:
        module = import_module(folder)
        for name in module.__all__:
            if isinstance(made := getattr(module, name), type) and issubclass(made, SavedEstimator):
                found[name] = made
    return found
