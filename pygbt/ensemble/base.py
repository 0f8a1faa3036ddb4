# SPDX-License-Identifier: Apache-2.0
"""What the ensembles share: checked parameters, training tables, importance of the columns."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import NumberTargets, TableEstimator, check_weight, seed_of

# isort: split
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from .. import _core
from ..data import Dataset
from ..estimator_files import FileParts, SavedEstimator
from ..tree import CARTClassifier, CARTRegressor, DecisionTree
from ..tree.base import threads
from .ensemble_files import pack_ensemble, read_ensemble

__all__ = ["EnsembleEstimator", "OneTarget", "choice", "deep_tree", "integer", "number", "seed", "shallow_tree"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int32]


def number(name: str, value: Any, above: float, below: float = np.inf) -> float:
    """A number between two others."""
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not above < float(value) < below:
        limits = f"> {above:g}" if below == np.inf else f"above {above:g} and below {below:g}"
        raise ValueError(f"{name} must be a finite number {limits}, got {value!r}")
    return float(value)


def integer(name: str, value: Any, least: int) -> int:
    """An integer of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")
    return int(value)


def choice(name: str, value: Any, choices: Sequence[Any]) -> Any:
    """One of the choices."""
    plain = value.item() if isinstance(value, np.generic) else value
    if not any(plain is c or (type(plain) is type(c) and plain == c) for c in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return plain


def seed(random_state: Any) -> int:
    """A seed of 64 bits from scikit-learn's ``random_state``; None draws one."""
    value = seed_of(random_state)
    if value is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or not 0 <= int(value) < 2**64:
        raise ValueError(f"random_state must be an integer from 0 to 2^64 - 1, a generator or None, got {value!r}")
    return int(value)


def shallow_tree(depth: int, *, classifier: bool) -> Any:
    """A tree of at most `depth` questions on a way, with no other limit: what boosting adds up."""
    options: dict[str, Any] = {"max_depth": depth, "min_split": 0, "min_bucket": 0, "cp": None, "max_competitors": 0}
    return (CARTClassifier if classifier else CARTRegressor)(missing="direction", **options)


def deep_tree(*, classifier: bool) -> Any:
    """An unpruned tree: what bagging averages."""
    options: dict[str, Any] = {"min_split": 0, "min_bucket": 0, "cp": None, "max_competitors": 0}
    return (CARTClassifier if classifier else CARTRegressor)(missing="direction", **options)


def tree_importance(tree: DecisionTree) -> Floats:
    """What the questions of a tree take off its impurity, by the column asked, as shares; zeros of a lone leaf."""
    mass = tree.weight * tree.impurity
    scores = np.zeros(tree.schema.n_features)
    for node in range(tree.n_nodes):
        children = tree.children(node)
        if len(children):
            asked = tree.question_feature[tree.question_begin[node]]
            scores[asked] += max(0.0, mass[node] - mass[children.start : children.stop].sum())
    total = scores.sum()
    shares: Floats = scores / total if total > 0 else scores
    return shares


class OneTarget(NumberTargets):
    """One numeric target a row."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = False
        return tags

    def _encode_y(self, y: Any, *, fitting: bool) -> Floats:
        target = NumberTargets._encode_y(self, y, fitting=fitting)
        if target.ndim != 1:
            raise ValueError(f"y must be one column for {type(self).__name__}, got shape {target.shape}")
        return np.ascontiguousarray(target)


class EnsembleEstimator(SavedEstimator, TableEstimator):
    """Base of the ensembles."""

    estimators_: list[Any]
    estimator: Any
    n_estimators: Any
    n_jobs: Any

    def _base(self, default: Any) -> Any:
        """The unfitted estimator that is fitted again and again."""
        base = default if self.estimator is None else self.estimator
        if not isinstance(base, BaseEstimator) or not hasattr(base, "fit"):
            raise ValueError(f"estimator must be an estimator of scikit-learn or pygbt, or None, got {base!r}")
        return base

    def _check_training_X(self, X: Any) -> Any:
        if hasattr(self, "estimators_"):
            del self.estimators_  # a fit that fails leaves none that do not fit the rest
        if isinstance(X, Dataset):
            self._take_columns_of(X)
            return X
        return self._check_X(X, reset=True)

    def _weight(self, sample_weight: Any, n: int) -> Floats | None:
        weight = check_weight(sample_weight, n, "sample_weight")
        return None if weight is None else np.ascontiguousarray(weight)

    def _rows(self, X: Any) -> Any:
        check_is_fitted(self)
        return self._check_X(X, reset=False)

    def _threads(self) -> int:
        return int(_core.resolve_threads(threads(self.n_jobs)))

    def _importance(self, votes: Any = None) -> Floats:
        """Mean of the members' importances, weighted by `votes`."""
        check_is_fitted(self)
        scores = []
        for member in self.estimators_:
            if isinstance(member, DecisionTree):
                scores.append(tree_importance(member))
            elif hasattr(member, "feature_importances_"):
                scores.append(np.asarray(member.feature_importances_, dtype=np.float64))
            else:
                raise AttributeError(f"feature_importances_: {type(member).__name__} knows none")
        weights = np.ones(len(scores)) if votes is None else np.asarray(votes, dtype=np.float64)
        total = np.zeros(self.n_features_in_)
        for weight, score in zip(weights, scores, strict=True):
            total += weight * score
        everything = total.sum()
        shares: Floats = total / everything if everything > 0 else total
        return shares

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "estimators_")

    def _file_parts(self) -> FileParts:
        return pack_ensemble(self)

    def _from_file_parts(self, parts: FileParts) -> None:
        read_ensemble(self, parts)

    def _check_read(self, parts: FileParts) -> None:
        """Raise ModelFileError (`FileParts.require`) unless what was read lets `predict` answer."""
        raise NotImplementedError

    def _require_trees(self, parts: FileParts, *, classify: bool, n_values: int | None = None) -> None:
        """Trees of one kind and width."""
        first = self.estimators_[0]
        parts.require((first.classes is not None) == classify, "kinds of trees do not fit")
        width = first.n_values if n_values is None else n_values
        parts.require(all(tree.n_values == width for tree in self.estimators_), "outputs do not fit")

    def _require_numbers(self, parts: FileParts, **lengths: int) -> None:
        """Fitted arrays of these lengths."""
        for name, length in lengths.items():
            parts.require(hasattr(self, name) and len(getattr(self, name)) == length, f"array {name!r} does not fit")
