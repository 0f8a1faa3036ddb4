# SPDX-License-Identifier: Apache-2.0
"""Forests for classes and forests for numbers: what their trees fit and what they answer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import ClassLabels, NumberTargets  # first: says what is missing

# isort: split
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score

from .. import _core
from ..class_weights import class_factors
from ..estimator_files import FileParts
from ..tree.base import threads
from .base import choice
from .forest_base import ForestEstimator
from .forest_model import ForestModel, TargetScale

__all__ = ["ForestClassifier", "ForestRegressor"]

Floats = npt.NDArray[np.float64]


class ForestClassifier(ClassifierMixin, ClassLabels, ForestEstimator):  # type: ignore[misc]
    """Base of the forests of classification trees."""

    voting: Any
    class_weight: Any

    _criteria = ("gini", "entropy", "twoing")

    def _votes(self) -> bool:
        return bool(choice("voting", self.voting, ("proba", "vote")) == "vote")

    def _balanced(self) -> bool:
        """Whether each tree balances the rows that it drew."""
        return bool(self.bootstrap) and isinstance(self.class_weight, str) and self.class_weight == "balanced_subsample"

    def _training_target(self, y: Any, before: ForestModel | None) -> npt.NDArray[Any]:
        known = self.classes_ if before is not None else None
        codes = self._encode_y(y, fitting=True)
        if known is not None and not np.array_equal(known, self.classes_):
            found, self.classes_, self.n_classes_ = self.classes_, known, len(known)
            raise ValueError(f"y has the classes {found[:10]}, the trees so far {known[:10]}; use warm_start=False")
        return codes

    def _response(
        self, target: npt.NDArray[Any], weight: Floats | None, before: ForestModel | None, options: dict[str, Any]
    ) -> tuple[Any, TargetScale | None]:
        codes = np.ascontiguousarray(target, dtype=np.int32)
        factors = self._class_factors(codes, weight)
        if factors is not None:
            if (factors == 0).any():  # the class does not count
                weight = np.where(factors[codes] == 0, 0.0, 1.0 if weight is None else weight)
                if not (weight > 0).any():
                    raise ValueError("class_weight and sample_weight leave no row")
                factors = np.where(factors == 0, 1.0, factors)
            if self.min_weight_fraction_leaf and not self.bootstrap:  # a share of weights that have the factors in them
                weight = factors[codes] if weight is None else weight * factors[codes]
            else:
                options["class_factor"] = options["split_factor"] = factors.tolist()
        return _core.Response.classes(codes, len(self.classes_), weight, threads(self.n_jobs)), None

    def _class_factors(self, codes: npt.NDArray[np.int32], weight: Floats | None) -> Floats | None:
        if self.class_weight is None or self._balanced():
            return None
        asked = self.class_weight
        if isinstance(asked, str) and choice("class_weight", asked, ("balanced", "balanced_subsample")):
            asked = "balanced"  # without bootstrap every tree draws all rows
        return class_factors(asked, self.classes_, codes, weight)

    def predict_proba(self, X: Any) -> Floats:
        """Mean over the trees of the shares of the classes, or shares of their votes, shape (n, n_classes); columns in
        the order of ``classes_``.
        """
        rows = self._rows(X)
        return self.forest_.mean(rows, threads(self.n_jobs))

    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            logs: Floats = np.log(self.predict_proba(X))
        return logs

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class with the largest `predict_proba`, the first of equal ones, shape (n,)."""
        shares = self.predict_proba(X)
        labels: npt.NDArray[Any] = self.classes_[shares.argmax(axis=1)]
        return labels

    def _score_left_out(
        self, target: npt.NDArray[Any], answers: Floats, counted: npt.NDArray[np.bool_], weight: Floats | None
    ) -> float:
        self.oob_decision_function_ = answers
        if not counted.any():
            return float("nan")
        truth = self.classes_[target[counted].astype(np.int64)]
        called = self.classes_[answers[counted].argmax(axis=1)]
        if callable(self.oob_score):
            return float(self.oob_score(truth, called))
        return float(accuracy_score(truth, called, sample_weight=None if weight is None else weight[counted]))


class ForestRegressor(RegressorMixin, NumberTargets, ForestEstimator):  # type: ignore[misc]
    """Base of the forests of regression trees."""

    _flat: bool
    _criteria = ("squared_error", "absolute_error", "poisson")

    def _training_target(self, y: Any, before: ForestModel | None) -> npt.NDArray[Any]:
        target = self._encode_y(y, fitting=True)
        width = 1 if target.ndim == 1 else target.shape[1]
        if before is not None and (width != before.n_outputs or (target.ndim == 1) != self._flat):
            raise ValueError(f"y has {width} targets, the trees so far {before.n_outputs}; use warm_start=False")
        self._flat = target.ndim == 1
        return target

    def _response(
        self, target: npt.NDArray[Any], weight: Floats | None, before: ForestModel | None, options: dict[str, Any]
    ) -> tuple[Any, TargetScale | None]:
        criterion = options["criterion"]
        if criterion != "squared_error" and target.ndim != 1:
            raise ValueError(f'y must be one column for criterion="{criterion}"')
        if criterion == "poisson" and (target < 0).any():
            raise ValueError('y must not be negative for criterion="poisson"')
        y = np.asarray(target, dtype=np.float64).reshape(len(target), -1)
        if before is not None:
            assert before.scale is not None
            scale = before.scale
        elif criterion == "poisson":  # counts stay as they are
            scale = TargetScale(np.zeros(1), 1.0, 1.0)
        else:
            scale = TargetScale.fitting(y, weight, 1 if criterion == "absolute_error" else 2)
        return _core.Response.targets(scale.scaled(y), weight, threads(self.n_jobs)), scale

    def predict(self, X: Any) -> Floats:
        """Mean of the trees, shape (n,), or (n, K) for K targets."""
        rows = self._rows(X)
        mean = self.forest_.mean(rows, threads(self.n_jobs))
        return mean[:, 0] if self._flat else mean

    def _score_left_out(
        self, target: npt.NDArray[Any], answers: Floats, counted: npt.NDArray[np.bool_], weight: Floats | None
    ) -> float:
        self.oob_prediction_ = answers[:, 0] if self._flat else answers
        if not counted.any():
            return float("nan")
        truth, found = target[counted], self.oob_prediction_[counted]
        if callable(self.oob_score):
            return float(self.oob_score(truth, found))
        return float(r2_score(truth, found, sample_weight=None if weight is None else weight[counted]))

    def _read_scale(self, offset: Any, parts: FileParts) -> TargetScale | None:
        unit, loss_unit = parts.number("unit"), parts.number("loss_unit")
        parts.require(offset is not None and offset.ndim == 1 and len(offset) >= 1, "there are no targets")
        parts.require(offset.dtype == np.float64 and bool(np.isfinite(offset).all()), "targets are no numbers")
        parts.require(0 < unit < np.inf and loss_unit > 0, "the scale of the targets is no number")
        self._flat = parts.flag("flat")
        parts.require(not self._flat or len(offset) == 1, "outputs do not fit")
        return TargetScale(offset, unit, loss_unit)
