# SPDX-License-Identifier: Apache-2.0
"""What the estimators of single trees share: reading tables, predicting, looking at the tree."""

from __future__ import annotations

import numbers
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse

from ..table_estimator import ClassLabels, NumberTargets, TableEstimator, check_weight  # first: says what is missing

# isort: split
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from .. import _core
from ..columns import read_table
from ..data import Dataset
from ..estimator_files import FileParts, SavedEstimator
from ..late_bar import LateBar
from ..schema import Schema
from .decision_tree import DecisionTree
from .drawing import draw, to_svg
from .graphviz import to_graphviz
from .importance import variable_importance
from .path_rules import decision_rules
from .text import export_text
from .tree_files import pack_trees, read_trees

__all__ = [
    "TreeClassifier",
    "TreeEstimator",
    "TreeRegressor",
    "check_exposure",
    "is_told",
    "read_training_table",
    "threads",
]

Floats = npt.NDArray[np.float64]

MOST_THREADS = 2**31 - 1


def threads(n_jobs: Any) -> int:
    """Threads of the engine for scikit-learn's ``n_jobs``: None and negative numbers are all, which is 0 there."""
    if n_jobs is None:
        return 0
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, numbers.Integral) or n_jobs == 0:
        raise ValueError(f"n_jobs must be an integer other than 0, or None, got {n_jobs!r}")
    return max(0, min(int(n_jobs), MOST_THREADS))


def is_told(verbose: Any) -> bool:
    """Whether ``verbose`` asks for a progress bar."""
    if not isinstance(verbose, numbers.Integral):
        raise ValueError(f"verbose must be an integer, 0 for silence, got {verbose!r}")
    return int(verbose) > 0


def read_training_table(
    X: Any, categorical_features: Any, n_jobs: int | None, *, in_place: bool = False
) -> tuple[Schema, Any]:
    """Schema and `_core.CodedTable` of a table (exact) or of a `Dataset` (over its bins).

    `in_place`: numbers may stay where they are, for one tree of CART.
    """
    if isinstance(X, Dataset):
        return X.schema, _core.CodedTable.of_bins(X.core)
    table = read_table(X)
    schema = Schema.infer(table, categorical_features=categorical_features)
    columns, n_threads = schema.encode_table(table), threads(n_jobs)
    try:
        return schema, _core.CodedTable(columns, schema.n_categories, n_threads, in_place)
    except ValueError as error:
        raise ValueError(_with_name(str(error), schema)) from None


def _with_name(message: str, schema: Schema) -> str:
    """A message of the engine, which numbers columns, with the name of the column."""
    return re.sub(r"column (\d+)", lambda found: f"column {schema.feature_names[int(found[1])]!r}", message, count=1)


def check_exposure(exposure: Any) -> Floats | None:
    """Times as float64, shape (n,)."""
    if exposure is None:
        return None
    times = np.asarray(exposure, dtype=np.float64)
    if times.ndim != 1 or not (np.isfinite(times) & (times > 0)).all():
        raise ValueError("exposure must hold one positive number for each row")
    return times


