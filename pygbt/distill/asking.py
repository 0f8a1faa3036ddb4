# SPDX-License-Identifier: Apache-2.0
"""Asking one teacher for its answers to a batch of rows, whatever kind of thing it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..booster import Booster
from ..columns import numbers_of
from .answers import Answer
from .probabilities import checked_probabilities

__all__ = ["FORMS", "as_answer", "classes_of", "form_of", "function_of", "numbers_from", "two_columns"]

Floats = npt.NDArray[np.float64]
#: Argument of `Teacher` by the form of its numbers.
FORMS = {"probabilities": "proba", "logits": "logits", "values": "scores"}


def numbers_from(values: Any, name: str) -> Floats:
    """Numbers of numpy, cupy, torch and whatever has ``__array__`` or ``__dlpack__``, as float64 of shape (n, K)."""
    if getattr(values, "requires_grad", False):
        values = values.detach()
    if hasattr(values, "tocsr"):
        values = values.toarray()
    array = np.asarray(numbers_of(values, name), dtype=np.float64)
    if array.ndim == 1:
        array = array[:, np.newaxis]
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"{name} must have shape (n,) or (n, K), got {array.shape}")
    return array


def two_columns(values: Floats, form: str) -> Floats:
    """The one column of two classes, that of the second one, as two."""
    if values.shape[1] != 1 or form == "values":
        return values
    first = 1.0 - values if form == "probabilities" else np.zeros_like(values)
    return np.hstack([first, values])


def as_answer(
    values: Any, form: str, *, name: str, n_rows: int, n_columns: int | None, missing: str, first_row: int = 0
) -> Answer:
    """Checked answers to `n_rows` rows.

    Raises
    ------
    ValueError
        Another number of rows or columns; infinite numbers; NaN, unless missing="absent"; probabilities that are none.
    """
    array = two_columns(numbers_from(values, name), form)
    if len(array) != n_rows:
        raise ValueError(f"{name} has {len(array)} rows, but X has {n_rows}")
    if n_columns is not None and array.shape[1] != n_columns:
        raise ValueError(
            f"{name} has {array.shape[1]} columns, but there are {n_columns} classes or targets; say with classes=... "
            "which class each column is"
        )
    if np.isinf(array).any():
        row = int(np.flatnonzero(np.isinf(array).any(axis=1))[0])
        raise ValueError(f"{name}: row {first_row + row} holds an infinite number")
    nan = np.asarray(np.isnan(array).any(axis=1))
    if nan.any():
        if missing != "absent":
            raise ValueError(
                f"{name}: row {first_row + int(np.flatnonzero(nan)[0])} holds NaN ({int(nan.sum())} of {n_rows} rows); "
                'missing="absent" takes such rows as rows that the teacher says nothing about'
            )
        array = np.where(nan[:, np.newaxis], np.nan, array)
    return Answer(form, checked_probabilities(array, name) if form == "probabilities" else array)


def classes_of(model: Any) -> npt.NDArray[Any] | None:
    """Labels of the columns of a model, where it knows them."""
    classes = getattr(model, "classes_", None)
    return None if classes is None or isinstance(classes, list) else np.asarray(classes)


def form_of(model: Any) -> str:
    """What a model answers, fitted or not: float logits where it has them, else probabilities, else values.

    Raises
    ------
    ValueError, TypeError
        It does not say; the message tells what to pass.
    """
    from ..estimators import GBTClassifier

    if isinstance(model, Booster):
        if model.objective == "custom":
            raise ValueError(
                "model: a Booster with a custom objective does not say what its margins are; pass "
                "Teacher(logits=lambda X: booster.predict(X, 'margin')) or scores=..."
            )
        forms = {"logistic": "logits", "softmax": "logits", "one_vs_rest": "probabilities"}
        return forms.get(model.objective, "values")
    if isinstance(model, GBTClassifier):
        return "logits" if model.objective in ("auto", "logistic", "softmax") else "probabilities"
    if hasattr(model, "predict_proba"):
        return "probabilities"
    if hasattr(model, "predict"):
        if getattr(model, "classes_", None) is not None or hasattr(model, "decision_function"):
            raise ValueError(
                f"model: {type(model).__name__} is a classifier without predict_proba; pass what it can say as "
                "Teacher(logits=model.decision_function), or calibrate it"
            )
        return "values"
    if callable(model):
        raise ValueError(
            "model is a function: say what it returns, Teacher(proba=function), logits=function or scores=function"
        )
    raise TypeError(f"model must have predict_proba or predict, got {type(model).__name__}")


def function_of(model: Any) -> Callable[[Any], Any]:
    """The function of a fitted model whose numbers have the form `form_of`."""
    form = form_of(model)
    if isinstance(model, Booster):
        if form == "probabilities":
            return lambda X: _shares(model.predict(X))
        return lambda X: model.predict(X, "margin" if form == "logits" else "value")
    name = {"logits": "decision_function", "probabilities": "predict_proba", "values": "predict"}[form]
    function: Callable[[Any], Any] = getattr(model, name)
    return function


def _shares(p: Any) -> Floats:
    array = np.asarray(p, dtype=np.float64)
    shares: Floats = array / array.sum(axis=1, keepdims=True)
    return shares
