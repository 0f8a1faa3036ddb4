# SPDX-License-Identifier: Apache-2.0
"""Bagging: estimators on bootstrap samples, which vote or are averaged."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import ClassLabels, NumberTargets

# isort: split
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score

from .. import _core
from ..estimator_files import FileParts
from ..tree import DecisionTree
from .base import EnsembleEstimator, choice, deep_tree, integer, seed
from .learner import (
    TreeLearner,
    encoded,
    make_learner,
    member_labels,
    member_values,
    take_columns,
    tree_sums,
    tree_votes,
)
from .sampling import Sampler, column_draws

__all__ = ["BaggingClassifier", "BaggingRegressor"]

Floats = npt.NDArray[np.float64]

_SAMPLES = """\
n_estimators : int, default=10
        Members.
    max_samples : float or int, default=1.0
        Rows drawn for a member: a share of all rows (of the sum of whole weights), or a number.
    max_features : float or int, default=1.0
        Columns drawn for a member, without replacement: a share, or a number.
    bootstrap : bool, default=True
        Draw rows with replacement; else without."""

_COMMON = """\
oob_score : bool, default=False
        Predict every training row by the members that did not see it.
    random_state : int, generator or None, default=0
        Seed of the samples, and of members with a `random_state`; None draws one.
    n_jobs : int, optional
        Threads; None: all. The model is the same, bit for bit, for any number."""

_ATTRIBUTES = """\
estimators_ : list of DecisionTree, or of fitted estimators
    estimators_features_ : list of ndarray of int64
        Columns of each member.
    oob_score_ : float, with `oob_score`
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where `X` has column names
    feature_importances_ : ndarray of float64, shape (n_features,)
        Mean of those of the members."""


class _Bagging(EnsembleEstimator):
    """Samples and members, which the classifier and the regressor share."""

    estimators_features_: list[npt.NDArray[np.int64]]
    max_samples: Any
    max_features: Any
    bootstrap: Any
    oob_score: Any
    random_state: Any

    def _bag(self, X: Any, y: Any, sample_weight: Any, classes: npt.NDArray[Any] | None) -> tuple[Any, Sampler]:
        """Fit the members; the learner and the samples."""
        n_members = integer("n_estimators", self.n_estimators, 1)
        bootstrap = choice("bootstrap", self.bootstrap, (False, True))
        oob = choice("oob_score", self.oob_score, (False, True))
        own_seed = seed(self.random_state)
        n_threads = self._threads()
        weight = self._weight(sample_weight, len(y))
        base = self._base(deep_tree(classifier=classes is not None))
        # Members are tasks where there are enough of them, else they share the threads.
        parallel = n_members >= n_threads > 1
        own_threads = 1 if parallel else n_threads
        learner = make_learner(base, X, y, classes, n_threads, weight)
        columns = column_draws(self.max_features, self.n_features_in_, n_members, own_seed)
        sampler = Sampler(learner.hashes(), weight, self.max_samples, bootstrap=bootstrap, seed=own_seed)
        if oob and sampler.everything:
            raise ValueError("oob_score needs rows that a member does not see: bootstrap=True or max_samples below 1")

        def fit(i: int) -> Any:
            drawn = sampler.weights(i)
            if isinstance(learner, TreeLearner):
                return self._fit_tree(learner, drawn, columns[i], own_threads, own_seed + i)
            return learner.fit_weighted(drawn, own_seed + i, columns[i])

        if parallel:
            with ThreadPoolExecutor(n_threads) as pool:
                members = list(pool.map(fit, range(n_members)))
        else:
            members = [fit(i) for i in range(n_members)]
        self.estimators_ = members
        every = np.arange(self.n_features_in_)
        self.estimators_features_ = [every if chosen is None else chosen for chosen in columns]
        return learner, sampler

    def _fit_tree(
        self, learner: TreeLearner, drawn: Floats | None, columns: Any, n_threads: int, member_seed: int
    ) -> DecisionTree:
        base = learner.member_base(n_threads, member_seed)
        response = learner.response(drawn)
        if columns is None:
            return learner.wrap(base._grow(learner.table, response))
        chosen = columns.tolist()
        base.n_features_in_ = len(chosen)
        core = base._grow(_core.select_columns(learner.table, chosen), response)
        return learner.wrap(_core.renumber_features(core, chosen))

    def _members(self, X: Any) -> Iterator[tuple[Any, Any, Any]]:
        """Each member with its view of the rows: as a table, and as trees read it."""
        codes = encoded(self.estimators_, X)
        for member, columns in zip(self.estimators_, self.estimators_features_, strict=True):
            whole = isinstance(member, DecisionTree) or len(columns) == self.n_features_in_
            yield member, X if whole else take_columns(X, columns), codes

    def _tally(self, X: Any, n_threads: int) -> Iterable[Floats]:
        """What each member says about each row, shape (n, n_values)."""
        raise NotImplementedError

    def _sum_of_trees(self, codes: Any, n_threads: int) -> Floats:
        n_values = self.estimators_[0].n_values
        return tree_sums(self.estimators_, 1.0, np.zeros(n_values), [0] * len(self.estimators_), codes, n_threads)

    def _mean(self, X: Any) -> Floats:
        """Mean of what the members say, in their order."""
        X = self._rows(X)
        codes = encoded(self.estimators_, X)
        if codes is not None:
            return self._sum_of_trees(codes, self._threads()) / len(self.estimators_)
        total: Floats | None = None
        for said in self._tally(X, self._threads()):
            total = said.copy() if total is None else total + said
        assert total is not None
        return total / len(self.estimators_)

    def _tally_training(self, learner: Any) -> Iterable[Floats]:
        """The same of the training rows."""
        if not isinstance(learner, TreeLearner):
            return self._tally(learner.X, 1)
        return (self._said(learner, tree) for tree in self.estimators_)

    def _said(self, learner: TreeLearner, tree: DecisionTree) -> Floats:
        return _core.coded_values(tree._core, learner.table, learner.n_threads)

    def _out_of_bag(self, learner: Any, sampler: Sampler) -> Floats:
        """Mean of what the members that did not see a row say about it; NaN for rows that all have seen."""
        total: Any = 0.0
        counts = np.zeros(sampler.n_rows)
        for i, said in enumerate(self._tally_training(learner)):
            out = sampler.left_out(i)
            total = total + np.where(out[:, None], said, 0.0)
            counts += out
        if (counts[sampler.counted] == 0).any():
            warnings.warn(
                "oob_score: some rows were seen by every member; more n_estimators would leave none",
                UserWarning,
                stacklevel=3,
            )
        with np.errstate(invalid="ignore"):
            mean: Floats = np.where(counts[:, None] > 0, total / np.maximum(counts, 1)[:, None], np.nan)
        return mean

    def _judged(self, mean: Floats, sampler: Sampler) -> npt.NDArray[np.bool_]:
        judged: npt.NDArray[np.bool_] = ~np.isnan(mean).any(axis=1) & sampler.counted
        if not judged.any():
            raise ValueError("oob_score: every row was seen by every member; raise n_estimators")
        return judged

    def _check_read(self, parts: FileParts) -> None:
        parts.require(len(getattr(self, "estimators_features_", ())) == len(self.estimators_), "columns do not fit")
        classify = hasattr(self, "classes_")
        self._require_trees(parts, classify=classify)
        if not classify:
            parts.require(not parts.flag("_flat") or self.estimators_[0].n_values == 1, "outputs do not fit")

    @property
    def feature_importances_(self) -> Floats:
        """Importance of every column, shape (n_features,); sums to 1 unless no tree has a question."""
        return self._importance()


class BaggingClassifier(ClassifierMixin, ClassLabels, _Bagging):  # type: ignore[misc]
    __doc__ = f"""Bagging of classifiers (Breiman, 1996): each is trained on a bootstrap sample, and they vote.

    Draws depend on the content of a row and not on its place, so the order of the rows does not matter, and a row of
    weight 3 is the row three times.

    Parameters
    ----------
    estimator : classifier, optional
        Any classifier of `pygbt.tree` or scikit-learn; None: an unpruned `CARTClassifier`.
    {_SAMPLES}
    voting : {{"vote", "proba"}}, default="vote"
        "vote": one vote a member, as Breiman; "proba": mean of the members' class probabilities, as scikit-learn.
    {_COMMON}

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_classes_ : int
    {_ATTRIBUTES}
    oob_decision_function_ : ndarray of float64, shape (n, n_classes), with `oob_score`
        Shares of the votes, or mean probabilities, of the members that did not see the row; NaN where all have.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 10,
        max_samples: float = 1.0,
        max_features: float = 1.0,
        bootstrap: bool = True,
        voting: str = "vote",
        oob_score: bool = False,
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.voting = voting
        self.oob_score = oob_score
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train the members.

        Parameters
        ----------
        X : array, sparse matrix, data frame or Dataset, shape (n, n_features)
            NaN is a missing value where the members are trees of pygbt, which read a `Dataset` over its bins.
        y : array-like, shape (n,)
        sample_weight : array-like, shape (n,), optional
            Rows are drawn in proportion to it.

        Returns
        -------
        self
        """
        choice("voting", self.voting, ("vote", "proba"))
        if self.voting == "proba" and self.estimator is not None and not hasattr(self.estimator, "predict_proba"):
            raise ValueError(f'voting="proba" needs an estimator with predict_proba, got {self.estimator!r}')
        self._require_y(y)
        X = self._check_training_X(X)
        codes = self._encode_y(y, fitting=True)
        learner, sampler = self._bag(X, codes, sample_weight, self.classes_)
        if self.oob_score:
            self.oob_decision_function_ = self._out_of_bag(learner, sampler)
            judged = self._judged(self.oob_decision_function_, sampler)
            said = self.oob_decision_function_[judged].argmax(axis=1)
            self.oob_score_ = float(accuracy_score(codes[judged], said, sample_weight=sampler.given(judged)))
        return self

    def _sum_of_trees(self, codes: Any, n_threads: int) -> Floats:
        if self.voting == "proba":
            return super()._sum_of_trees(codes, n_threads)
        return tree_votes(self.estimators_, np.ones(len(self.estimators_)), codes, self.n_classes_, n_threads)

    def _said(self, learner: TreeLearner, tree: DecisionTree) -> Floats:
        if self.voting == "proba":
            return super()._said(learner, tree)
        return np.eye(self.n_classes_)[learner.labels(tree)]

    def _tally(self, X: Any, n_threads: int) -> Iterable[Floats]:
        k = self.n_classes_
        for member, own, codes in self._members(X):
            if self.voting == "vote":
                yield np.eye(k)[member_labels(member, own, codes, self.classes_, n_threads)]
            elif isinstance(member, DecisionTree):
                yield member_values(member, own, codes, n_threads)
            else:
                shares = np.zeros((own.shape[0], k))
                shares[:, np.searchsorted(self.classes_, member.classes_)] = member.predict_proba(own)
                yield shares

    def predict_proba(self, X: Any) -> Floats:
        """Shares of the votes, or mean probabilities, shape (n, n_classes)."""
        return self._mean(X)

    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            logs: Floats = np.log(self.predict_proba(X))
        return logs

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The class with the most votes or the largest mean, the first of equal ones, shape (n,)."""
        codes = self._mean(X).argmax(axis=1)
        labels: npt.NDArray[Any] = self.classes_[codes]
        return labels


