# SPDX-License-Identifier: Apache-2.0
"""The boosting tree of the textbooks: an additive model of small trees, forward stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import ClassLabels
from ..tree.base import TreeClassifier, TreeRegressor

# isort: split
from sklearn.metrics import accuracy_score, r2_score

from .. import _core
from ..estimator_files import FileParts
from .base import OneTarget, choice, integer, number, shallow_tree
from .gradient_boosting import FirstOrderBoosting, check_gradient_tree
from .learner import TreeLearner, encoded, make_learner, member_labels, member_values, tree_votes

__all__ = ["BoostingTree"]

Floats = npt.NDArray[np.float64]


class BoostingTree(FirstOrderBoosting):
    """A boosting tree: f_0 = 0, f_m = f_{m-1} + the tree that lowers the loss most.

    "squared_error" is for numbers: each tree fits the residuals of the trees before it. "exponential" is for two
    classes, -1 and +1: each tree G_m is a classifier of rows that weigh e^(-y f_{m-1}(x)), and is added a_m =
    log((1 - e) / e) / 2 times, e its weighted error: AdaBoost, found through its loss. `AdaBoostClassifier` does the
    same by multiplying weights.

    Parameters
    ----------
    loss : {"squared_error", "exponential"}, default="squared_error"
        With "exponential" the estimator is a classifier.
    n_estimators : int, default=100
        Trees, at most: a residual of 0 everywhere, or a classifier that errs on half of the weight, ends the stages.
    learning_rate : float, default=1.0
        Factor of what every tree adds.
    estimator : tree of pygbt.tree, optional
        A regressor, or a classifier for "exponential"; None: a tree with one question.
    n_jobs : int, optional
        Threads; None: all. The model is the same, bit for bit, for any number.

    Attributes
    ----------
    estimators_ : list of DecisionTree
    estimator_weights_ : ndarray of float64, shape (n_trees,)
        a_m with the learning rate in it; "squared_error": the learning rate.
    train_score_ : ndarray of float64, shape (n_trees,)
        Mean loss of the training rows after each stage.
    classes_ : ndarray, shape (2,), with "exponential"
        -1 and +1.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where `X` has column names
    feature_importances_ : ndarray of float64, shape (n_features,)
    """

    classes_: npt.NDArray[Any]

    def __init__(
        self,
        loss: str = "squared_error",
        *,
        n_estimators: int = 100,
        learning_rate: float = 1.0,
        estimator: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.loss = loss
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.estimator = estimator
        self.n_jobs = n_jobs

    def _classifies(self) -> bool:
        return bool(self.loss == "exponential")

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags, RegressorTags

        tags = super().__sklearn_tags__()
        if self._classifies():
            tags.estimator_type = "classifier"
            tags.classifier_tags = ClassifierTags(multi_class=False)
        else:
            tags.estimator_type = "regressor"
            tags.regressor_tags = RegressorTags()
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Add trees.

        Parameters
        ----------
        X : array, sparse matrix, data frame or Dataset, shape (n, n_features)
            NaN is a missing value. A `Dataset` is searched over its bins.
        y : array-like, shape (n,)
            Numbers, or labels of two classes for "exponential".
        sample_weight : array-like, shape (n,), optional
            Weight 2 is the same as the row twice, weight 0 the same as leaving it out.

        Returns
        -------
        self
        """
        choice("loss", self.loss, ("squared_error", "exponential"))
        n_rounds = integer("n_estimators", self.n_estimators, 1)
        rate = number("learning_rate", self.learning_rate, 0)
        self._require_y(y)
        X = self._check_training_X(X)
        self.init_ = np.zeros(1)
        if self._classifies():
            self._fit_classes(X, y, sample_weight, n_rounds, rate)
            return self
        target = OneTarget._encode_y(self, y, fitting=True)
        weight = self._weight(sample_weight, len(target))
        learner = self._tree_learner(TreeRegressor, X, target, None)
        state = _core.FirstOrder("squared_error", target, 1, weight, n_threads=learner.n_threads)
        self._boost(learner, state, weight, n_rounds=n_rounds, rate=rate, line_search="exact")
        self.estimator_weights_ = np.full(len(self.estimators_), rate)
        return self

    def _tree_learner(
        self, kind: type, X: Any, y: Floats, classes: npt.NDArray[Any] | None, weight: Floats | None = None
    ) -> TreeLearner:
        base = self._base(shallow_tree(1, classifier=classes is not None))
        if not isinstance(base, kind):
            wanted = "regressor" if classes is None else "classifier"
            raise ValueError(f'estimator must be a {wanted} of pygbt.tree for loss="{self.loss}", got {base!r}')
        if classes is None:
            check_gradient_tree(base)
        learner: TreeLearner = make_learner(base, X, y, classes, self._threads(), weight)
        return learner

    def _fit_classes(self, X: Any, y: Any, sample_weight: Any, n_rounds: int, rate: float) -> None:
        codes = ClassLabels._encode_y(self, y, fitting=True)
        if len(self.classes_) != 2:
            # scikit-learn looks for these words
            what = "one class" if len(self.classes_) == 1 else f"{len(self.classes_)} classes"
            raise ValueError(
                f"Only binary classification is supported. The type of the target is {what}; "
                'loss="exponential" needs two, AdaBoostClassifier takes more'
            )
        weight = self._weight(sample_weight, len(codes))
        learner = self._tree_learner(TreeClassifier, X, codes, self.classes_, weight)
        sign = 2.0 * codes - 1.0
        margins = np.zeros(len(codes))
        self.estimators_ = []
        votes: list[float] = []
        scores: list[float] = []
        for _ in range(n_rounds):
            weights = _core.BoostWeights(weight, len(codes), learner.n_threads)
            weights.update(-sign * margins, 1.0)
            tree = learner.fit(weights, None, 0)
            says = 2.0 * learner.labels(tree) - 1.0
            error = weights.mean_loss((says != sign).astype(np.float64))
            if error >= 0.5 and votes:
                break
            bounded = max(error, min(0.25, 0.5 / weights.total))  # a perfect tree counts as half a case wrong
            vote = 1.0 if error >= 0.5 else rate * 0.5 * _core.log_odds(1.0 - bounded)
            margins += vote * says
            self.estimators_.append(tree)
            votes.append(vote)
            state = _core.BoostWeights(weight, len(codes), learner.n_threads)
            scores.append(state.mean_exponential(-sign * margins))
            if error == 0.0 or error >= 0.5:
                break
        self.estimator_weights_ = np.array(votes)
        self.train_score_ = np.array(scores)

    def _check_read(self, parts: FileParts) -> None:
        n = len(self.estimators_)
        self._require_numbers(parts, init_=1, train_score_=n, estimator_weights_=n)
        if self._classifies():
            self._require_trees(parts, classify=True, n_values=2)
        else:
            super()._check_read(parts)

    def _staged_margins(self, X: Any) -> Iterator[Floats]:
        X = self._rows(X)
        codes = encoded(self.estimators_, X)
        n_threads = self._threads()
        margins: Floats | None = None
        for member, vote in zip(self.estimators_, self.estimator_weights_, strict=True):
            if self._classifies():
                says = 2.0 * member_labels(member, X, codes, self.classes_, n_threads) - 1.0
            else:
                says = member_values(member, X, codes, n_threads)[:, 0]
            if margins is None:
                margins = np.zeros((len(says), 1))
            margins[:, 0] += vote * says
            yield margins

    def _margins(self, X: Any) -> Floats:
        if not self._classifies():
            return super()._margins(X)
        X = self._rows(X)
        codes = encoded(self.estimators_, X)
        votes = tree_votes(self.estimators_, self.estimator_weights_, codes, 2, self._threads())
        return votes[:, 1:] - votes[:, :1]

    def _answers(self, margins: Floats) -> npt.NDArray[Any]:
        if not self._classifies():
            return margins[:, 0].copy()
        labels: npt.NDArray[Any] = self.classes_[(margins[:, 0] > 0).astype(np.int64)]
        return labels

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The predicted target of each row, or its class, shape (n,)."""
        return self._answers(self._margins(X))

    def staged_predict(self, X: Any) -> Iterator[npt.NDArray[Any]]:
        """`predict` after each stage."""
        for margins in self._staged_margins(X):
            yield self._answers(margins)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R^2, or the accuracy."""
        measure = accuracy_score if self._classifies() else r2_score
        return float(measure(y, self.predict(X), sample_weight=sample_weight))

    def _only_of_classes(self) -> None:
        if not self._classifies():
            raise AttributeError('this is a regressor; loss="exponential" makes it a classifier')

    @property
    def decision_function(self) -> Any:
        """Margins f(x), shape (n,), with "exponential"."""
        self._only_of_classes()
        return lambda X: self._margins(X)[:, 0]

    @property
    def predict_proba(self) -> Any:
        """Class probabilities 1 / (1 + e^(-2 f)), shape (n, 2), with "exponential"."""
        self._only_of_classes()

        def probabilities(X: Any) -> Floats:
            margins = self._margins(X)[:, 0]
            values: Floats = _core.margin_values("exponential", np.column_stack([-margins, margins]))
            return values

        return probabilities
