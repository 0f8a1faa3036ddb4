# SPDX-License-Identifier: Apache-2.0
"""`Hierarchy`: classes of several levels as tasks, each asked only below its parent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..table_estimator import TableEstimator, is_frame, on_host  # first: says what is missing

# isort: split
from sklearn.utils.validation import check_is_fitted

from ..callbacks import Callback
from ..estimator_files import FileParts, SavedEstimator
from ..typed_json import pack, unpack
from .booster_options import BoosterOptions
from .class_tree import ClassTree
from .multi_task import MultiTask
from .transfer import TransferReport

__all__ = ["Hierarchy"]

Values = npt.NDArray[np.float64]
Objects = npt.NDArray[np.object_]


class Hierarchy(BoosterOptions, SavedEstimator, TableEstimator):
    """A classifier of classes within classes, such as section, group and product.

    Every class that has sub-classes is a task: which of them, given that the row belongs here. Rows that do not belong
    have no label there. Probabilities along a path multiply, so that answers of all levels fit together: the classes of
    a level add up to their parent, and the predicted path is one that exists.

    Parameters
    ----------
    share, balance, sketch, sketch_kind, own_reg_lambda, feature_penalty
        How the tasks share trees; see `MultiTask`.
    n_estimators, early_stopping_rounds, validation_fraction, categorical_features, feature_groups, random_state, n_jobs
        As those of `MultiTask`.
    **booster
        Any parameter of `pygbt.train`.

    Attributes
    ----------
    classes_ : list of list of tuple
        Of each level, the paths of labels from the first level on, sorted; the columns of `predict_proba`.
    n_levels_ : int
    model_ : MultiTask
        One task for each class that has sub-classes; the first is "all".
    """

    _classes_in_common = False

    def __init__(
        self,
        *,
        share: str = "tree",
        balance: bool = False,
        sketch: int = 0,
        sketch_kind: str = "random_projection",
        own_reg_lambda: float | None = None,
        feature_penalty: float = 0.0,
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
        self.balance = balance
        self.sketch = sketch
        self.sketch_kind = sketch_kind
        self.own_reg_lambda = own_reg_lambda
        self.feature_penalty = feature_penalty
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
        y: Any,
        sample_weight: Any = None,
        *,
        eval_set: tuple[Any, Any] | Sequence[tuple[Any, Any]] | None = None,
        callbacks: Iterable[Callback] = (),
    ) -> Any:
        """Train on a table.

        Parameters
        ----------
        X : array, sparse matrix or data frame, shape (n, n_features)
        y : array-like or data frame, shape (n, n_levels)
            A label for every level, the coarsest first, of any one type. None or NaN: not known from there on.
        sample_weight : array-like, shape (n,), optional
        eval_set : (X, y) or list of them, optional
        callbacks : list of callables, optional

        Returns
        -------
        self

        Raises
        ------
        ValueError
            A label stands below one that is missing, or there are fewer than two classes.
        """
        levels = _levels(y)
        self._tree = ClassTree.of_labels(levels)
        tables = None
        if eval_set is not None:
            pairs = [eval_set] if isinstance(eval_set, tuple) and len(eval_set) == 2 else list(eval_set)
            tables = [(Xv, self._tree.task_labels(_levels(yv))) for Xv, yv in pairs]
        self.model_ = MultiTask(self._tree.losses(), **self.get_params(deep=False))
        self.model_.fit(X, self._tree.task_labels(levels), sample_weight, eval_set=tables, callbacks=callbacks)
        self._set_classes()
        self.n_features_in_ = self.model_.n_features_in_
        self._fitted_on_frame = self.model_._fitted_on_frame
        if hasattr(self.model_, "feature_names_in_"):
            self.feature_names_in_ = self.model_.feature_names_in_
        return self

    def _set_classes(self) -> None:
        self.n_levels_ = self._tree.n_levels
        self.classes_ = [self._tree.level(level) for level in range(self.n_levels_)]

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def predict_proba(self, X: Any) -> list[Values]:
        """Probabilities of the classes of each level.

        Returns
        -------
        list of ndarray of float64, shape (n, classes of the level)
            Columns in the order of ``classes_[level]``. Those of classes with one parent add up to its probability;
            where some paths end early, deeper levels add up to less than 1.
        """
        check_is_fitted(self)
        given = self.model_.predict_proba(X)
        return self._tree.path_probabilities(given)

    def predict(self, X: Any) -> Objects:
        """The most probable whole path, an object array of shape (n, n_levels); None beyond the end of a path."""
        check_is_fitted(self)
        return self._tree.best_paths(self.predict_proba(X))

    @property
    def transfer_report_(self) -> TransferReport:
        """Of `model_`, with ``share="auto"``."""
        check_is_fitted(self)
        return self.model_.transfer_report_

    @property
    def feature_importances_(self) -> Values:
        """Total gain of every feature, shape (n_features,); sums to 1 unless no tree has a split."""
        check_is_fitted(self)
        return self.model_.feature_importances_

    def _file_parts(self) -> FileParts:
        parts = self.model_._file_parts()
        paths = [list(path) for path in self._tree.paths]
        return FileParts(parts.arrays, {**parts.state, "paths": pack(paths)}, parts.schema)

    def _from_file_parts(self, parts: FileParts) -> None:
        self._tree = ClassTree(tuple(tuple(path) for path in unpack(parts.state["paths"])))
        losses = self._tree.losses()
        self.model_ = MultiTask(losses)
        self.model_._from_file_parts(parts)
        have = {task.name: task.classes for task in self.model_._tasks}
        parts.require(list(have) == list(losses), "classes and tasks do not fit")
        for name, classes in have.items():
            fits = classes is not None and len(classes) == self._tree.n_children(name)
            parts.require(fits, "classes and tasks do not fit")
        for name in ("n_features_in_", "_fitted_on_frame", "feature_names_in_"):
            if hasattr(self, name):
                setattr(self.model_, name, getattr(self, name))
        self._set_classes()


def _levels(y: Any) -> Objects:
    """Labels by level as objects, shape (n, n_levels); None: missing."""
    if is_frame(y):
        array = y.to_numpy() if hasattr(y, "to_numpy") else np.column_stack([column.to_numpy() for column in y.columns])
    else:
        array = np.asarray(on_host(y))
    if array.ndim != 2 or array.shape[1] < 1:
        raise ValueError(f"y must have shape (n, n_levels), got {array.shape}")
    return array.astype(object)
