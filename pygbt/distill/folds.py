# SPDX-License-Identifier: Apache-2.0
"""Teachers that must be fitted: each row is answered by a copy that has not seen it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .asking import classes_of, form_of, function_of, numbers_from, two_columns
from .tables import take_rows

__all__ = ["CrossFitted", "FoldModel", "fold_rows", "is_fitted", "must_be_fitted"]

Index = npt.NDArray[np.int64]


def is_fitted(model: Any) -> bool:
    """Whether a model answers as it is; what has no `fit` does."""
    if not hasattr(model, "fit"):
        return True
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        check_is_fitted(model)
    except NotFittedError:
        return False
    except TypeError:  # no estimator of scikit-learn: its owner knows
        return True
    return True


def must_be_fitted(model: Any) -> None:
    """Raise TypeError unless copies of `model` can be fitted."""
    if not (hasattr(model, "fit") and hasattr(model, "get_params")):
        raise TypeError(
            f"out_of_fold=True fits copies of the teacher, but {type(model).__name__} is no estimator of scikit-learn "
            "or pygbt; pass an estimator, or answers that are out of fold already: proba=..., logits=... or scores=..."
        )


def fold_rows(y: npt.NDArray[Any], n_folds: int, seed: int, *, classify: bool) -> list[tuple[Index, Index]]:
    """(rows to fit on, rows to answer) of every fold, shuffled by `seed`, in equal shares of every class."""
    from sklearn.model_selection import KFold, StratifiedKFold

    if classify:
        smallest = int(np.unique(y, return_counts=True)[1].min())
        n_folds = max(2, min(n_folds, smallest))
        if smallest < 2:
            classify = False
    kind = StratifiedKFold if classify else KFold
    parts = kind(n_folds, shuffle=True, random_state=seed).split(np.zeros(len(y)), y)
    return [(np.asarray(fit, dtype=np.int64), np.asarray(ask, dtype=np.int64)) for fit, ask in parts]


class FoldModel:
    """A copy of an estimator, fitted on some rows when it is first asked."""

    def __init__(self, estimator: Any, X: Any, y: npt.NDArray[Any], rows: Index) -> None:
        self.estimator = estimator
        self._data = (X, y, rows)
        self._model: Any = None

    @property
    def model(self) -> Any:
        """The fitted copy."""
        if self._model is None:
            from sklearn.base import clone

            X, y, rows = self._data
            self._model = clone(self.estimator).fit(take_rows(X, rows), y[rows])
        return self._model

    def __call__(self, X: Any) -> Any:
        """Its answers, one column a class of the whole training table."""
        form = form_of(self.estimator)
        answered = two_columns(numbers_from(function_of(self.model)(X), "teacher"), form)
        known, every = classes_of(self.model), np.unique(self._data[1])
        if known is None or len(known) == len(every):
            return answered
        absent = answered.min(axis=1, keepdims=True) - 50.0 if form == "logits" else np.zeros((len(answered), 1))
        full = np.repeat(absent, len(every), axis=1)  # a class so rare that this fold has none
        full[:, np.searchsorted(every, known)] = answered
        return full


class CrossFitted:
    """The copies of one estimator: out-of-fold for the rows they were fitted on, their mean for any other row.

    Attributes
    ----------
    models : list of FoldModel
    rows : list of ndarray of int64
        The rows of the training table that each answers for.
    """

    def __init__(self, estimator: Any, X: Any, y: npt.NDArray[Any], folds: list[tuple[Index, Index]]) -> None:
        self.models = [FoldModel(estimator, X, y, fit) for fit, _ in folds]
        self.rows = [ask for _, ask in folds]

    def __call__(self, X: Any) -> Any:
        """Mean of the answers of all copies."""
        total = self.models[0](X)
        for model in self.models[1:]:
            total = total + model(X)
        return total / len(self.models)
