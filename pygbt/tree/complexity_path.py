# SPDX-License-Identifier: Apache-2.0
"""The cost-complexity path, cross-validated as rpart does."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np
import numpy.typing as npt

from .. import _core
from ..cross_validation import make_folds
from ..data import Dataset
from ..table_estimator import check_weight, seed_of, take_rows
from .base import TreeClassifier, TreeEstimator, check_exposure, read_training_table, threads
from .cart import CARTClassifier
from .decision_tree import DecisionTree
from .pruning_path import CostComplexityPath, scored_at

# isort: split
from sklearn.base import clone

__all__ = ["cost_complexity_path"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def cost_complexity_path(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    folds: Any = 10,
    random_state: Any = 0,
    exposure: Any = None,
) -> CostComplexityPath:
    """Fit an estimator, and cross-validate the path of its cost-complexity prunings.

    The table is that of rpart: row 1 is scored at infinity, row j at the geometric mean of the cp of rows j - 1 and j,
    the last row included; a fold's alphas are scaled by the share of the weight left in; factors of the classes
    (priors) are those of all rows; the last cp is that of the estimator, or 0 where it has none.

    Parameters
    ----------
    estimator : estimator of `pygbt.tree`
        A clone is fitted; it stays as it is.
    X : array, sparse matrix or data frame, shape (n, n_features)
    y : array-like, shape (n,), or (n, K)
        Rows without one (NaN, None) are left out, with their weights and fold numbers.
    sample_weight : array-like, shape (n,), optional
    folds : int, array-like of shape (n,), splitter, or None, default 10
        A number of folds drawn at random; the number of each row's fold; an object with ``split(X, y)`` whose test
        sets hold each row once (of those with a response); or None: no cross-validation.
    random_state : int, generator or None, default 0
        Seed of drawn folds; None draws one.
    exposure : array-like, shape (n,), optional
        Times of counts, as in `CARTRegressor.fit`.

    Returns
    -------
    CostComplexityPath

    Examples
    --------
    >>> path = cost_complexity_path(CARTClassifier(cp=0.001), X, y, folds=10)
    >>> print(path)
    >>> smaller = path.estimator_at(path.one_se())
    """
    if not isinstance(estimator, TreeEstimator):
        raise TypeError(f"cost_complexity_path needs an estimator of pygbt.tree, got {type(estimator).__name__}")
    if isinstance(X, Dataset):
        raise TypeError("X must be the raw table (array or data frame), not a Dataset: a Dataset holds bins only")
    missing = _missing_response(y, np.asarray(y))
    y = np.asarray(y)
    weight = check_weight(sample_weight, len(y), "sample_weight")
    times = check_exposure(exposure)
    seed = _seed(random_state)
    splits = hasattr(folds, "split") and not isinstance(folds, str | bytes)
    drawn = folds is None or splits or isinstance(folds, int | np.integer)
    fold = None if drawn else _given_folds(folds, len(y))
    if missing.any():
        if missing.all():
            raise ValueError("y is missing in every row")
        kept = np.flatnonzero(~missing)
        X, y = take_rows(np.asarray(X) if isinstance(X, list | tuple) else X, kept), y[kept]
        if y.dtype == object:
            y = np.array(y.tolist())
        weight = None if weight is None else weight[kept]
        times = None if times is None else times[kept]
        fold = None if fold is None else fold[kept]
    if drawn and folds is not None:
        fold = _drawn_folds(folds, X, y, seed)
    fitting = _Fitting(clone(estimator), X, y, weight, times)
    path = CostComplexityPath(fitting.estimator, float(getattr(estimator, "cp", None) or 0.0))
    if fold is not None:
        path.fold = fold
        path.xerror, path.xstd = _cross_validate(fitting, path, fold)
    if fitting.counts:
        del fitting.estimator._exposure
    return path


class _Fitting:
    """An estimator with the table that it and its folds are grown on."""

    def __init__(self, estimator: Any, X: Any, y: Any, weight: Floats | None, times: Floats | None) -> None:
        self.estimator = estimator
        self.counts = getattr(estimator, "criterion", None) == "poisson"
        if self.counts:
            estimator._exposure = times
        elif times is not None:
            raise ValueError('exposure is that of counts: use it with criterion="poisson"')
        X = estimator._check_X(X, reset=True)
        self.target = estimator._encode_y(y, fitting=True)
        schema, self.table = read_training_table(X, estimator.categorical_features, estimator.n_jobs)
        if self.table.n_rows != len(self.target):
            raise ValueError(
                f"X and y must have the same number of rows, got {self.table.n_rows} and {len(self.target)}"
            )
        if isinstance(estimator, CARTClassifier):  # factors of the classes are those of all rows
            weight = estimator._row_weight(self.target, weight)
        self.weight = np.ones(len(self.target)) if weight is None else weight
        core = estimator._grow(self.table, self.response(weight))
        estimator.tree_ = DecisionTree(core, schema, self.table.wide, estimator._classes())
        self.columns = estimator.tree_._encoded(X)

    def response(self, weight: Floats | None) -> Any:
        """The `_core.Response` of weights that have the factors of the classes in them."""
        if isinstance(self.estimator, CARTClassifier):
            return TreeClassifier._response(self.estimator, self.target, weight)
        return self.estimator._response(self.target, weight)

    def grown(self, estimator: Any, weight: Floats) -> Any:
        """The `_core.DecisionTree` of some of the rows, with the class factors of all of them."""
        response = self.response(weight)
        if "class_factor" not in inspect.signature(estimator._grow).parameters:  # no priors
            return estimator._grow(self.table, response)
        return estimator._grow(self.table, response, class_factor=self.estimator.tree_.class_factor)

    def held_out(self, tree: Any, weight: Floats) -> Any:
        """Losses of the rows with weight in every node of a tree."""
        full = self.estimator
        cost = None
        if full.tree_.classes is not None:
            k = len(full.tree_.classes)
            losses = getattr(full, "losses", None)
            table = 1.0 - np.eye(k) if losses is None else np.asarray(losses, dtype=np.float64)
            cost = np.ascontiguousarray(full.tree_.class_factor[:, np.newaxis] * table)
        criterion = getattr(full, "criterion", "squared_error") if cost is None else "squared_error"
        response = self.response(weight)
        return _core.prune.HeldOut(
            tree,
            self.columns,
            full.tree_.wide,
            response,
            class_cost=cost,
            deviation=criterion,
            n_threads=threads(full.n_jobs),
        )


def _cross_validate(fitting: _Fitting, path: CostComplexityPath, fold: Ints) -> tuple[Floats, Floats]:
    """xerror and xstd of every row of the path."""
    total = float(fitting.estimator.tree_.weight[0])
    betas = scored_at(path.cp) * path.root_risk
    least = path.cp[-1] * path.root_risk
    risk, squared = np.zeros(len(path)), np.zeros(len(path))
    for number in np.unique(fold):
        inside = np.where(fold != number, fitting.weight, 0.0)
        outside = np.where(fold == number, fitting.weight, 0.0)
        if not outside.any():
            continue
        if not inside.any():
            raise ValueError("folds: all rows are in one fold; give at least two")
        tree, share = _fold_tree(fitting, inside, total, least)
        rows = fitting.held_out(tree, outside)
        strength = _core.prune.link_strength(tree, tree.to_arrays()["risk"])
        risk += _core.prune.path_sums(tree, strength, betas * share, rows.loss, rows.stays)
        squared += _core.prune.path_sums(tree, strength, betas * share, rows.squared, rows.stays_squared)
    spread = np.sqrt(np.maximum(squared - risk * risk / total, 0.0))
    return risk / path.root_risk, spread / path.root_risk


def _fold_tree(fitting: _Fitting, weight: Floats, total: float, least: float) -> tuple[Any, float]:
    """The tree of the rows left in, and their share of the weight. `least`: the last alpha of all rows."""
    estimator = fitting.estimator
    if getattr(estimator, "cp", None) is None:
        tree = fitting.grown(estimator, weight)
        return tree, tree.to_arrays()["weight"][0] / total
    root = fitting.grown(copy.copy(estimator).set_params(cp=1.0), weight).to_arrays()  # alone: its weight and risk
    share, risk = root["weight"][0] / total, root["risk"][0]
    cp = min(1.0, least * share / risk) if risk > 0 else 1.0  # cp is a share of the fold's own risk
    return fitting.grown(copy.copy(estimator).set_params(cp=cp), weight), share


def _missing_response(y: Any, values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Whether each row lacks a response; `values`: y as an array."""
    missing = np.zeros(values.shape, dtype=bool)
    if hasattr(y, "isna"):
        missing = np.asarray(y.isna(), dtype=bool)
    elif values.dtype.kind == "f":
        missing = np.isnan(values)
    elif values.dtype == object:
        none: Any = None
        missing = np.asarray(np.equal(values, none) | (values != values), dtype=bool)
    rows: npt.NDArray[np.bool_] = missing.reshape(len(values), -1).max(axis=1, initial=False)
    return rows


