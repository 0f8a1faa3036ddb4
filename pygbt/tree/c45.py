# SPDX-License-Identifier: Apache-2.0
"""C4.5: gain ratio, fractional cases, error-based pruning, rules."""

from __future__ import annotations

import math
import numbers
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from ..table_estimator import check_weight, label_codes  # first: says what is missing

# isort: split
import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import _core
from .base import TreeClassifier, threads
from .c45rules import RuleMaker

__all__ = ["C45Classifier", "SplitCandidate"]


@dataclass(frozen=True)
class SplitCandidate:
    """The best test of one attribute at a node, as C4.5 judges it.

    Attributes
    ----------
    feature : int
    name : str
    usable : bool
        At least two branches have `min_obj` cases, and a numeric cut gains more than its penalty.
    eligible : bool
        Usable, its gain is at least the average gain of the usable attributes less 0.001 bits, and its split
        information is above 0.001 bits: only such attributes are chosen, by ratio.
    chosen : bool
    gain : float
        Information gain in bits a case, after `penalty`; of cases with an unknown value nothing is gained.
    split_info : float
        Entropy of the branches in bits, the cases with an unknown value being one more branch.
    ratio : float
        ``gain / split_info``.
    penalty : float
        Bits a case that a numeric attribute pays for the choice among its cuts: log2(n_cuts) / cases.
    n_cuts : int
        Cuts that were tried; 0 for nominal attributes.
    threshold, midpoint : float or None
        Numeric: ``x <= threshold`` is the first branch; the middle of the node's two values around the cut.
    branches : tuple of tuple of values
        Nominal: the categories of each branch.
    average_gain : float
        Of the node: the bar for `eligible`.
    """

    feature: int
    name: str
    usable: bool
    eligible: bool
    chosen: bool
    gain: float
    split_info: float
    ratio: float
    penalty: float
    n_cuts: int
    threshold: float | None
    midpoint: float | None
    branches: tuple[tuple[Any, ...], ...]
    average_gain: float


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _number(value: Any, name: str, low: float, high: float, *, open_low: bool = False) -> float:
    """A finite number in a range."""
    good = isinstance(value, numbers.Real) and not _is_flag(value) and math.isfinite(value)
    if not good or not low <= value <= high or (open_low and value == low):
        bracket = "(" if open_low else "["
        bound = f"{bracket}{low:g}, {high:g}]" if math.isfinite(high) else f"{bracket}{low:g}, inf)"
        raise ValueError(f"{name} must be a number in {bound}, got {value!r}")
    return float(value)


def _choice(value: Any, name: str, allowed: Iterable[str]) -> str:
    allowed = tuple(allowed)
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, allowed))}, got {value!r}")
    return value


def _flag(value: Any, name: str) -> bool:
    if not _is_flag(value):
        raise ValueError(f"{name} must be True or False, got {value!r}")
    return bool(value)


