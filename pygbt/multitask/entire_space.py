# SPDX-License-Identifier: Apache-2.0
"""`EntireSpace`: click and conversion learnt on all impressions (ESMM: Ma et al., SIGIR 2018)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import TableEstimator, on_host  # first: says what is missing

# isort: split
from sklearn.utils.validation import check_is_fitted

from ..booster import Booster
from ..callbacks import Callback
from ..estimator_files import FileParts, SavedEstimator
from .booster_options import BoosterOptions
from .labels import numbers_of_task
from .multi_task import MultiTask
from .options import ENTIRE_SPACE

__all__ = ["EntireSpace"]

Values = npt.NDArray[np.float64]
TASK = "conversion"


class EntireSpace(BoosterOptions, SavedEstimator, TableEstimator):
    """Rates of click and of conversion after a click, learnt together on all impressions.

    A model of conversions that is trained on clicked rows alone meets rows at prediction that nobody clicked. Here
    ``P(click and conversion) = P(click) P(conversion | click)`` is fitted to all rows, so that the second factor is one
    of all impressions; no conversion label is used where there was no click.

    Parameters
    ----------
    share : {"tree", "none"}, default "tree"
        "tree": one tree for both factors (ESMM), whose cuts count both alike. "none": a tree for each (ESMM-NS).
    n_estimators, early_stopping_rounds, validation_fraction, categorical_features, feature_groups, random_state, n_jobs
        As those of `MultiTask`; training is stopped by the log loss of click and conversion on all impressions.
    **booster
        Any parameter of `pygbt.train`.

    Attributes
    ----------
    booster_ : Booster
        Predicts two margins: of a click, and of a conversion after it.
    best_iteration_ : int or None
    feature_importances_ : ndarray of float64, shape (n_features,)

    Examples
    --------
    >>> model = EntireSpace(n_estimators=200).fit(X, click, conversion)
    >>> rates = model.predict(X)
    >>> rates["ctr"], rates["cvr"], rates["ctcvr"]
    """

    _classes_in_common = False

    def __init__(
        self,
        *,
        share: str = "tree",
        n_estimators: int = 100,
        early_stopping_rounds: int | None = None,
        validation_fraction: float = 0.1,
        categorical_features: Any = "auto",
        feature_groups: Any = None,
        random_state: Any = 0,
        n_jobs: int | None = None,
        **booster: Any,
    ) -> None:
        self.share = share
        self.n_estimators = n_estimators
        self.early_stopping_rounds = early_stopping_rounds
        self.validation_fraction = validation_fraction
        self.categorical_features = categorical_features
        self.feature_groups = feature_groups
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.booster = booster

    def fit(
        self,
        X: Any,
        click: Any,
        conversion: Any,
        sample_weight: Any = None,
        *,
        eval_set: tuple[Any, Any, Any] | Sequence[tuple[Any, Any, Any]] | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> Any:
        """Train on impressions.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
        click : array-like of 0 and 1, shape (n,)
        conversion : array-like of 0 and 1, shape (n,)
            Not read where there was no click (NaN is fine there); NaN after a click: not known yet.
        sample_weight : array-like, shape (n,), optional
        eval_set : (X, click, conversion) or list of them, optional
        callbacks : list of callables, optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            Labels are not 0 and 1, nothing was clicked, or nothing was converted.
        """
        if self.share not in ("tree", "none"):
            raise ValueError(f'share must be "tree" (ESMM) or "none" (ESMM-NS), got {self.share!r}')
        labels = _labels(click, conversion)
        seen = labels[labels[:, 0] == 1, 1]
        if not (seen == 1).any() or not (seen == 0).any():
            raise ValueError("click and conversion: training needs clicks with a conversion and clicks without one")
        tables = None
        if eval_set is not None:
            triples = [eval_set] if isinstance(eval_set, tuple) else list(eval_set)
            tables = [(Xv, {TASK: _labels(of_click, of_conversion)}) for Xv, of_click, of_conversion in triples]
        params = {name: value for name, value in self.get_params(deep=False).items() if name != "share"}
        self.model_ = MultiTask({TASK: ENTIRE_SPACE}, share=self.share, balance=self.share == "tree", **params)
        self.model_.fit(X, {TASK: labels}, sample_weight, eval_set=tables, callbacks=callbacks)
        self._take_over()
        return self

    def _take_over(self) -> None:
        self.n_features_in_ = self.model_.n_features_in_
        self._fitted_on_frame = self.model_._fitted_on_frame
        if hasattr(self.model_, "feature_names_in_"):
            self.feature_names_in_ = self.model_.feature_names_in_

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def predict(self, X: Any) -> dict[str, Values]:
        """Probabilities of a click ("ctr"), of a conversion after it ("cvr") and of both ("ctcvr", their product),
        float64 of shape (n,) each.
        """
        check_is_fitted(self)
        rates = self.model_.predict(X)[TASK]
        return {"ctr": rates[:, 0], "cvr": rates[:, 1], "ctcvr": rates[:, 0] * rates[:, 1]}

    @property
    def booster_(self) -> Booster:
        """Predicts two margins: of a click, and of a conversion after it."""
        check_is_fitted(self)
        return self.model_.booster_of(TASK)

    @property
    def best_iteration_(self) -> int | None:
        """Round that is predicted with, of a model that stopped early."""
        return self.booster_.best_iteration

    @property
    def feature_importances_(self) -> Values:
        """Total gain of every feature, shape (n_features,); sums to 1 unless no tree has a split."""
        check_is_fitted(self)
        return self.model_.feature_importances_

    def _file_parts(self) -> FileParts:
        return self.model_._file_parts()

    def _from_file_parts(self, parts: FileParts) -> None:
        self.model_ = MultiTask({TASK: ENTIRE_SPACE})
        self.model_._from_file_parts(parts)
        parts.require([task.loss for task in self.model_._tasks] == [ENTIRE_SPACE], "it is no model of an entire space")
        for name in ("n_features_in_", "_fitted_on_frame", "feature_names_in_"):
            if hasattr(self, name):
                setattr(self.model_, name, getattr(self, name))


def _labels(click: Any, conversion: Any) -> Values:
    """Click and conversion, shape (n, 2)."""
    columns = [
        numbers_of_task(on_host(values), name) for values, name in ((click, "click"), (conversion, "conversion"))
    ]
    for name, column in zip(("click", "conversion"), columns, strict=True):
        if column.ndim != 1:
            raise ValueError(f"{name} must have shape (n,), got {column.shape}")
    if len(columns[0]) != len(columns[1]):
        raise ValueError(f"click has {len(columns[0])} rows, conversion {len(columns[1])}")
    labels = np.column_stack(columns)
    labels[labels[:, 0] == 0, 1] = 0.0
    for name, column in zip(("click", "conversion"), labels.T, strict=True):
        if not np.isin(column[~np.isnan(column)], (0.0, 1.0)).all():
            raise ValueError(f"{name} must hold 0 and 1")
    return labels
