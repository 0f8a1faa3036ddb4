# SPDX-License-Identifier: Apache-2.0
"""Gradient boosting with any first-order loss: trees fitted to the negative gradient, a line search in every leaf."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import ClassLabels

# isort: split
from sklearn.base import ClassifierMixin, RegressorMixin

from .. import _core
from ..estimator_files import FileParts
from .base import EnsembleEstimator, OneTarget, choice, integer, number, shallow_tree
from .given_loss import GivenLoss, check_given_loss, given_values
from .learner import TreeLearner, encoded, make_learner, member_values, tree_sums

__all__ = ["FirstOrderBoosting", "GradientBoostingClassifier", "GradientBoostingRegressor"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]

_PARAMETERS = """\
n_estimators : int, default=100
        Rounds; each adds a tree, or a tree for each class of the softmax loss.
    learning_rate : float, default=0.1
        Factor of what every tree adds (shrinkage).
    line_search : {"exact", "newton"}, default="exact"
        What a leaf adds. "exact": the number that lowers the loss of its rows most (within 10 of a margin where the
        loss falls for ever). "newton": one Newton step, as in Friedman's paper and scikit-learn; medians and
        quantiles stay exact."""

_ATTRIBUTES = """\
estimators_ : list of DecisionTree
        Regression trees with the steps of the line search as values; those of one round follow each other.
    init_ : ndarray of float64, shape (n_margins,)
        The constant that boosting starts from: what fits best.
    train_score_ : ndarray of float64, shape (n_estimators,)
        Mean loss of the training rows after each round.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where `X` has column names
    feature_importances_ : ndarray of float64, shape (n_features,)
        Mean of those of the trees."""


def check_gradient_tree(base: Any) -> None:
    """Refuse a tree of counts: gradients and residuals have both signs."""
    if getattr(base, "criterion", None) == "poisson":
        raise ValueError(
            'estimator: criterion="poisson" is for counts, but trees are fitted to gradients; use "squared_error" (and '
            "the loss that suits y)"
        )


def tree_of_steps(core: Any, steps: Floats, leaves: Ints, n_features: int) -> Any:
    """The tree with other values; a node in which no training row ends has the mean of its children."""
    arrays = core.to_arrays()
    values = steps.copy()
    ends = np.bincount(leaves, minlength=len(values)) > 0
    for node in range(len(values) - 1, -1, -1):
        first, n = arrays["first_child"][node], arrays["n_children"][node]
        if n > 0 and not ends[node]:
            weight = arrays["weight"][first : first + n]
            values[node] = (weight * values[first : first + n]).sum() / weight.sum()
    arrays["value"] = values
    return _core.DecisionTree.from_arrays(arrays, n_features)


class FirstOrderBoosting(EnsembleEstimator):
    """Rounds of first-order boosting and what they predict."""

    init_: Floats
    train_score_: Floats
    learning_rate: Any

    def _boost(
        self,
        learner: TreeLearner,
        state: Any,
        weight: Floats | None,
        *,
        n_rounds: int,
        rate: float,
        line_search: str,
    ) -> None:
        k = len(self.init_)
        self.estimators_ = []
        scores = []
        for _ in range(n_rounds):
            state.begin_round()
            gradients = [state.negative_gradient(target) for target in range(k)]
            moves = []
            for target, gradient in enumerate(gradients):
                response = _core.Response.targets(gradient[:, None], weight, learner.n_threads)
                core = learner.base._grow(learner.table, response)
                leaves = _core.coded_leaves(core, learner.table, learner.n_threads)
                steps = state.leaf_steps(target, leaves, core.n_nodes, line_search)
                moves.append((target, leaves, steps))
                self.estimators_.append(learner.wrap(tree_of_steps(core, steps, leaves, learner.table.n_features)))
            for target, leaves, steps in moves:
                state.advance(target, leaves, steps, rate)
            scores.append(state.mean_loss)
        self.train_score_ = np.array(scores)

    def _learner(self, X: Any, target: Floats) -> TreeLearner:
        base = self._base(shallow_tree(3, classifier=False))
        check_gradient_tree(base)
        learner = make_learner(base, X, target, None, self._threads())
        if not isinstance(learner, TreeLearner):
            raise ValueError(f"estimator must be a regressor of pygbt.tree, got {type(base).__name__}")
        return learner

    def _staged_margins(self, X: Any) -> Iterator[Floats]:
        """Margins after each round, shape (n, n_margins); always the same array."""
        X = self._rows(X)
        codes = encoded(self.estimators_, X)
        n_threads = self._threads()
        k = len(self.init_)
        margins: Floats | None = None
        for i, member in enumerate(self.estimators_):
            steps = member_values(member, X, codes, n_threads)[:, 0]
            if margins is None:
                margins = np.tile(self.init_, (len(steps), 1))
            margins[:, i % k] += self.learning_rate * steps
            if i % k == k - 1:
                yield margins

    def _margins(self, X: Any) -> Floats:
        X = self._rows(X)
        k = len(self.init_)
        first = np.arange(len(self.estimators_)) % k
        codes = encoded(self.estimators_, X)
        return tree_sums(self.estimators_, self.learning_rate, self.init_, first, codes, self._threads())

    def _n_margins(self, parts: FileParts) -> int:
        """Margins that predictions are made of."""
        return 1

    def _check_read(self, parts: FileParts) -> None:
        k = self._n_margins(parts)
        parts.require(len(self.estimators_) % k == 0, "rounds and trees do not fit")
        self._require_trees(parts, classify=False, n_values=1)
        self._require_numbers(parts, init_=k, train_score_=len(self.estimators_) // k)

    @property
    def feature_importances_(self) -> Floats:
        """Importance of every column, shape (n_features,); sums to 1 unless no tree has a question."""
        return self._importance()


class GradientBoostingRegressor(RegressorMixin, OneTarget, FirstOrderBoosting):  # type: ignore[misc]
    __doc__ = f"""Gradient boosting of regression trees (Friedman, Greedy function approximation, 2001).

    Every round fits a tree to the negative gradient of the loss by least squares, and a line search finds what its
    leaves add. `pygbt.GBTRegressor` is the second-order method, and much the faster one.

    Parameters
    ----------
    loss : {{"squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma"}} or object
        Default "squared_error". "huber": squared up to a limit, absolute beyond; the limit is the quantile `alpha` of
        the absolute residuals, anew every round. "poisson" and "gamma" predict means, through their logarithm. Any
        other loss that is convex in the margin: an object with the methods ``loss(y, margins)`` and
        ``negative_gradient(y, margins)``, arrays of shape (n,) each, and ``values(margins)`` where predictions are not
        the margins. It is searched by halving, and sums are in the order of the rows; such a model is pickled, a model
        file does not hold it.
    {_PARAMETERS}
    alpha : float, default=0.9
        Level of the quantile of "quantile" and "huber".
    estimator : regressor of pygbt.tree, optional
        The trees, which fit the gradient; None: of depth 3, without another limit.
    n_jobs : int, optional
        Threads; None: all. The model is the same, bit for bit, for any number.

    Attributes
    ----------
    {_ATTRIBUTES}
    """

    def __init__(
        self,
        loss: Any = "squared_error",
        *,
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        line_search: str = "exact",
        alpha: float = 0.9,
        estimator: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.loss = loss
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.line_search = line_search
        self.alpha = alpha
        self.estimator = estimator
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Boost.

        Parameters
        ----------
        X : array, sparse matrix, data frame or Dataset, shape (n, n_features)
            NaN is a missing value. A `Dataset` is searched over its bins.
        y : array-like, shape (n,)
        sample_weight : array-like, shape (n,), optional
            Weight 2 is the same as the row twice, weight 0 the same as leaving it out.

        Returns
        -------
        self
        """
        losses = ("squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma")
        given = not isinstance(self.loss, str)
        loss = self.loss if given else choice("loss", self.loss, losses)
        n_rounds = integer("n_estimators", self.n_estimators, 1)
        rate = number("learning_rate", self.learning_rate, 0)
        line_search = choice("line_search", self.line_search, ("exact", "newton"))
        alpha = number("alpha", self.alpha, 0, 1)
        if given:
            check_given_loss(loss, losses)
            if line_search != "exact":
                raise ValueError('line_search="newton" needs a second derivative; use "exact" with a loss of your own')
        self._require_y(y)
        X = self._check_training_X(X)
        target = self._encode_y(y, fitting=True)
        weight = self._weight(sample_weight, len(target))
        learner = self._learner(X, target)
        state: Any = (
            GivenLoss(loss, target, weight)
            if given
            else _core.FirstOrder(loss, target, 1, weight, alpha, learner.n_threads)
        )
        self.init_ = state.start()
        self._boost(learner, state, weight, n_rounds=n_rounds, rate=rate, line_search=line_search)
        return self

    def _file_parts(self) -> FileParts:
        if not isinstance(self.loss, str):
            raise ValueError(f"a model file cannot hold a loss of your own, {self.loss!r}; use pickle or joblib")
        return super()._file_parts()

    def _n_margins(self, parts: FileParts) -> int:
        parts.require(isinstance(self.loss, str), "the loss is unknown")
        return 1

    def _values(self, margins: Floats) -> Floats:
        if not isinstance(self.loss, str):
            return given_values(self.loss, margins[:, 0])
        values: Floats = _core.margin_values(self.loss, margins)[:, 0]
        return values

    def predict(self, X: Any) -> Floats:
        """The predicted target of each row, shape (n,)."""
        return self._values(self._margins(X))

    def staged_predict(self, X: Any) -> Iterator[Floats]:
        """`predict` after each round."""
        for margins in self._staged_margins(X):
            yield self._values(margins)


