# SPDX-License-Identifier: Apache-2.0
"""What every scikit-learn estimator of pygbt shares: how it reads tables, labels and weights."""

from __future__ import annotations

import numbers
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt

try:
    from sklearn.base import BaseEstimator
    from sklearn.exceptions import DataConversionWarning
    from sklearn.utils import assert_all_finite, check_array, check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import column_or_1d, validate_data
except ImportError as error:
    raise ImportError("the estimators of pygbt need scikit-learn >= 1.6: pip install 'pygbt[sklearn]'") from error

from . import device_arrays
from .columns import device_table
from .data import Dataset
from .device_arrays import DeviceArray, view

__all__ = [
    "ClassLabels",
    "NumberTargets",
    "TableEstimator",
    "check_weight",
    "label_codes",
    "on_host",
    "seed_of",
    "take_rows",
]


LEAST_WEIGHT, MOST_WEIGHT = 1e-30, 1e30  # of the largest weight: those of the engine


def is_frame(X: Any) -> bool:
    """Whether `X` is a data frame (pandas, polars, pyarrow) rather than an array."""
    return hasattr(X, "columns") or hasattr(X, "column_names")


class TableEstimator(BaseEstimator):  # type: ignore[misc]
    """An estimator whose `X` is an array, a sparse matrix or a data frame; NaN is a missing value."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.target_tags.required = True
        return tags

    def _require_y(self, y: Any) -> None:
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")

    def _take_columns_of(self, data: Dataset) -> None:
        """Note number and names of the columns of a Dataset that is fitted."""
        self.n_features_in_ = data.n_features
        self._fitted_on_frame = data.schema.named
        if data.schema.named:
            self.feature_names_in_ = np.array(data.schema.feature_names, dtype=object)
        elif hasattr(self, "feature_names_in_"):  # of an earlier fit
            del self.feature_names_in_

    def _check_X(self, X: Any, *, reset: bool) -> Any:
        """A frame or an array on a GPU as it is, anything else as a numeric array or CSR / CSC matrix; sets or checks
        the column names.
        """
        if isinstance(X, Dataset):
            raise TypeError("X must be the raw table (array or data frame), not a Dataset: a Dataset holds bins only")
        there = view(X)
        if there is not None:
            table = device_table(there)  # refuses what is no matrix of numbers
            validate_data(self, np.empty((0, table.n_columns)), reset=reset, skip_check_array=True)
            if reset:
                self._fitted_on_frame = False
            return there
        if is_frame(X):
            X = validate_data(self, X, reset=reset, skip_check_array=True)
            if reset:
                self._fitted_on_frame = True
            elif not self._fitted_on_frame:
                X = X.to_numpy() if hasattr(X, "to_numpy") else np.column_stack([c.to_numpy() for c in X.columns])
            return X
        if reset:
            self._fitted_on_frame = False
        try:
            return validate_data(
                self,
                X,
                reset=reset,
                accept_sparse=("csr", "csc"),
                accept_large_sparse=True,
                ensure_all_finite=False,
                dtype="numeric",
            )
        except ValueError as error:
            if not _holds_text(X):
                raise
            raise ValueError(
                "X is an array that holds text; pass a data frame whose text columns have a category type, or numbers"
            ) from error


class NumberTargets:
    """Numeric targets, one or several a row."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.target_tags.multi_output = True
        return tags

    def _encode_y(self, y: Any, *, fitting: bool) -> npt.NDArray[np.float64]:
        target = _numbers(y, "y")
        if target.ndim == 2 and target.shape[1] == 1:
            if fitting:
                warnings.warn(
                    "A column-vector y was passed when a 1d array was expected. Please change the shape of y to "
                    "(n_samples,), for example using ravel().",
                    DataConversionWarning,
                    stacklevel=3,
                )
            target = target[:, 0]
        return target