class BaggingRegressor(RegressorMixin, NumberTargets, _Bagging):  # type: ignore[misc]
    __doc__ = f"""Bagging of regressors (Breiman, 1996): each is trained on a bootstrap sample, and they are averaged.

    Draws depend on the content of a row and not on its place, so the order of the rows does not matter, and a row of
    weight 3 is the row three times.

    Parameters
    ----------
    estimator : regressor, optional
        Any regressor of `pygbt.tree` or scikit-learn; None: an unpruned `CARTRegressor`.
    {_SAMPLES}
    {_COMMON}

    Attributes
    ----------
    {_ATTRIBUTES}
    oob_prediction_ : ndarray of float64, shape (n,) or (n, K), with `oob_score`
        Mean of the members that did not see the row; NaN where all have.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        n_estimators: int = 10,
        max_samples: float = 1.0,
        max_features: float = 1.0,
        bootstrap: bool = True,
        oob_score: bool = False,
        random_state: Any = 0,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.oob_score = oob_score
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Train the members.

        Parameters
        ----------
        X : array, sparse matrix, data frame or Dataset, shape (n, n_features)
            NaN is a missing value where the members are trees of pygbt, which read a `Dataset` over its bins.
        y : array-like, shape (n,), or (n, K) where the members take it
        sample_weight : array-like, shape (n,), optional
            Rows are drawn in proportion to it.

        Returns
        -------
        self
        """
        self._require_y(y)
        X = self._check_training_X(X)
        target = self._encode_y(y, fitting=True)
        self._flat = target.ndim == 1
        learner, sampler = self._bag(X, target, sample_weight, None)
        if self.oob_score:
            mean = self._out_of_bag(learner, sampler)
            judged = self._judged(mean, sampler)
            self.oob_prediction_ = mean[:, 0] if self._flat else mean
            given = sampler.given(judged)
            self.oob_score_ = float(r2_score(target[judged], self.oob_prediction_[judged], sample_weight=given))
        return self

    def _tally(self, X: Any, n_threads: int) -> Iterable[Floats]:
        for member, own, codes in self._members(X):
            yield member_values(member, own, codes, n_threads)

    def predict(self, X: Any) -> Floats:
        """Mean of the members' predictions, shape (n,), or (n, K) for K targets."""
        mean = self._mean(X)
        return mean[:, 0] if self._flat else mean
