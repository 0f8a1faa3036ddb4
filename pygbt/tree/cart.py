# SPDX-License-Identifier: Apache-2.0
"""CART: binary trees for classes, numbers and counts, with priors, losses, surrogates and the complexity rule."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .base import TreeClassifier, TreeEstimator, TreeRegressor, check_exposure, threads

# isort: split
from .. import _core
from ..class_weights import class_factors

__all__ = ["CARTClassifier", "CARTRegressor"]

Floats = npt.NDArray[np.float64]

_GROWTH = """\
min_split : float, default=20
        Cases that a node needs to be split; `counting` says what a case is.
    min_bucket : float, optional
        Cases that a child must have; None: a third of `min_split`, rounded.
    cp : float or None, default=0.01
        Complexity parameter: a split is kept if it lowers the risk by more than `cp` times the risk of the root for
        each leaf it adds (the smallest tree that is best for R + cp R(root) leaves). 0 keeps what lowers the risk; None
        asks nothing of a split, not even to improve the criterion: nodes are split until they are pure.
    max_depth : int, optional
        Questions on the way to a leaf; None: no limit.
    max_leaves : int, optional
        The leaf whose question improves most is split first, until there are so many.
    nominal : {"auto", "ordered", "exhaustive", "one_vs_rest"}, default="auto"
        How levels of a categorical column are divided. "ordered" by their response: the best division for two classes,
        a mean or a rate; for more classes the best of the orders by each class's share. "exhaustive": all divisions
        (at most 24 levels in a node). "auto": exhaustive up to 11 levels where an order is not exact.
    missing : {"surrogate", "direction"}, default="surrogate"
        What rows without the asked value do. "surrogate": they take no part in the choice of the question and follow
        the question about another column that agrees best with it. "direction": the side that suits them best is
        part of the question (cheaper).
    max_surrogates : int, default=5
        Surrogates kept of a node.
    use_surrogates : {0, 1, 2}, default=2
        A row that no surrogate decides 2: follows the majority; 1: stays in the node. 0: no surrogates, it stays.
    surrogate_style : {0, 1}, default=0
        Agreement is a share 0: of all rows that the question sends; 1: of those that have the surrogate's value.
    max_competitors : int, default=4
        Questions about other columns kept for the reader, the best first.
    feature_costs : array-like of float, shape (n_features,), optional
        The improvement of a question is divided by the cost of its column.
    counting : {"weight", "rows"}, default="weight"
        Whether a case is a unit of weight (weight 3 is the row three times) or a row, whatever it weighs.
    threshold : {"midpoint", "value"}, default="midpoint"
        Numeric cuts lie midway between two training values, or at the lower one.
    categorical_features : "auto" or list of int or str, default="auto"
        Categorical columns; "auto" takes the columns of a categorical type of a data frame.
    n_jobs : int, optional
        Threads; None: all. The tree is the same, bit for bit, for any number.
    verbose : int, default 0
        Above 0: a progress bar on whatever takes longer than two seconds.
"""

_ATTRIBUTES = """\
tree_ : DecisionTree
        Nodes, questions, surrogates and statistics. `risk` is that of the training rows.
    n_features_in_ : int
    feature_names_in_ : ndarray of str, where `X` has column names
    feature_importances_ : ndarray of float64, shape (n_features,)"""


def _number(name: str, value: Any, least: float, most: float = np.inf) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not least <= float(value) <= most:
        limits = f">= {least:g}" if most == np.inf else f"from {least:g} to {most:g}"
        raise ValueError(f"{name} must be a number {limits}, got {value!r}")
    return float(value)


def _integer(name: str, value: Any, least: int) -> int:
    """An integer of at least `least`; more than an int32 holds counts as the largest one."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < least:
        raise ValueError(f"{name} must be an integer >= {least}, got {value!r}")
    return min(int(value), np.iinfo(np.int32).max)


def _floats(name: str, values: Any) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must hold numbers, got {values!r}") from None