class C45Classifier(TreeClassifier):
    """Decision tree of C4.5 release 8 (Quinlan 1993, 1996).

    At each node every attribute proposes its best test: a numeric one a cut ``x <= threshold``, a nominal one a branch
    for each of its categories. Among the attributes whose information gain is at least the average, the largest gain
    ratio wins; of equal ones the first. The finished tree is pruned by an upper limit of its errors.

    A case whose value is missing goes down every branch, in parts proportional to the known cases there, in training
    and in prediction; so does a category that no training case had. Counts of cases are therefore fractions.

    Parameters
    ----------
    confidence : float, default 0.25
        CF of error-based pruning, a share in (0, 1], with ``ebp="exact"`` in (0, 0.5]: the smaller, the more is
        pruned. C4.5 gives it in per cent (``-c 25``).
    min_obj : float, default 2
        At least two branches of a test must hold this weight of cases; > 0. A cut of a numeric attribute must leave on
        both sides ``max(min_obj, min(25, 0.1 * cases / classes))``. Nodes of less than twice `min_obj` are leaves.
    penalty : bool, default True
        Numeric tests pay log2(cuts tried) / cases bits of gain for the choice among cuts (release 8; J48 without -J).
    nominal : {"multiway", "grouped", "one_vs_rest"}, default "multiway"
        A branch for each category; for each group of categories, merged pair by pair while the gain ratio does not fall
        (C4.5 -s); or one category against all others, the one of the largest gain ratio (J48 -B).
    prune : bool, default True
        Error-based pruning (J48: off with -U).
    subtree_raising : bool, default True
        Pruning may also put the largest branch of a node in its place, with all its cases (J48: off with -S).
    collapse : bool, default True
        A sub-tree that makes no fewer training errors than a leaf in its place is not grown (J48: off with -O).
    ebp : {"c45", "exact"}, default "c45"
        How the limit of errors is computed. "c45": release 8, with its interpolated table of normal deviates; "exact":
        J48, with the normal quantile itself.
    min_gap : float, default 1e-5
        Numeric values of a node that differ by no more, in units of the attribute, are not cut apart; >= 0. Use 0 for
        attributes on a small scale.
    categorical_features : "auto", list of int or str, or None, default "auto"
        Nominal columns. "auto": those of a categorical type of a data frame.
    n_jobs : int or None, default None
        Threads; None and -1 are all. The tree is the same for any number.
    verbose : int, default 0
        Above 0: a progress bar on whatever takes longer than two seconds.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Labels of the classes.
    n_classes_ : int
        Number of classes.
    n_features_in_ : int
        Number of columns of `X`.
    feature_names_in_ : ndarray of str
        Names of the columns, where `X` had them.
    tree_ : DecisionTree
        The tree. ``question_improvement`` is the gain of a test in bits a case when it was grown (raising a branch
        keeps it), ``risk`` the weight of misclassified cases, ``impurity`` the entropy in bits.

    Notes
    -----
    A threshold is the largest value of the attribute in the whole training table that is not above the midpoint of the
    node's two values around the cut, so new cases between two training values go up. Nodes at depth 1000 are leaves.

    Ties of classes go to the first class, ties of criteria (closer than 1e-12 bits) to the first attribute or cut. An
    empty branch is a leaf with the majority class of the node above. Attributes with categories for 30 % of all cases
    or more do not take part in the average gain. Weight 2 is the same as the case twice, also for `min_obj`.

    References
    ----------
    J. R. Quinlan, C4.5: Programs for Machine Learning, 1993.

    J. R. Quinlan, Improved use of continuous attributes in C4.5, JAIR 4, 1996.
    """

    def __init__(
        self,
        *,
        confidence: float = 0.25,
        min_obj: float = 2,
        penalty: bool = True,
        nominal: Literal["multiway", "grouped", "one_vs_rest"] = "multiway",
        prune: bool = True,
        subtree_raising: bool = True,
        collapse: bool = True,
        ebp: Literal["c45", "exact"] = "c45",
        min_gap: float = 1e-5,
        categorical_features: Any = "auto",
        n_jobs: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.confidence = confidence
        self.min_obj = min_obj
        self.penalty = penalty
        self.nominal = nominal
        self.prune = prune
        self.subtree_raising = subtree_raising
        self.collapse = collapse
        self.ebp = ebp
        self.min_gap = min_gap
        self.categorical_features = categorical_features
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _settings(self) -> dict[str, Any]:
        exact = _choice(self.ebp, "ebp", ("c45", "exact")) == "exact"
        return {
            "criterion": "gain_ratio",
            "confidence": _number(self.confidence, "confidence", 0, 0.5 if exact else 1, open_low=True),
            "exact_deviate": exact,
            "min_obj": _number(self.min_obj, "min_obj", 0, math.inf, open_low=True),
            "penalty": _flag(self.penalty, "penalty"),
            "nominal": _choice(self.nominal, "nominal", ("multiway", "grouped", "one_vs_rest")),
            "prune": _flag(self.prune, "prune"),
            "raise": _flag(self.subtree_raising, "subtree_raising"),
            "collapse": _flag(self.collapse, "collapse"),
            "min_gap": _number(self.min_gap, "min_gap", 0, math.inf),
            "n_threads": threads(self.n_jobs),
        }

    def _grow(self, table: Any, response: Any) -> Any:
        settings = self._settings()
        return self._told(table.n_rows, lambda tell: _core.grow_c45(table, response, settings, tell))

    def _again(self, X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any]:
        """The training table and response as `fit` had them."""
        check_is_fitted(self)
        schema = self.tree_.schema
        self._require_y(y)
        X = self._check_X(X, reset=False)
        labels = np.asarray(y)
        _, known = label_codes(self.classes_, labels.reshape(-1))
        if not known.all():
            unknown = labels.reshape(-1)[~known][:5].tolist()
            raise ValueError(f"y holds labels that the tree was not trained on: {unknown}; pass the training data")
        target = self._encode_y(y, fitting=False)
        table = _core.CodedTable(schema.encode(X, owner=type(self).__name__), schema.n_categories, threads(self.n_jobs))
        if table.n_rows != len(target):
            raise ValueError(f"X and y must have the same number of rows, got {table.n_rows} and {len(target)}")
        return table, self._response(target, check_weight(sample_weight, len(target), "sample_weight"))

    def split_report(self, X: Any, y: Any, node: int = 0, sample_weight: Any = None) -> list[SplitCandidate]:
        """Judge every attribute on the cases of a node, the ineligible ones included: why this test, or why a leaf.

        Parameters
        ----------
        X, y, sample_weight
            The training data (the tree does not keep them).
        node : int
            A node of ``tree_``. In a raised branch the cases are those that it has now.

        Returns
        -------
        list of SplitCandidate
            One for each column.
        """
        asked: Any = node
        if isinstance(asked, bool) or not isinstance(asked, int | np.integer):
            raise ValueError(f"node must be the number of a node, got {asked!r}")
        table, response = self._again(X, y, sample_weight)
        report = _core.report_c45_split(table, response, self._settings(), self.tree_._core, int(node))
        schema = self.tree_.schema
        rows = []
        for feature, row in enumerate(report["attributes"]):
            branch_of = row.pop("branch_of")
            values = schema.categories[feature] or ()
            n_branches = max(branch_of, default=-1) + 1
            branches = tuple(
                tuple(value for value, branch in zip(values, branch_of, strict=True) if branch == b)
                for b in range(n_branches)
            )
            chosen = feature == report["chosen"]
            name = schema.feature_names[feature]
            average = report["average_gain"]
            rows.append(SplitCandidate(feature, name, chosen=chosen, branches=branches, average_gain=average, **row))
        return rows

    def to_rules(self, X: Any = None, y: Any = None, sample_weight: Any = None) -> Any:
        """Rules from the tree, simplified on the training data, as C4.5rules makes them.

        Each path to a leaf is a rule. Conditions are dropped while the pessimistic error rate of the rule does not
        rise; each class keeps the subset of its rules with the shortest description; classes are ordered by their
        false positives; the default class is the majority of the cases that no rule covers.

        Parameters
        ----------
        X, y, sample_weight
            The training data (the tree does not keep them). Without: the rules of the leaves as they are.

        Returns
        -------
        RuleList, or without data RuleSet
            See there for what was chosen where the published description leaves room.
        """
        if X is None:
            return super().to_rules()
        table, _ = self._again(X, y, sample_weight)
        target = self._encode_y(y, fitting=False).astype(int)
        weight = check_weight(sample_weight, len(target), "sample_weight")
        exact, n_threads = self.ebp == "exact", threads(self.n_jobs)
        maker = RuleMaker(self.tree_, table, target, weight, self.confidence, exact, n_threads)
        return self._told(self.tree_.n_leaves, maker.rules)
