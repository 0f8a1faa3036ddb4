# SPDX-License-Identifier: Apache-2.0
"""AdaBoost for classes: M1 and SAMME."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import ClassLabels

# isort: split
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from .. import _core
from ..estimator_files import FileParts
from .adaboost_rounds import PERFECT_FIT, run_rounds
from .base import EnsembleEstimator, choice, integer, number, seed, shallow_tree
from .learner import encoded, make_learner, member_labels, tree_votes

__all__ = ["AdaBoostClassifier"]

Floats = npt.NDArray[np.float64]


class AdaBoostClassifier(ClassifierMixin, ClassLabels, EnsembleEstimator):  # type: ignore[misc]
    __doc__ = f"""AdaBoost: learners that vote, each trained on rows that weigh more the more the ones before it erred.

    "M1" (Freund and Schapire, 1996): a learner with weighted error e has the vote log((1 - e) / e), and rows that it
    calls wrong weigh (1 - e) / e times as much in the next round; rounds end where e >= 1/2. "SAMME" (Zhu, Zou, Rosset
    and Hastie, 2009) adds log(K - 1) to the vote and goes on below e = 1 - 1/K; for two classes they are the same.

    Rows are weighted rather than drawn unless `resample` says so. Weights keep their sum, so that `min_split` and its
    like mean what they mean in a single tree. The model is the same, bit for bit, for any number of threads and any
    order of the rows, and a row of weight 3 is the row three times.

    Parameters
    ----------
    estimator : classifier, optional
        The learner: any classifier of `pygbt.tree` or scikit-learn; None: a tree with one question.
    n_estimators : int, default=50
        Rounds, at most.
    algorithm : {{"M1", "SAMME"}}, default="M1"
    learning_rate : float, default=1.0
        Factor of every vote, and so of the exponent of the weights.
    {PERFECT_FIT}
    random_state : int, generator or None, default=0
        Seed of drawn samples, and of learners with a `random_state`; None draws one.
    n_jobs : int, optional
        Threads; None: all.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_classes_ : int
    estimators_ : list of DecisionTree, or of fitted estimators
    estimator_weights_ : ndarray of float64, shape (n_rounds,)
        Votes.
    estimator_errors_ : ndarray of float64, shape (n_rounds,)
        Weighted errors on the training rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where `X` has column names
    feature_importances_ : ndarray of float64, shape (n_features,)
        Mean of those of the learners, weighted by their votes.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 50,
        algorithm: str = "M1",
        learning_rate: float = 1.0,
        perfect_fit: str = "cap",
        resample: bool = False,
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.algorithm = algorithm
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
        samme = choice("algorithm", self.algorithm, ("M1", "SAMME")) == "SAMME"
        rate = number("learning_rate", self.learning_rate, 0)
        perfect_fit = choice("perfect_fit", self.perfect_fit, ("cap", "stop", "resample"))
        resample = choice("resample", self.resample, (False, True))
        n_threads = self._threads()
        self._require_y(y)
        X = self._check_training_X(X)
        codes = self._encode_y(y, fitting=True).astype(np.int32)
        weight = self._weight(sample_weight, len(codes))
        base = self._base(shallow_tree(1, classifier=True))
        learner = make_learner(base, X, codes, self.classes_, n_threads, weight)
        k = max(2, self.n_classes_)
        remedy = "use a stronger one" if samme or k == 2 else 'use a stronger one, or algorithm="SAMME"'
        rounds = run_rounds(
            learner,
            lambda member: (learner.labels(member) != codes).astype(np.float64),
            weight,
            n_rounds=n_rounds,
            chance=1.0 - 1.0 / k if samme else 0.5,
            bonus=_core.log_odds(1.0 - 1.0 / k) if samme else 0.0,
            learning_rate=rate,
            perfect_fit=perfect_fit,
            resample=resample,
            seed=seed(self.random_state),
            n_threads=n_threads,
            n_rows=len(codes),
            remedy=remedy,
        )
        self.estimators_ = rounds.members
        self.estimator_weights_ = np.array(rounds.votes)
        self.estimator_errors_ = np.array(rounds.errors)
        return self

    def _staged_votes(self, X: Any) -> Iterator[Floats]:
        """Votes for every class after each round, shape (n, n_classes); always the same array."""
        X = self._rows(X)
        codes = encoded(self.estimators_, X)
        n_threads = self._threads()
        votes: Floats | None = None
        for member, vote in zip(self.estimators_, self.estimator_weights_, strict=True):
            labels = member_labels(member, X, codes, self.classes_, n_threads)
            if votes is None:
                votes = np.zeros((len(labels), self.n_classes_))
            votes[np.arange(len(labels)), labels] += vote
            yield votes

    def _votes(self, X: Any) -> Floats:
        votes: Floats
        X = self._rows(X)
        codes = encoded(self.estimators_, X)
        if codes is not None:
            return tree_votes(self.estimators_, self.estimator_weights_, codes, self.n_classes_, self._threads())
        *_, votes = self._staged_votes(X)
        return votes

    def _decision(self, votes: Floats, n_rounds: int) -> Floats:
        shares: Floats = votes / self.estimator_weights_[:n_rounds].sum()
        decision: Floats = shares[:, 1] - shares[:, 0] if self.n_classes_ == 2 else shares
        return decision

    def decision_function(self, X: Any) -> Floats:
        """Shares of the votes, shape (n, n_classes); for two classes that of the second less that of the first, shape
        (n,).
        """
        return self._decision(self._votes(X), len(self.estimators_))

    def staged_decision_function(self, X: Any) -> Iterator[Floats]:
        """`decision_function` after each round."""
        for i, votes in enumerate(self._staged_votes(X)):
            yield self._decision(votes, i + 1)

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class with the most votes, the first of equal ones, shape (n,)."""
        codes = self._votes(X).argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[codes]
        return labels

    def staged_predict(self, X: Any) -> Iterator[npt.NDArray[Any]]:
        """`predict` after each round."""
        for votes in self._staged_votes(X):
            yield self.classes_[votes.argmax(axis=1)]

    def staged_score(self, X: Any, y: Any, sample_weight: Any = None) -> Iterator[float]:
        """Accuracy after each round."""
        for labels in self.staged_predict(X):
            yield accuracy_score(y, labels, sample_weight=sample_weight)

    def predict_proba(self, X: Any) -> Floats:
        """Class probabilities, shape (n, n_classes): the softmax of the votes, which minimise the exponential loss
        (Friedman, Hastie and Tibshirani, 2000).
        """
        probabilities: Floats = _core.margin_values("softmax", self._votes(X))
        return probabilities

    def staged_predict_proba(self, X: Any) -> Iterator[Floats]:
        """`predict_proba` after each round."""
        for votes in self._staged_votes(X):
            yield _core.margin_values("softmax", votes)

    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            logs: Floats = np.log(self.predict_proba(X))
        return logs

    def _check_read(self, parts: FileParts) -> None:
        n = len(self.estimators_)
        self._require_trees(parts, classify=True)
        self._require_numbers(parts, estimator_weights_=n, estimator_errors_=n)

    @property
    def feature_importances_(self) -> Floats:
        """Importance of every column, shape (n_features,); sums to 1 unless no tree has a question."""
        return self._importance(getattr(self, "estimator_weights_", None))