def _seed(random_state: Any) -> int:
    value = int(np.random.SeedSequence().generate_state(1)[0]) if random_state is None else seed_of(random_state)
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise ValueError(f"random_state must be an integer, a generator or None, got {random_state!r}")
    return int(value)


def _given_folds(folds: Any, n: int) -> Ints:
    numbers = np.asarray(folds)
    if numbers.shape != (n,) or numbers.dtype.kind not in "iu":
        raise ValueError(
            f"folds must be a number, one whole number for each of the {n} rows, or a splitter; got an array of shape "
            f"{numbers.shape} and type {numbers.dtype}"
        )
    return numbers.astype(np.int64)


def _drawn_folds(folds: Any, X: Any, y: npt.NDArray[Any], seed: int) -> Ints:
    """The fold that each row is left out in, by number of folds or by a splitter."""
    if not hasattr(folds, "split") and (isinstance(folds, bool) or not 2 <= folds <= len(y)):
        raise ValueError(f"folds must be a number from 2 to the number of rows, {len(y)}, got {folds!r}")
    splits = folds.split(X, y) if hasattr(folds, "split") else make_folds(len(y), folds, seed=seed)
    fold = np.full(len(y), -1, dtype=np.int64)
    for number, (_, test) in enumerate(splits):
        if np.any(fold[test] >= 0):
            raise ValueError("folds: the test sets of the splitter hold a row twice; use one like KFold")
        fold[test] = number
    if np.any(fold < 0):
        raise ValueError("folds: the test sets of the splitter leave rows out; use one like KFold")
    return fold