class GradientBoostingClassifier(ClassifierMixin, ClassLabels, FirstOrderBoosting):  # type: ignore[misc]
    __doc__ = f"""Gradient boosting of trees for classes (Friedman, Greedy function approximation, 2001).

    Every round fits a regression tree (for more than two classes one of each) to the negative gradient of the loss by
    least squares, and a line search finds what its leaves add. `pygbt.GBTClassifier` is the second-order method, and
    much the faster one.

    Parameters
    ----------
    loss : {{"auto", "logistic", "softmax", "exponential"}}, default="auto"
        "auto": logistic for two classes, softmax for more. "exponential": the loss of AdaBoost, for two classes.
    {_PARAMETERS}
    estimator : regressor of pygbt.tree, optional
        The trees, which fit the gradient; None: of depth 3, without another limit.
    n_jobs : int, optional
        Threads; None: all. The model is the same, bit for bit, for any number.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_classes_ : int
    {_ATTRIBUTES}
    """

    def __init__(
        self,
        loss: str = "auto",
        *,
        n_estimators: int = 100,
        learning_rate: float = 0.1,
        line_search: str = "exact",
        estimator: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.loss = loss
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.line_search = line_search
        self.estimator = estimator
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Boost.

        Parameters
        ----------
        X : array, sparse matrix, data frame or Dataset, shape (n, n_features)
            NaN is a missing value. A `Dataset` is searched over its bins.
        y : array-like, shape (n,)
        sample_weight : array-like, shape (n,), optional
            Weight 2 is the same as the row twice, weight 0 the same as leaving it out.

        Returns
        -------
        self
        """
        loss = choice("loss", self.loss, ("auto", "logistic", "softmax", "exponential"))
        n_rounds = integer("n_estimators", self.n_estimators, 1)
        rate = number("learning_rate", self.learning_rate, 0)
        line_search = choice("line_search", self.line_search, ("exact", "newton"))
        self._require_y(y)
        X = self._check_training_X(X)
        codes = self._encode_y(y, fitting=True)
        weight = self._weight(sample_weight, len(codes))
        self._check_target(codes, weight)
        if loss == "auto":
            loss = "logistic" if self.n_classes_ == 2 else "softmax"
        if loss != "softmax" and self.n_classes_ != 2:
            raise ValueError(f'loss="{loss}" is for two classes, y has {self.n_classes_}; use loss="softmax"')
        learner = self._learner(X, codes)
        self._loss = loss
        state = _core.FirstOrder(
            loss, codes, self.n_classes_ if loss == "softmax" else 1, weight, n_threads=learner.n_threads
        )
        self.init_ = state.start()
        self._boost(learner, state, weight, n_rounds=n_rounds, rate=rate, line_search=line_search)
        return self

    def _n_margins(self, parts: FileParts) -> int:
        losses = ("logistic", "softmax", "exponential")
        parts.require(parts.text("_loss") in losses, "the loss is unknown")
        parts.require(self._loss == "softmax" or self.n_classes_ == 2, "classes do not fit")
        return self.n_classes_ if self._loss == "softmax" else 1

    def _probabilities(self, margins: Floats) -> Floats:
        if margins.shape[1] == 1:
            margins = np.column_stack([-margins[:, 0], margins[:, 0]])
        values: Floats = _core.margin_values(self._loss, margins)
        return values

    def _labels(self, margins: Floats) -> npt.NDArray[Any]:
        codes = margins.argmax(axis=1) if margins.shape[1] > 1 else (margins[:, 0] > 0).astype(np.int64)
        labels: npt.NDArray[Any] = self.classes_[codes]
        return labels

    def decision_function(self, X: Any) -> Floats:
        """Margins, shape (n, n_classes) for the softmax loss, else (n,)."""
        margins = self._margins(X)
        if self._loss == "softmax":
            return margins[:, 1] - margins[:, 0] if self.n_classes_ == 2 else margins
        return margins[:, 0]

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The predicted class of each row, shape (n,), of the type of `y`."""
        return self._labels(self._margins(X))

    def staged_predict(self, X: Any) -> Iterator[npt.NDArray[Any]]:
        """`predict` after each round."""
        for margins in self._staged_margins(X):
            yield self._labels(margins)

    def predict_proba(self, X: Any) -> Floats:
        """Class probabilities, shape (n, n_classes)."""
        return self._probabilities(self._margins(X))

    def staged_predict_proba(self, X: Any) -> Iterator[Floats]:
        """`predict_proba` after each round."""
        for margins in self._staged_margins(X):
            yield self._probabilities(margins)

    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            logs: Floats = np.log(self.predict_proba(X))
        return logs