def _choice(name: str, value: Any, choices: Sequence[Any]) -> Any:
    plain = value.item() if isinstance(value, np.generic) else value
    if not any(plain is c or (type(plain) is type(c) and plain == c) for c in choices):
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
    return plain


class _Cart(TreeEstimator):
    """The rules of growth, which the classifier and the regressor share."""

    criterion: Any
    min_split: Any
    min_bucket: Any
    cp: Any
    max_depth: Any
    max_leaves: Any
    nominal: Any
    missing: Any
    max_surrogates: Any
    use_surrogates: Any
    surrogate_style: Any
    max_competitors: Any
    feature_costs: Any
    counting: Any
    threshold: Any

    _criteria: Sequence[str] = ()
    _in_place = True

    def _grow_cart(self, table: Any, response: Any, options: dict[str, Any]) -> Any:
        n_threads = threads(self.n_jobs)
        return self._told(table.n_rows, lambda tell: _core.grow_cart(table, response, options, n_threads, tell))

    def _options(self, n_features: int) -> dict[str, Any]:
        """Checked options of `_core.grow_cart`."""
        min_split = _number("min_split", self.min_split, 0)
        third = min_split if np.isinf(min_split) else float(round(min_split / 3))
        options: dict[str, Any] = {
            "criterion": _choice("criterion", self.criterion, self._criteria),
            "min_split": min_split,
            "min_bucket": third if self.min_bucket is None else _number("min_bucket", self.min_bucket, 0),
            "count_rows": _choice("counting", self.counting, ("weight", "rows")) == "rows",
            "cp": -1.0 if self.cp is None else _number("cp", self.cp, 0),
            "nominal": _choice("nominal", self.nominal, ("auto", "ordered", "exhaustive", "one_vs_rest")),
            "missing": _choice("missing", self.missing, ("surrogate", "direction")),
            "max_surrogates": _integer("max_surrogates", self.max_surrogates, 0),
            "use_surrogates": _choice("use_surrogates", self.use_surrogates, (0, 1, 2)),
            "surrogates_of_present": _choice("surrogate_style", self.surrogate_style, (0, 1)) == 1,
            "max_competitors": _integer("max_competitors", self.max_competitors, 0),
            "midpoint": _choice("threshold", self.threshold, ("midpoint", "value")) == "midpoint",
        }
        if self.max_depth is not None:
            options["max_depth"] = _integer("max_depth", self.max_depth, 0)
        if self.max_leaves is not None:
            options["max_leaves"] = _integer("max_leaves", self.max_leaves, 1)
        if self.feature_costs is not None:
            costs = _floats("feature_costs", self.feature_costs)
            if costs.shape != (n_features,) or not (np.isfinite(costs) & (costs > 0)).all():
                raise ValueError(f"feature_costs must hold {n_features} positive numbers, one for each column")
            options["feature_cost"] = costs.tolist()
        return options