class TreeEstimator(SavedEstimator, TableEstimator):
    """Base of the estimators of one tree. A subclass has `categorical_features`, `n_jobs` and `verbose` among its
    parameters, and defines `_grow`.
    """

    tree_: DecisionTree
    categorical_features: Any
    n_jobs: int | None
    verbose: int
    #: Whether `_grow` takes a table whose numbers are in place.
    _in_place = False

    def _told(self, n_rows: int, grow: Callable[[Callable[[int], None]], Any]) -> Any:
        """What `grow` returns, which tells how many rows have come to a leaf: a bar shows it where that is wanted."""
        bar = LateBar(n_rows, is_told(self.verbose), type(self).__name__)
        told = 0

        def tell(done: int) -> None:
            nonlocal told
            done = min(done, n_rows)  # a case in parts comes to several leaves
            bar.advance(done - told)
            told = done

        try:
            grown = grow(tell)
            tell(n_rows)
            return grown
        finally:
            bar.finish()

    def _grow(self, table: Any, response: Any) -> Any:
        """The `_core.DecisionTree` of a `_core.CodedTable` and a `_core.Response`."""
        raise NotImplementedError

    def _response(self, y: Any, weight: Floats | None) -> Any:
        raise NotImplementedError

    def _classes(self) -> npt.NDArray[Any] | None:
        return None

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Grow the tree.

        Parameters
        ----------
        X : array, sparse matrix, data frame or Dataset, shape (n, n_features)
            NaN is a missing value. A `Dataset` is searched over its bins.
        y : array-like, shape (n,), or (n, K) for a regressor of K targets
        sample_weight : array-like, shape (n,), optional
            Weight 2 is the same as the row twice, weight 0 the same as leaving it out.

        Returns
        -------
        self
        """
        self._require_y(y)
        if hasattr(self, "tree_"):
            del self.tree_  # a fit that fails leaves none that does not fit the rest
        if not isinstance(X, Dataset):
            X = self._check_X(X, reset=True)
        else:
            self._take_columns_of(X)
        target = self._encode_y(y, fitting=True)
        schema, table = read_training_table(X, self.categorical_features, self.n_jobs, in_place=self._in_place)
        if table.n_rows != len(target):
            raise ValueError(f"X and y must have the same number of rows, got {table.n_rows} and {len(target)}")
        weight = check_weight(sample_weight, len(target), "sample_weight")
        response = self._response(target, weight)
        del target, weight  # growing needs the memory
        core = self._grow(table, response)
        self.tree_ = DecisionTree(core, schema, table.wide, self._classes())
        return self

    def _rows(self, X: Any) -> Any:
        check_is_fitted(self)
        return self._check_X(X, reset=False)

    def apply(self, X: Any) -> npt.NDArray[np.int32]:
        """The node that answers for each row, shape (n,)."""
        rows = self._rows(X)
        return self.tree_.leaves(rows, threads(self.n_jobs))

    def decision_path(self, X: Any) -> Any:
        """CSR matrix of shape (n, n_nodes): 1 where a row passes a node (of its largest part, where it is shared)."""
        leaves = self.apply(X)
        parent = self.tree_.parents()
        paths = []
        for leaf in range(self.tree_.n_nodes):
            path = [leaf]
            while parent[path[-1]] >= 0:
                path.append(int(parent[path[-1]]))
            paths.append(np.sort(path))
        lengths = np.array([len(paths[leaf]) for leaf in leaves])
        columns = np.concatenate([paths[leaf] for leaf in leaves]) if len(leaves) else np.zeros(0, dtype=np.int64)
        begin = np.concatenate([[0], np.cumsum(lengths)])
        ones = np.ones(len(columns), dtype=np.int64)
        return scipy.sparse.csr_matrix((ones, columns, begin), shape=(len(leaves), self.tree_.n_nodes))

    def get_depth(self) -> int:
        """Questions on the longest way from the root to a leaf."""
        check_is_fitted(self)
        return self.tree_.depth

    def get_n_leaves(self) -> int:
        """Number of leaves."""
        check_is_fitted(self)
        return self.tree_.n_leaves

    @property
    def feature_importances_(self) -> Floats:
        """Importance of every feature, shape (n_features,), as `pygbt.tree.variable_importance` has it."""
        check_is_fitted(self)
        return variable_importance(self)

    def to_text(self, **options: Any) -> str:
        """The tree as text; options of `pygbt.tree.export_text`."""
        return export_text(self, **options)

    def to_rules(self) -> Any:
        """The rules of the leaves; see `pygbt.tree.decision_rules`."""
        return decision_rules(self)

    def to_graphviz(self, **options: Any) -> str:
        """The tree in the DOT language; options of `pygbt.tree.to_graphviz`."""
        return to_graphviz(self, **options)

    def draw(self, ax: Any = None, **options: Any) -> Any:
        """Draw the tree with matplotlib; options of `pygbt.tree.draw`. Returns the axes."""
        return draw(self, ax, **options)

    def to_svg(self, path: Any = None, **options: Any) -> str:
        """Draw the tree as SVG, into a file, too, where a path is given; options of `pygbt.tree.to_svg`."""
        return to_svg(self, path, **options)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "tree_")

    def _file_parts(self) -> FileParts:
        arrays, state = pack_trees([self.tree_])
        return FileParts(arrays, state, self.tree_.schema)

    def _from_file_parts(self, parts: FileParts) -> None:
        (self.tree_,) = read_trees(parts, self._classes())


class TreeClassifier(ClassifierMixin, ClassLabels, TreeEstimator):  # type: ignore[misc]
    """Base of the classifiers of one tree."""

    def _classes(self) -> npt.NDArray[Any]:
        return self.classes_

    def _response(self, y: Any, weight: Floats | None) -> Any:
        codes = np.ascontiguousarray(y, dtype=np.int32)
        return _core.Response.classes(codes, len(self.classes_), weight, threads(self.n_jobs))

    def predict_proba(self, X: Any) -> Floats:
        """Shares of the classes in the leaf of each row, shape (n, n_classes); columns in the order of ``classes_``."""
        rows = self._rows(X)
        return self.tree_.values(rows, threads(self.n_jobs))

    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithms of `predict_proba`."""
        with np.errstate(divide="ignore"):
            logs: Floats = np.log(self.predict_proba(X))
        return logs

    def predict(self, X: Any) -> npt.NDArray[Any]:
        """The predicted class of each row, shape (n,), of the type of `y`."""
        rows = self._rows(X)
        labels: npt.NDArray[Any] = self.classes_[self.tree_.labels(rows, threads(self.n_jobs))]
        return labels


class TreeRegressor(RegressorMixin, NumberTargets, TreeEstimator):  # type: ignore[misc]
    """Base of the regressors of one tree."""

    def _response(self, y: Any, weight: Floats | None) -> Any:
        self._flat = y.ndim == 1
        targets = np.ascontiguousarray(y.reshape(len(y), -1), dtype=np.float64)
        return _core.Response.targets(targets, weight, threads(self.n_jobs))

    def predict(self, X: Any) -> Floats:
        """The predicted target of each row, shape (n,), or (n, K) for K targets."""
        rows = self._rows(X)
        values = self.tree_.values(rows, threads(self.n_jobs))
        return values[:, 0] if self._flat else values

    def _file_parts(self) -> FileParts:
        parts = super()._file_parts()
        return FileParts(parts.arrays, {**parts.state, "flat": self._flat}, parts.schema)

    def _from_file_parts(self, parts: FileParts) -> None:
        super()._from_file_parts(parts)
        self._flat = parts.flag("flat")
        parts.require(not self._flat or self.tree_.n_values == 1, "outputs do not fit")