class ClassLabels:
    """Labels of any type as codes 0, 1, ..; sets ``classes_`` and ``n_classes_``."""

    classes_: npt.NDArray[Any]
    n_classes_: int

    def _encode_y(self, y: Any, *, fitting: bool) -> npt.NDArray[np.float64]:
        labels = column_or_1d(y, warn=fitting)
        if labels.dtype.kind in "fc":
            assert_all_finite(labels, input_name="y")
        lacking = labels.dtype.kind == "O" and [
            label is None or type(label).__name__ == "NAType" or label != label for label in labels
        ]
        if np.any(lacking):
            raise ValueError(f"y has no label in {np.count_nonzero(lacking)} rows (None or NaN); leave these rows out")
        if fitting:
            check_classification_targets(labels)
            try:
                self.classes_ = np.unique(labels)
            except TypeError:
                kinds = sorted({type(label).__name__ for label in labels.tolist()})
                raise ValueError(
                    f"y holds labels of several types, {' and '.join(kinds)}, which have no order; make all of them "
                    "text, or numbers"
                ) from None
            self.n_classes_ = len(self.classes_)
        codes, known = label_codes(self.classes_, labels)
        if not np.all(known):
            raise ValueError(f"eval_set: y holds labels that are not in classes_: {labels[~known][:5].tolist()}")
        return codes.astype(np.float64)

    def _check_target(self, target: npt.NDArray[Any], weight: npt.NDArray[np.float64] | None) -> None:
        if len(self.classes_) < 2:
            raise ValueError(
                f"y holds one class only, {self.classes_[:1].tolist()[0]!r}; a classifier needs at least two classes"
            )
        if weight is not None and len(np.unique(target[weight > 0])) < 2:
            raise ValueError("sample_weight leaves one class only; a classifier needs at least two classes")


def seed_of(random_state: Any) -> Any:
    """A seed from scikit-learn's ``random_state``; what is no generator stays as it is."""
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(np.iinfo(np.int32).max))
    if isinstance(random_state, np.random.RandomState) or hasattr(random_state, "randint"):
        return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    return random_state


def on_host(values: Any) -> Any:
    """A copy on the host of what lies on a GPU."""
    there = view(values)
    return values if there is None else there.numpy()


def label_codes(
    classes: npt.NDArray[Any], labels: npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """The place of every label in sorted `classes`, and whether it is there; shapes (n,)."""
    try:
        codes = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    except TypeError:  # text among numbers, or the reverse: none is there
        return np.zeros(len(labels), dtype=np.int64), np.zeros(len(labels), dtype=bool)
    return codes, np.asarray(classes[codes] == labels, dtype=bool)


def _numbers(values: Any, name: str) -> npt.NDArray[np.float64]:
    """Finite numbers as float64."""
    try:
        checked: npt.NDArray[np.float64] = check_array(values, ensure_2d=False, dtype=np.float64, input_name=name)
    except ValueError as error:
        if "could not convert string to float" not in str(error):
            raise
        raise ValueError(f"{name} must hold numbers; {error}") from None
    return checked


def _holds_text(X: Any) -> bool:
    """Whether an array or list holds text."""
    values = np.asarray(X)
    return values.dtype.kind in "US" or (values.dtype.kind == "O" and any(isinstance(x, str) for x in values.flat))


def check_weight(weight: Any, n: int, name: str) -> npt.NDArray[np.float64] | None:
    """Weights as float64 of shape (n,); a number stands for n of them."""
    if weight is None:
        return None
    if isinstance(weight, numbers.Real):
        weight = np.full(n, weight, dtype=np.float64)
    checked = _numbers(weight, name)
    if checked.shape != (n,):
        raise ValueError(f"{name} must have shape ({n},), got {checked.shape}")
    if (checked < 0).any():
        raise ValueError(f"{name} must not be negative")
    if not (checked > 0).any():
        raise ValueError(f"{name} must contain at least one non-zero number; all weights are zero")
    largest = float(checked.max())
    if not LEAST_WEIGHT <= largest <= MOST_WEIGHT:
        raise ValueError(
            f"{name}: the largest must lie between {LEAST_WEIGHT:g} and {MOST_WEIGHT:g}, got {largest:g}; divide all "
            "weights by a constant"
        )
    return checked


def take_rows(X: Any, rows: npt.NDArray[np.int64]) -> Any:
    """Some rows of an array, sparse matrix or data frame, in the given order."""
    if isinstance(X, DeviceArray):
        return device_arrays.take_rows(X, rows)
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if hasattr(X, "take") and is_frame(X):
        return X.take(rows)
    return X[rows]