class CARTClassifier(TreeClassifier, _Cart):
    __doc__ = f"""A classification tree (Breiman, Friedman, Olshen and Stone, 1984), as rpart computes it.

    Parameters
    ----------
    criterion : {{"gini", "entropy", "twoing"}}, default="gini"
        Impurity whose decrease decides: sum p (1 - p), - sum p ln p, or the twoing rule.
    {_GROWTH}
    priors : array-like of float, shape (n_classes,), or dict of label to float, optional
        Prior probabilities of the classes; None: their frequencies.
    losses : array-like of float, shape (n_classes, n_classes), optional
        ``losses[i, j]``: cost of calling a row of class i class j, in the order of ``classes_``. They decide labels and
        risk, and the search through altered priors.
    class_weight : dict, "balanced" or None, default=None
        Factors of the weights of the rows of a class. "balanced": all classes weigh the same.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    n_classes_ : int
    {_ATTRIBUTES}
    """

    _criteria = ("gini", "entropy", "twoing")

    def __init__(
        self,
        *,
        criterion: str = "gini",
        min_split: float = 20,
        min_bucket: float | None = None,
        cp: float | None = 0.01,
        max_depth: int | None = None,
        max_leaves: int | None = None,
        priors: Any = None,
        losses: Any = None,
        class_weight: Any = None,
        nominal: str = "auto",
        missing: str = "surrogate",
        max_surrogates: int = 5,
        use_surrogates: int = 2,
        surrogate_style: int = 0,
        max_competitors: int = 4,
        feature_costs: Any = None,
        counting: str = "weight",
        threshold: str = "midpoint",
        categorical_features: Any = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.criterion = criterion
        self.min_split = min_split
        self.min_bucket = min_bucket
        self.cp = cp
        self.max_depth = max_depth
        self.max_leaves = max_leaves
        self.priors = priors
        self.losses = losses
        self.class_weight = class_weight
        self.nominal = nominal
        self.missing = missing
        self.max_surrogates = max_surrogates
        self.use_surrogates = use_surrogates
        self.surrogate_style = surrogate_style
        self.max_competitors = max_competitors
        self.feature_costs = feature_costs
        self.counting = counting
        self.threshold = threshold
        self.categorical_features = categorical_features
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _row_weight(self, y: Any, weight: Floats | None) -> Floats | None:
        """Weights of the rows with the factors of their classes."""
        if self.class_weight is None:
            return weight
        codes = y.astype(np.int32)
        own: Floats = class_factors(self.class_weight, self.classes_, codes, weight)[codes]
        return own if weight is None else weight * own

    def _response(self, y: Any, weight: Floats | None) -> Any:
        return super()._response(y, self._row_weight(y, weight))

    def _losses(self) -> Floats | None:
        if self.losses is None:
            return None
        n = len(self.classes_)
        losses = _floats("losses", self.losses)
        if losses.shape != (n, n) or not np.isfinite(losses).all() or (losses < 0).any() or losses.diagonal().any():
            raise ValueError(f"losses must be {n} x {n} numbers >= 0, with zeros on the diagonal")
        if not (losses.sum(axis=1) > 0).all():
            raise ValueError("losses: every class must cost something where it is called another")
        return losses

    def _class_factor(self, class_weights: Floats) -> Floats:
        """Prior over frequency of every class; 1 without priors."""
        n = len(self.classes_)
        if self.priors is None:
            return np.ones(n)
        if isinstance(self.priors, Mapping):
            unknown = set(self.priors) - set(self.classes_.tolist())
            if unknown or len(self.priors) != n:
                raise ValueError("priors must hold every class once, and nothing else")
            priors = _floats("priors", [self.priors[label] for label in self.classes_.tolist()])
        else:
            priors = _floats("priors", self.priors)
        if priors.shape != (n,) or not (priors >= 0).all() or abs(priors.sum() - 1.0) > 1e-6:
            raise ValueError(f"priors must be {n} probabilities that sum to 1, one for each class")
        total = class_weights.sum()
        factor: Floats = np.divide(priors * total, class_weights, out=np.zeros(n), where=class_weights > 0)
        return factor

    def _grow(self, table: Any, response: Any, class_factor: Floats | None = None) -> Any:
        options = self._options(table.n_features)
        class_weights = response.class_weights()
        factor = self._class_factor(class_weights) if class_factor is None else class_factor
        losses = self._losses()
        altered = factor
        if losses is not None:
            options["losses"] = losses.ravel().tolist()
            cost = losses.sum(axis=1)
            priors = factor * class_weights / class_weights.sum()
            altered = factor * cost / (priors * cost).sum()
        options["class_factor"] = factor.tolist()
        options["split_factor"] = altered.tolist()
        return self._grow_cart(table, response, options)


class CARTRegressor(TreeRegressor, _Cart):
    __doc__ = f"""A regression tree (Breiman, Friedman, Olshen and Stone, 1984), as rpart computes it.

    Parameters
    ----------
    criterion : {{"squared_error", "absolute_error", "poisson"}}, default="squared_error"
        Risk that questions lower: squares about the mean (of one or several targets), absolute deviations from the
        median, or the deviance of counts about a rate.
    {_GROWTH}
    shrink : float, default=1
        "poisson": coefficient of variation of the gamma prior of the rates, which draws those of small nodes towards
        the rate of the root; 0: none.

    Attributes
    ----------
    {_ATTRIBUTES}
    """

    _criteria = ("squared_error", "absolute_error", "poisson")

    def __init__(
        self,
        *,
        criterion: str = "squared_error",
        min_split: float = 20,
        min_bucket: float | None = None,
        cp: float | None = 0.01,
        max_depth: int | None = None,
        max_leaves: int | None = None,
        shrink: float = 1.0,
        nominal: str = "auto",
        missing: str = "surrogate",
        max_surrogates: int = 5,
        use_surrogates: int = 2,
        surrogate_style: int = 0,
        max_competitors: int = 4,
        feature_costs: Any = None,
        counting: str = "weight",
        threshold: str = "midpoint",
        categorical_features: Any = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.criterion = criterion
        self.min_split = min_split
        self.min_bucket = min_bucket
        self.cp = cp
        self.max_depth = max_depth
        self.max_leaves = max_leaves
        self.shrink = shrink
        self.nominal = nominal
        self.missing = missing
        self.max_surrogates = max_surrogates
        self.use_surrogates = use_surrogates
        self.surrogate_style = surrogate_style
        self.max_competitors = max_competitors
        self.feature_costs = feature_costs
        self.counting = counting
        self.threshold = threshold
        self.categorical_features = categorical_features
        self.n_jobs = n_jobs
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = self.criterion == "squared_error"
        tags.target_tags.positive_only = self.criterion == "poisson"
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, exposure: Any = None) -> Any:
        """Grow the tree.

        Parameters
        ----------
        X : array, sparse matrix, data frame or Dataset, shape (n, n_features)
            NaN is a missing value. A `Dataset` is searched over its bins.
        y : array-like, shape (n,), or (n, K) for squared error of K targets
        sample_weight : array-like, shape (n,), optional
            Weight 2 is the same as the row twice, weight 0 the same as leaving it out.
        exposure : array-like, shape (n,), optional
            "poisson": time in which the events of a row came; predictions are rates, events a unit of time.

        Returns
        -------
        self
        """
        if exposure is not None and self.criterion != "poisson":
            raise ValueError('exposure is that of counts: use it with criterion="poisson"')
        self._exposure = check_exposure(exposure)
        try:
            return super().fit(X, y, sample_weight)
        finally:
            del self._exposure

    def _check_targets(self, y: Floats) -> None:
        """Refuse targets that the criterion is not for."""
        if self.criterion in ("poisson", "absolute_error") and y.ndim != 1:
            what = "one column of counts" if self.criterion == "poisson" else "one column"
            raise ValueError(f'y must be {what} for criterion="{self.criterion}", got shape {y.shape}')
        if self.criterion == "poisson" and (y < 0).any():
            raise ValueError('y must not be negative for criterion="poisson"')

    def _response(self, y: Any, weight: Floats | None) -> Any:
        self._check_targets(y)
        if self.criterion == "poisson":
            self._flat = True
            columns = [y] if self._exposure is None else [y, self._exposure]
            if any(len(column) != len(y) for column in columns):
                raise ValueError("exposure and y must have the same number of rows")
            targets = np.ascontiguousarray(np.column_stack(columns), dtype=np.float64)
            return _core.Response.targets(targets, weight, threads(self.n_jobs))
        return super()._response(y, weight)

    def _grow(self, table: Any, response: Any, class_factor: Floats | None = None) -> Any:
        options = self._options(table.n_features)
        options["shrink"] = _number("shrink", self.shrink, 0)
        return self._grow_cart(table, response, options)
