# SPDX-License-Identifier: Apache-2.0
"""AdaBoost for numbers: R2."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from .. import _core
from ..estimator_files import FileParts
from .adaboost_rounds import PERFECT_FIT, run_rounds
from .base import EnsembleEstimator, OneTarget, choice, integer, number, seed, shallow_tree
from .learner import encoded, make_learner, member_values

__all__ = ["AdaBoostRegressor"]

Floats = npt.NDArray[np.float64]


class AdaBoostRegressor(RegressorMixin, OneTarget, EnsembleEstimator):  # type: ignore[misc]
    __doc__ = f"""AdaBoost.R2 (Drucker, 1997): regressors trained on rows that weigh more the more the last one erred.

    The loss of a row is its absolute error as a share of the largest one, l (or its square, or 1 - e^-l). With L the
    weighted mean of the losses and beta = L / (1 - L), weights are multiplied by beta^(1 - loss); rounds end where
    L >= 1/2. The prediction is the median of the learners' predictions, weighted by log(1 / beta).

    Rows are weighted rather than drawn unless `resample` says so; Drucker draws them.

    Parameters
    ----------
    estimator : regressor, optional
        The learner: any regressor of `pygbt.tree` or scikit-learn; None: a tree of depth 3.
    n_estimators : int, default=50
        Rounds, at most.
    loss : {{"linear", "square", "exponential"}}, default="linear"
    learning_rate : float, default=1.0
        Factor of every vote, and so of the exponent of the weights.
    {PERFECT_FIT}
    random_state : int, generator or None, default=0
        Seed of drawn samples, and of learners with a `random_state`; None draws one.
    n_jobs : int, optional
        Threads; None: all.

    Attributes
    ----------
    estimators_ : list of DecisionTree, or of fitted estimators
    estimator_weights_ : ndarray of float64, shape (n_rounds,)
        Votes.
    estimator_errors_ : ndarray of float64, shape (n_rounds,)
        Weighted mean losses on the training rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where `X` has column names
    feature_importances_ : ndarray of float64, shape (n_features,)
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 50,
        loss: str = "linear",
        learning_rate: float = 1.0,
        perfect_fit: str = "cap",
        resample: bool = False,
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.loss = loss
        self.learning_rate = learning_rate
        self.perfect_fit = perfect_fit
        self.resample = resample
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Boost.

        Parameters
        ----------
        X : array, sparse matrix, data frame or Dataset, shape (n, n_features)
            NaN is a missing value where the learner is a tree of pygbt, which reads a `Dataset` over its bins.
        y : array-like, shape (n,)
        sample_weight : array-like, shape (n,), optional
            Weight 2 is the same as the row twice, weight 0 the same as leaving it out.

        Returns
        -------
        self
        """
        n_rounds = integer("n_estimators", self.n_estimators, 1)
        loss = choice("loss", self.loss, ("linear", "square", "exponential"))
        rate = number("learning_rate", self.learning_rate, 0)
        perfect_fit = choice("perfect_fit", self.perfect_fit, ("cap", "stop", "resample"))
        resample = choice("resample", self.resample, (False, True))
        n_threads = self._threads()
        self._require_y(y)
        X = self._check_training_X(X)
        target = self._encode_y(y, fitting=True)
        weight = self._weight(sample_weight, len(target))
        learner = make_learner(self._base(shallow_tree(3, classifier=False)), X, target, None, n_threads)
        rounds = run_rounds(
            learner,
            lambda member: _core.relative_losses(np.abs(learner.values(member) - target), weight, loss),
            weight,
            n_rounds=n_rounds,
            chance=0.5,
            bonus=0.0,
            learning_rate=rate,
            perfect_fit=perfect_fit,
            resample=resample,
            seed=seed(self.random_state),
            n_threads=n_threads,
            n_rows=len(target),
            remedy="use a stronger one",
        )
        self.estimators_ = rounds.members
        self.estimator_weights_ = np.array(rounds.votes)
        self.estimator_errors_ = np.array(rounds.errors)
        return self

    def _predictions(self, X: Any) -> Floats:
        """Predictions of every learner, shape (n, n_rounds)."""
        X = self._rows(X)
        codes = encoded(self.estimators_, X)
        n_threads = self._threads()
        return np.column_stack([member_values(member, X, codes, n_threads)[:, 0] for member in self.estimators_])

    def _medians(self, values: Floats, votes: Floats) -> Floats:
        order = np.argsort(values, axis=1, kind="stable")
        reached = np.cumsum(votes[order], axis=1)
        place = (reached >= 0.5 * reached[:, -1:]).argmax(axis=1)
        rows = np.arange(len(values))
        medians: Floats = values[rows, order[rows, place]]
        return medians

    def predict(self, X: Any) -> Floats:
        """The weighted median of the learners' predictions, shape (n,)."""
        return self._medians(self._predictions(X), self.estimator_weights_)

    def staged_predict(self, X: Any) -> Iterator[Floats]:
        """`predict` after each round."""
        values = self._predictions(X)
        for i in range(1, values.shape[1] + 1):
            yield self._medians(values[:, :i], self.estimator_weights_[:i])

    def staged_score(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """R^2 after each round."""
        for values in self.staged_predict(X):
            yield r2_score(y, values, sample_weight=sample_weight)

    def _check_read(self, parts: FileParts) -> None:
        n = len(self.estimators_)
        self._require_trees(parts, classify=False, n_values=1)
        self._require_numbers(parts, estimator_weights_=n, estimator_errors_=n)

    @property
    def feature_importances_(self) -> Floats:
        """Importance of every column, shape (n_features,); sums to 1 unless no tree has a question."""
        return self._importance(getattr(self, "estimator_weights_", None))
