# SPDX-License-Identifier: Apache-2.0
"""The weak learner of an ensemble, fitted to other weights again and again: a tree of pygbt on one shared table, or any
estimator of scikit-learn.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import take_rows
from ..tree import CARTRegressor, DecisionTree
from ..tree.base import TreeClassifier, TreeEstimator, TreeRegressor, read_training_table

# isort: split
from sklearn.base import clone, is_classifier
from sklearn.utils.validation import has_fit_parameter

from .. import _core
from ..class_weights import class_factors
from ..data import Dataset
from ..schema import Schema

__all__ = [
    "AnyLearner",
    "TreeLearner",
    "encoded",
    "make_learner",
    "member_labels",
    "member_values",
    "tree_sums",
    "tree_votes",
]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


class TreeLearner:
    """A tree of `pygbt.tree`: the table is coded once, and training rows go down a tree by their codes."""

    def __init__(
        self,
        base: TreeEstimator,
        X: Any,
        y: npt.NDArray[Any],
        classes: npt.NDArray[Any] | None,
        n_threads: int,
        weight: Floats | None = None,
    ) -> None:
        self.base = clone(base).set_params(n_jobs=n_threads)
        self.random = "random_state" in base.get_params()
        self.classes = classes
        self.n_threads = n_threads
        self.base.n_features_in_ = X.n_features if isinstance(X, Dataset) else X.shape[1]
        self.schema, self.table = read_training_table(X, self.base.categorical_features, n_threads)
        if self.table.n_rows != len(y):
            raise ValueError(f"X and y must have the same number of rows, got {self.table.n_rows} and {len(y)}")
        self.factor: Floats | None = None
        self.y: npt.NDArray[Any]
        if classes is None:
            if isinstance(self.base, CARTRegressor):
                self.base._check_targets(y)
            self.base._flat = y.ndim == 1
            self.y = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float64)
            return
        self.base.classes_ = classes
        self.base.n_classes_ = len(classes)
        self.y = np.ascontiguousarray(y, dtype=np.int32)
        by_class = getattr(base, "class_weight", None)
        if by_class is not None:
            self.factor = class_factors(by_class, classes, self.y, weight)[self.y]

    def response(self, weight: Floats | None) -> Any:
        """`_core.Response` of weighted rows."""
        if self.classes is None:
            return _core.Response.targets(self.y, weight, self.n_threads)
        if self.factor is not None:
            weight = self.factor if weight is None else weight * self.factor
        return _core.Response.classes(self.y, len(self.classes), weight, self.n_threads)

    def hashes(self) -> npt.NDArray[np.uint64]:
        """A number of every row that depends on its content alone."""
        targets = self.y if self.classes is None else None
        return _core.row_hashes(self.table, self.response(None), self.n_threads, targets)

    def fit(self, weight: Any, counts: npt.NDArray[np.uint32] | None, seed: int) -> DecisionTree:
        """A tree by `_core.BoostWeights`, or by how often each row was drawn."""
        if counts is not None:
            response = self.response(counts.astype(np.float64))
        elif self.classes is None:
            response = weight.targets(self.y)
        else:
            response = weight.classes(self.y, len(self.classes), self.factor)
        return self.grow(response, seed)

    def grow(self, response: Any, seed: int) -> DecisionTree:
        """The tree of a response."""
        if self.random:
            self.base.set_params(random_state=seed)
        return self.wrap(self.base._grow(self.table, response))

    def member_base(self, n_threads: int, seed: int) -> Any:
        """A tree estimator of its own, for a thread of its own."""
        base = copy(self.base)
        base.n_jobs = n_threads
        if self.random:
            base.random_state = seed
        return base

    def wrap(self, core: Any) -> DecisionTree:
        """A tree of the core with the names of this table."""
        return DecisionTree(core, self.schema, self.table.wide, self.classes)

    def labels(self, tree: DecisionTree) -> Ints:
        """Codes of the classes that a tree gives the training rows."""
        return _core.coded_labels(tree._core, self.table, self.n_threads)

    def values(self, tree: DecisionTree) -> Floats:
        """Predictions for the training rows, shape (n,)."""
        return _core.coded_values(tree._core, self.table, self.n_threads)[:, 0]


class AnyLearner:
    """Any estimator of scikit-learn. Its table is `X` as it was given."""

    random = False

    def __init__(self, base: Any, X: Any, y: npt.NDArray[Any], classes: npt.NDArray[Any] | None) -> None:
        if isinstance(X, Dataset):
            raise ValueError(f"X must be a table: {type(base).__name__} does not read a Dataset")
        self.base = base
        self.random = "random_state" in base.get_params()
        self.weighted = has_fit_parameter(base, "sample_weight")
        self.classes = classes
        self.X = X
        self.codes = y
        self.y = y if classes is None else classes[y.astype(np.int64)]

    def hashes(self) -> npt.NDArray[np.uint64]:
        """A number of every row that depends on its content alone."""
        _, table = read_training_table(self.X, "auto", 1)
        if self.classes is None:
            targets = np.ascontiguousarray(self.codes.reshape(len(self.codes), -1), dtype=np.float64)
            return _core.row_hashes(table, _core.Response.targets(targets), 1, targets)
        codes = np.ascontiguousarray(self.codes, dtype=np.int32)
        return _core.row_hashes(table, _core.Response.classes(codes, len(self.classes)))

    def fit(self, weight: Any, counts: npt.NDArray[np.uint32] | None, seed: int) -> Any:
        """A fitted clone, by weights or on the rows drawn."""
        if counts is None and not self.weighted:
            name = type(self.base).__name__
            raise ValueError(f"estimator: {name} takes no sample_weight; use resample=True to train it on drawn rows")
        return self.fit_weighted(weight.values() if counts is None else counts.astype(np.float64), seed)

    def fit_weighted(self, weight: Floats | None, seed: int, columns: Any = None) -> Any:
        """A fitted clone; whole weights are rows repeated where the estimator takes none."""
        member = clone(self.base)
        if self.random:
            member.set_params(random_state=seed % 2**32)
        X = self.X if columns is None else take_columns(self.X, columns)
        if weight is None:
            return member.fit(X, self.y)
        kept = np.flatnonzero(weight > 0)
        if self.weighted:
            return member.fit(take_rows(X, kept), self.y[kept], sample_weight=weight[kept])
        rows = np.repeat(kept, weight[kept].astype(np.int64))
        return member.fit(take_rows(X, rows), self.y[rows])

    def labels(self, member: Any) -> Ints:
        """Codes of the classes that a member gives the training rows."""
        assert self.classes is not None
        return member_labels(member, self.X, None, self.classes, 1)

    def values(self, member: Any) -> Floats:
        """Predictions for the training rows, shape (n,)."""
        return np.asarray(member.predict(self.X), dtype=np.float64)


def make_learner(
    base: Any,
    X: Any,
    y: npt.NDArray[Any],
    classes: npt.NDArray[Any] | None,
    n_threads: int,
    weight: Floats | None = None,
) -> Any:
    """A `TreeLearner` or an `AnyLearner`; refuses a regressor where classes are wanted, and the reverse. `weight`: of
    the rows, for a tree that balances its classes.
    """
    if is_classifier(base) != (classes is not None):
        wanted = "regressor" if classes is None else "classifier"
        raise ValueError(f"estimator must be a {wanted}, got {type(base).__name__}")
    if isinstance(base, TreeClassifier | TreeRegressor):
        return TreeLearner(base, X, y, classes, n_threads, weight)
    return AnyLearner(base, X, y, classes)


def take_columns(X: Any, columns: npt.NDArray[np.int64]) -> Any:
    """Some columns of an array, sparse matrix or data frame."""
    if hasattr(X, "iloc"):
        return X.iloc[:, columns]
    if hasattr(X, "columns"):
        return X[[X.columns[i] for i in columns]]
    return X[:, columns]


def encoded(members: list[Any], X: Any) -> Any:
    """`X` as trees of pygbt read it, once for all of them; None where the members are other estimators."""
    first = members[0]
    if not isinstance(first, DecisionTree):
        return None
    schema: Schema = first.schema
    return schema.encode(X, owner="the ensemble")


def tree_votes(trees: list[DecisionTree], votes: Any, codes: Any, n_classes: int, n_threads: int) -> Floats:
    """Votes of trees for the classes of rows, shape (n, n_classes)."""
    cores = [tree._core for tree in trees]
    found: Floats = _core.tree_votes(cores, list(votes), n_classes, codes, trees[0].wide, n_threads)
    return found


def tree_sums(trees: list[DecisionTree], factor: float, start: Any, first: Any, codes: Any, n_threads: int) -> Floats:
    """``start`` and the values of trees times a factor, those of tree t from column ``first[t]``, shape (n, width)."""
    cores = [tree._core for tree in trees]
    found: Floats = _core.tree_sums(cores, factor, list(start), list(first), codes, trees[0].wide, n_threads)
    return found


def member_labels(member: Any, X: Any, codes: Any, classes: npt.NDArray[Any], n_threads: int) -> Ints:
    """Codes of the classes that a member gives rows; `codes` is `encoded` of them."""
    if isinstance(member, DecisionTree):
        labels: Ints = member._core.labels(codes, member.wide, n_threads)
        return labels
    found: Ints = np.searchsorted(classes, member.predict(X)).astype(np.int32)
    return found


def member_values(member: Any, X: Any, codes: Any, n_threads: int) -> Floats:
    """Class shares of a tree or predictions of a regressor, shape (n, n_values)."""
    if isinstance(member, DecisionTree):
        values: Floats = member._core.values(codes, member.wide, n_threads)
        return values
    return np.asarray(member.predict(X), dtype=np.float64).reshape(X.shape[0], -1)
