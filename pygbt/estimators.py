# SPDX-License-Identifier: Apache-2.0
"""scikit-learn estimators over `pygbt.train`. Needs the ``sklearn`` extra; imported by `pygbt` on first use."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from . import device_predict
from .device_arrays import like, view
from .estimator_base import EstimatorBase, parameter_docs  # first: it says what to install where scikit-learn is not
from .table_estimator import ClassLabels, NumberTargets

# isort: split
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

__all__ = ["GBTClassifier", "GBTRegressor"]


class GBTRegressor(RegressorMixin, NumberTargets, EstimatorBase):  # type: ignore[misc]
    __doc__ = f"""Gradient boosted trees for one or several numeric targets.

    ``objective="auto"`` is squared_error. Rows with NaN targets are refused; NaN in `X` is a missing value.

    Parameters
    ----------
    {parameter_docs()}

    Attributes
    ----------
    booster_ : Booster
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where `X` has column names
    feature_importances_ : ndarray of float64, shape (n_features,)
    n_iter_, best_iteration_, best_score_, evals_result_
        Rounds used, and the course of early stopping.
    """

    def _objective_name(self) -> str:
        return "squared_error" if self.objective == "auto" else str(self.objective)

    def predict(self, X: Any, *, base_margin: Any = None, iteration_range: tuple[int, int | None] | None = None) -> Any:
        """Predicted targets, in units of `y`.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
            An array on a GPU is predicted there, and so is the result; see `Booster.predict`.
        base_margin : array-like, shape (n,) or (n, K), optional
        iteration_range : (int, int or None), optional
            See `Booster.predict`.

        Returns
        -------
        ndarray of float64, shape (n,), or (n, K) for K targets
        """
        there = view(X)
        if there is not None:
            values = self._predict_there(there, "value", base_margin, iteration_range, flat=True)
            return like(device_predict.widen(values), X)
        return self._predict(X, "value", base_margin, iteration_range)


class GBTClassifier(ClassifierMixin, ClassLabels, EstimatorBase):  # type: ignore[misc]
    __doc__ = f"""Gradient boosted trees for two or more classes with labels of any type.

    ``objective="auto"`` is logistic for two classes and softmax for more.

    Parameters
    ----------
    {parameter_docs()}

    Attributes
    ----------
    booster_ : Booster
    classes_ : ndarray, shape (n_classes,)
        The labels, sorted; the columns of `predict_proba`.
    n_classes_ : int
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where `X` has column names
    feature_importances_ : ndarray of float64, shape (n_features,)
    n_iter_, best_iteration_, best_score_, evals_result_
        Rounds used, and the course of early stopping.
    """

    def _objective_name(self) -> str:
        if self.objective == "auto":
            return "logistic" if len(self.classes_) == 2 else "softmax"
        return str(self.objective)

    def _training_params(self) -> dict[str, Any]:
        params = super()._training_params()
        if len(self.classes_) > 2 or self._objective_name() in ("softmax", "one_vs_rest"):
            params["n_classes"] = len(self.classes_)
        return params

    def decision_function(
        self, X: Any, *, base_margin: Any = None, iteration_range: tuple[int, int | None] | None = None
    ) -> Any:
        """Margins: shape (n,) for two classes (positive means ``classes_[1]``), else (n, n_classes)."""
        there = view(X)
        if there is not None:
            margins = self._predict_there(there, "margin", base_margin, iteration_range, flat=True)
            return like(device_predict.widen(margins), X)
        return self._predict(X, "margin", base_margin, iteration_range)

    def predict_proba(
        self, X: Any, *, base_margin: Any = None, iteration_range: tuple[int, int | None] | None = None
    ) -> Any:
        """Probabilities of the classes.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
            An array on a GPU is predicted there, and so is the result; see `Booster.predict`.
        base_margin : array-like, optional
        iteration_range : (int, int or None), optional
            See `Booster.predict`.

        Returns
        -------
        ndarray of float64, shape (n, n_classes)
            Rows sum to 1; columns in the order of ``classes_``.
        """
        if callable(self.objective):
            check_is_fitted(self)
            raise NotImplementedError("predict_proba is not defined for a custom objective; use decision_function")
        there = view(X)
        if there is not None:
            values = self._predict_there(there, "value", base_margin, iteration_range)
            return like(device_predict.class_shares(values), X)
        p = self._predict(X, "value", base_margin, iteration_range)
        if p.ndim == 1:
            return np.column_stack([1.0 - p, p])
        total = np.zeros((len(p), 1))
        for k in range(p.shape[1]):  # in the order of the classes, as on a device
            total += p[:, k : k + 1]
        shares: npt.NDArray[np.float64] = np.divide(p, total, out=np.full_like(p, 1.0 / p.shape[1]), where=total > 0)
        return shares

    def predict(self, X: Any, *, base_margin: Any = None, iteration_range: tuple[int, int | None] | None = None) -> Any:
        """The most probable class of every row, shape (n,), of the type of `y`.

        An array on a GPU is predicted there, and so is the result; classes that are no numbers are a TypeError then.
        """
        there = view(X)
        if there is not None:
            margins = self._predict_there(there, "margin", base_margin, iteration_range)
            return like(device_predict.top_classes(margins, self.classes_), X)
        margin = self.decision_function(X, base_margin=base_margin, iteration_range=iteration_range)
        codes = (margin > 0).astype(np.int64) if margin.ndim == 1 else margin.argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[codes]
        return labels
