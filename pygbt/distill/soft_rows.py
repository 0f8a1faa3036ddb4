# SPDX-License-Identifier: Apache-2.0
"""Soft targets for learners of hard labels: a row of probabilities q is K rows, of weight q_k and label k each.

Sums of classes, and so splits, leaves and class shares, are those of the probabilities.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from .tables import take_rows

__all__ = ["LEAST_SHARE", "soft_rows"]

Floats = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

#: Cells of less are left out, and the others of the row divided by their sum.
LEAST_SHARE = 1e-4


def soft_rows(q: Floats, weight: Floats | None = None, least: float = LEAST_SHARE) -> tuple[Index, Index, Floats]:
    """The hard rows that soft ones stand for.

    Parameters
    ----------
    q : ndarray, shape (n, K)
        Probabilities of the classes.
    weight : ndarray, shape (n,), optional
    least : float
        Least probability that makes a row.

    Returns
    -------
    rows : ndarray of int64, shape (m,)
        Row of the table of each.
    codes : ndarray of int64, shape (m,)
        Class number of each.
    weight : ndarray of float64, shape (m,)
        Sums to the weight of the row, over the rows made of it.
    """
    kept = np.where(q >= least, q, 0.0)
    kept = kept / kept.sum(axis=1, keepdims=True)
    rows, codes = np.nonzero(kept)
    shares = kept[rows, codes]
    return rows, codes, shares if weight is None else shares * weight[rows]


def fit_soft(estimator: Any, X: Any, q: Floats, classes: npt.NDArray[Any], weight: Floats | None = None) -> Any:
    """Fit a classifier that takes sample weights on soft rows; forests draw as many rows as the table has.

    Raises
    ------
    ValueError
        The estimator takes no sample weights.
    """
    from sklearn.utils.validation import has_fit_parameter

    if not has_fit_parameter(estimator, "sample_weight"):
        raise ValueError(
            f"student: {type(estimator).__name__}.fit takes no sample_weight, by which soft targets reach it; use a "
            "regressor on probabilities, or Teacher.predict for hard labels"
        )
    rows, codes, shares = soft_rows(q, weight)
    if getattr(estimator, "bootstrap", False) and getattr(estimator, "max_samples", 0) is None:
        fitted = estimator.set_params(max_samples=min(len(q), len(rows)))
        fitted.fit(take_rows(X, rows), classes[codes], sample_weight=shares)
        return fitted.set_params(max_samples=None)
    return estimator.fit(take_rows(X, rows), classes[codes], sample_weight=shares)
